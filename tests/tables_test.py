import pytest

from duralava import tables
from duralava.tables import Column

ROWS = [{"name": "a|b", "size": 1.25}, {"name": "<c>", "size": None}]
COLUMNS = [
    Column("name", lambda row: row["name"]),
    Column("size", lambda row: row["size"], ".1f"),
    Column("again", lambda row: row["size"], lambda value: f"{value:g} m"),
]


def test_cells_are_formatted_and_none_is_an_empty_cell():
    assert tables.cells(ROWS, COLUMNS) == [
        ["name", "size", "again"],
        ["a|b", "1.2", "1.25 m"],
        ["<c>", "", ""],
    ]


def test_plain_text_is_aligned_without_trailing_spaces():
    assert tables.plain(ROWS, COLUMNS).splitlines() == [
        "name  size  again",
        "a|b   1.2   1.25 m",
        "<c>",
    ]


def test_markdown_has_a_rule_below_the_labels():
    assert tables.markdown(ROWS[1:], COLUMNS[:2]).splitlines() == [
        "| name | size |",
        "| --- | --- |",
        "| <c> |  |",
    ]


def test_a_page_escapes_texts():
    page = tables.page(ROWS, COLUMNS[:1])
    assert "<th>name</th>" in page
    assert "<td>&lt;c&gt;</td>" in page


@pytest.mark.parametrize("render", [tables.plain, tables.markdown, tables.page])
def test_a_table_without_rows_still_shows_its_labels(render):
    assert "again" in render([], COLUMNS)
