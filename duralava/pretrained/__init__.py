"""The shipped weights, one `.safetensors` file each; `duralava.weights` reads them."""

import pathlib

FOLDER = pathlib.Path(__file__).parent
DEFAULT = "simulated"


def names() -> list[str]:
    """Returns the names of the shipped weights."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))
