import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def links(page):
    """Returns the links of a page to files of the repository, including pictures."""
    text = page.read_text()
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    return [link for link in found if not link.startswith(("http", "#"))]


def anchors(page):
    """Returns the anchors that a page offers, one per heading."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_existing_files(page):
    missing = [link for link in links(page) if not (page.parent / link).is_file()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_a_page_lead_to_existing_headings(page):
    linked = set(re.findall(r"\]\(#([^)\s]+)\)", page.read_text()))
    assert linked <= anchors(page)


def test_every_picture_is_used():
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    pictures = [
        path for path in (ROOT / "docs").rglob("*") if path.suffix in (".png", ".webp")
    ]
    assert pictures
    assert [path.name for path in pictures if path.resolve() not in shown] == []
