"""Tables of results: columns that say what they show, rendered in one place.

A table is a list of rows, of any type, and a list of `Column`s. The same columns give
plain text for the terminal, Markdown for a file and HTML for a page.
"""

import dataclasses
import html
from collections.abc import Callable, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
      label: heading.
      get: returns the value of a row; None leaves the cell empty.
      format: a format specification, such as `.3f`, or a function that returns the
        text of a value.
    """

    label: str
    get: Callable[[Any], Any]
    format: str | Callable[[Any], str] = ""

    def text(self, row: Any) -> str:
        """Returns the text of this column's cell in `row`."""
        value = self.get(row)
        if value is None:
            return ""
        if callable(self.format):
            return self.format(value)
        return format(value, self.format)


def cells(rows: Sequence[Any], columns: Sequence[Column]) -> list[list[str]]:
    """Returns the table as text cells; the first row holds the labels."""
    labels = [column.label for column in columns]
    return [labels, *([column.text(row) for column in columns] for row in rows)]


def plain(rows: Sequence[Any], columns: Sequence[Column]) -> str:
    """Returns the table as aligned text, one line a row."""
    table = cells(rows, columns)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in table)


def markdown(rows: Sequence[Any], columns: Sequence[Column]) -> str:
    """Returns the table in Markdown."""
    labels, *lines = cells(rows, columns)
    rule = ["---"] * len(labels)
    return "\n".join(f"| {' | '.join(line)} |" for line in (labels, rule, *lines))


def page(rows: Sequence[Any], columns: Sequence[Column]) -> str:
    """Returns the table as an HTML element, texts escaped."""
    labels, *lines = cells(rows, columns)

    def cell(tag: str, text: str) -> str:
        # A heading without text would be announced as such.
        tag = tag if text else "td"
        return f"<{tag}>{html.escape(text)}</{tag}>"

    def line(tag: str, texts: Sequence[str]) -> str:
        return f"<tr>{''.join(cell(tag, text) for text in texts)}</tr>"

    body = "\n".join(line("td", texts) for texts in lines)
    return f"<table>\n{line('th', labels)}\n{body}\n</table>"
