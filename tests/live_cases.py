"""What a live lamp does: cases for the tests of both its forms.

`duralava/live` (Python) and `duralava/export/static` (JavaScript) compute the same, and
the tests of both read these cases. `tests/fixtures/live.json` explains them.
"""

import json
import pathlib

CASES = json.loads(
    (pathlib.Path(__file__).parent / "fixtures/live.json").read_text("utf-8")
)
