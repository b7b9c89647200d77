import types

import pytest

from duralava import tables
from duralava.simulation.report.thresholds import COLUMNS, Threshold, rows


@pytest.mark.parametrize(
    ("limits", "text", "verdicts"),
    [
        ({}, "", (None, None, None)),
        ({"least": 2}, "2 % or more", (False, True, True)),
        ({"most": 2}, "at most 2 %", (True, True, False)),
        ({"least": 2, "most": 60}, "2 to 60 %", (False, True, True)),
        ({"least": 0, "most": 2}, "0 to 2 %", (True, True, False)),
    ],
)
def test_a_range_as_text_and_as_verdict(limits, text, verdicts):
    threshold = Threshold("share", lambda m: m, unit=" %", **limits)
    assert threshold.range() == text
    assert tuple(threshold.is_met(value) for value in (1.9, 2, 2.1)) == verdicts


@pytest.mark.parametrize("limits", [{"least": 0}, {"most": 0}])
def test_what_is_not_a_number_meets_no_threshold(limits):
    assert Threshold("share", lambda m: m, **limits).is_met(float("nan")) is False


def test_one_entry_makes_one_row_of_the_table():
    measured = types.SimpleNamespace(share=0.123, number=7)
    found = rows(
        measured,
        [
            Threshold("share of {m.number}", lambda m: 100 * m.share, ".1f", " %", 50),
            Threshold("number", lambda m: m.number),
        ],
    )
    assert tables.markdown(found, COLUMNS).splitlines() == [
        "| measure | value | threshold |  |",
        "| --- | --- | --- | --- |",
        "| share of 7 | 12.3 % | 50 % or more | **not met** |",
        "| number | 7 |  |  |",
    ]
