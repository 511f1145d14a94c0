"""The registry of checks, and the severities that `safety.rules` gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from erm_alembic import checks
from erm_alembic.checks import CHECKS, CheckContext, run_checks
from erm_alembic.errors import ConfigurationError
from tests.checks.building import EMPTY, revision

ROOT = Path(__file__).resolve().parents[2]


def test_a_rule_is_its_file_its_test_its_page_and_its_registry_entry() -> None:
    """The four places of house rule 1 name the same rules."""
    rules = {check.rule for check in CHECKS}
    folder = Path(checks.__file__).parent
    sources = {path.stem.replace("_", "-"): path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    files = {name for name, source in sources.items() if "\nCHECK = Check(" in source}
    pages = {path.stem for path in (ROOT / "docs" / "checks").glob("*.md") if path.stem not in ("index", "README")}
    tests = {p.stem.removeprefix("test_").replace("_", "-") for p in Path(__file__).parent.glob("test_*.py")}
    assert files == rules
    assert pages == rules
    assert rules <= tests


def test_every_page_shows_its_rule_and_an_unsafe_and_a_safe_example() -> None:
    """A page has its rule as title, and both examples."""
    for check in CHECKS:
        page = (ROOT / "docs" / "checks" / f"{check.rule}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {check.rule}\n")
        assert "## Unsafe\n" in page and "## Safe\n" in page


def test_the_index_says_how_loud_each_rule_is() -> None:
    """The table of docs/checks/README.md has the severity of the registry, and when it is another one."""
    index = (ROOT / "docs" / "checks" / "README.md").read_text(encoding="utf-8")
    rows = (row.split("|")[1:3] for row in index.splitlines() if row.startswith("| ["))
    told = {rule.split("]")[0].strip(" ["): severity.split(",")[0].strip() for rule, severity in rows}
    assert told == {check.rule: check.severity for check in CHECKS}


BAD = CheckContext(revisions=(revision("a", source=EMPTY), revision("b", source=EMPTY)))


def test_rules_make_a_check_louder_quieter_or_silent() -> None:
    """`off` drops the findings of a rule, `warning` and `error` override its severity."""
    rules = {"missing-downgrade": "warning", "several-heads": "error"}
    assert {(f.rule, f.severity) for f in run_checks(BAD, rules)} == {
        ("missing-downgrade", "warning"),
        ("several-heads", "error"),
    }
    assert {f.rule for f in run_checks(BAD, {"missing-downgrade": "off"})} == {"several-heads"}


def test_unknown_rules_are_all_named_with_the_nearest_known_ones() -> None:
    """A mistyped rule is an error: it would silence nothing, and nobody would notice."""
    with pytest.raises(ConfigurationError) as caught:
        run_checks(CheckContext(), {"missing-downgrad": "off", "xyz": "off"})
    assert caught.value.what == (
        "erm.yaml: safety.rules.missing-downgrad is not a rule; did you mean missing-downgrade?\n"
        "erm.yaml: safety.rules.xyz is not a rule"
    )
    assert caught.value.cure == "Correct the name: `erm check --list` shows the rules."
