"""The pages of the documentation hold together: links lead somewhere, lists are complete."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer

from erm_alembic.checks import CHECKS
from erm_alembic.cli.main import COMMANDS, app
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


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_the_command_line_page_has_every_option_of_a_command(name: str) -> None:
    """A section of docs/cli.md names each command below it and each of its options, unless all commands share them."""
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = {part.split("\n", 1)[0]: part for part in page.split("\n## ")}
    shared, section = sections["Options that mean the same everywhere"], sections[f"erm {name}"]
    (loaded,) = [command.load() for command in COMMANDS if command.name == name]
    below = getattr(loaded, "commands", {})
    assert [command for command in below if not re.search(rf"\b{command}\b", section)] == []
    for command in (loaded, *below.values()):
        options = [option for each in command.params for option in each.opts if option.startswith("-")]
        assert [option for option in options if not _names(section, option) and not _names(shared, option)] == []


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_the_command_line_page_has_no_option_that_a_command_lacks(name: str) -> None:
    """What the first column of a section's tables and its examples name, the command or one below it takes."""
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    (section,) = [part for part in page.split("\n## ") if part.split("\n", 1)[0] == f"erm {name}"]
    (loaded,) = [command.load() for command in COMMANDS if command.name == name]
    params = [each for command in (loaded, *getattr(loaded, "commands", {}).values()) for each in command.params]
    known = {option for each in params for option in (*each.opts, *each.secondary_opts)}
    rows = re.findall(r"^\| ((?:\\\||[^|])*)\|", section, re.MULTILINE)
    named = _options(rows + re.findall(rf"^    erm {name}\b(.*)$", section, re.MULTILINE))
    assert named - known - {"--env", "--config", "--help"} == set()


def _options(texts: list[str]) -> set[str]:
    return {option for text in texts for option in re.findall(r"(?<![\w-])--?[a-z][\w-]*", text)}


def test_the_command_line_page_has_the_options_before_a_command() -> None:
    """Also those that every program made with typer has."""
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    program = typer.main.get_command(app)
    options = [option for each in program.params for option in each.opts]
    assert {"--version", "--install-completion"} < set(options)
    assert [option for option in options if not _names(page, option)] == []


def _names(text: str, option: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text) is not None


def test_the_architecture_stands_in_the_order_of_the_contract() -> None:
    """The table of the house, from the roof down, is the list of layers that is enforced."""
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [layer.split(" | ") for layer in contracts["contracts"][0]["layers"]]
    enforced = {name.removeprefix("erm_alembic."): floor for floor, names in enumerate(layers) for name in names}
    house = page.split("## The house")[1].split("\n## ")[0]
    told = [name for row in re.findall(r"^\|([^|]*)\|", house, re.MULTILINE) for name in re.findall(r"`(\w+)", row)]
    floors = [enforced[name] for name in told]
    assert floors == sorted(floors)


def test_the_readme_leads_to_every_page() -> None:
    """No page of docs/ is found by nobody."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    pages = sorted(path.name for path in (REPOSITORY / "docs").glob("*.md"))
    assert [page for page in pages if f"(docs/{page})" not in readme] == []


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
