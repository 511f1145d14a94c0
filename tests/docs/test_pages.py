"""The pages of the documentation hold together: links lead somewhere, lists are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from erm_alembic.checks import CHECKS
from erm_alembic.cli.main import COMMANDS
from tests.support.cli import REPOSITORY

PAGES = tuple(
    path.relative_to(REPOSITORY).as_posix()
    for path in sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
)
PACKAGE = REPOSITORY / "erm_alembic"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page: str) -> None:
    """A link to another page or file of the project names one that exists."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    targets = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in link]
    folder = (REPOSITORY / page).parent
    assert [target for target in targets if not (folder / target).exists()] == []


def test_the_index_of_checks_has_every_rule() -> None:
    """Each check stands in docs/checks/README.md, in the order of the registry or not, and no other does."""
    index = (REPOSITORY / "docs" / "checks" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[([a-z-]+)\]", index, flags=re.MULTILINE)) == {check.rule for check in CHECKS}


def test_the_command_line_page_has_every_command() -> None:
    """docs/cli.md lists each command of the table."""
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [command.name for command in COMMANDS if f"| `erm {command.name}` |" not in page] == []


def test_the_architecture_names_every_package_and_no_other() -> None:
    """The table of the house has each package and each module beside them."""
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    house = page.split("## The house")[1].split("\n## ")[0]
    named = set(re.findall(r"`([a-z_/]+/|[a-z_]+\.py)`", "\n".join(re.findall(r"^\|[^|]*\|", house, re.MULTILINE))))
    assert {name for name in named if not (PACKAGE / name).exists()} == set()
    assert _parts(PACKAGE) <= named


def _parts(package: Path) -> set[str]:
    """Packages, and modules at the top of the house; version.py is the one that needs no words."""
    packages = {f"{path.parent.relative_to(package).as_posix()}/" for path in package.rglob("*/__init__.py")}
    modules = {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    return packages | (modules - {"version.py"})
