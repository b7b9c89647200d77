import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def links(page):
    """Where a page leads to within the repository, pictures included."""
    text = page.read_text()
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    return [link for link in found if not link.startswith(("http", "#"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_leads_to_what_is_there(page):
    missing = [link for link in links(page) if not (page.parent / link).is_file()]
    assert missing == []


def test_every_picture_is_shown_somewhere():
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    pictures = [
        path for path in (ROOT / "docs").rglob("*") if path.suffix in (".png", ".webp")
    ]
    assert pictures
    assert [path.name for path in pictures if path.resolve() not in shown] == []
