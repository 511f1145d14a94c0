"""The documentation as a site: it builds with strict links, and reads offline."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from erm_alembic.cli.main import COMMANDS
from tests.docs.generated import PAGES
from tests.docs.site import OUT, pages_of, staged
from tests.support.cli import REPOSITORY

LOADED = re.compile(r'<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"|<link[^>]*\shref="([^"]+)"[^>]*>')
NOT_LOADED = re.compile(r'<link[^>]*rel="?(?:canonical|prev|next|alternate)')


@pytest.mark.skipif("WALK_THE_DOCS" not in os.environ, reason="`make docs` builds the site, and looks at it")
def test_every_page_is_there_and_nothing_comes_from_elsewhere() -> None:
    """With strict links each page of docs/ becomes one of the site, which loads nothing from another host."""
    site = OUT
    pages = {path.relative_to(REPOSITORY / "docs").with_suffix("") for path in (REPOSITORY / "docs").rglob("*.md")}
    there = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    assert {page for page in pages if page.name != "README"} - there == set()
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = [found[1] or found[2] for found in LOADED.finditer(text) if NOT_LOADED.match(found[0]) is None]
        assert [address for address in loaded if "//" in address] == [], path
    for path in site.rglob("*.css"):
        assert re.findall(r"url\((?:\"|')?(?:https?:)?//", path.read_text(encoding="utf-8")) == []


def test_the_navigation_names_pages_that_there_are(tmp_path: Path) -> None:
    """Each page that mkdocs.yml names exists, or is made; the others are found under a heading of their own."""
    configuration = yaml.safe_load(staged(tmp_path / "stage").read_text(encoding="utf-8"))
    named = list(pages_of(configuration["nav"]))
    assert [page for page in named if not (tmp_path / "stage" / "docs" / page).is_file()] == []
    assert sorted(named) == sorted(set(named))


def test_the_reference_is_made_from_the_code() -> None:
    """Every command and each of its options, every section of erm.yaml, each with words of its own."""
    page = PAGES["reference/cli.md"]()
    for command in COMMANDS:
        assert f"\n## erm {command.name}\n" in page
    empty = [
        line
        for name in ("cli", "python")
        for line in PAGES[f"reference/{name}.md"]().splitlines()
        if line.startswith("| `") and line.rstrip().endswith("|  |")
    ]
    assert empty == []
    assert "| `max_follower_lag` |" in PAGES["reference/configuration.md"]()
    assert "| `statements` | list of [Statement](#statement) |" in PAGES["reference/plan.md"]()
