"""The registry of formats, and what reads it: the command line, its help, the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings

from erm_alembic.render.formats import FORMATS, formats_of, render
from erm_alembic.render.presentation import Presentation
from tests.cli.pipeline import erm
from tests.render.hostile import hostile, outcome_of, plan_of
from tests.render.plans import PLAN

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
Capture = pytest.CaptureFixture[str]


def test_every_format_shows_a_plan() -> None:
    """What is registered can be loaded, and ends with a newline."""
    shown = {each.name: render(each.name, PLAN, PLAN.findings, None, Presentation()) for each in FORMATS}
    assert [name for name, text in shown.items() if not text.endswith("\n")] == []
    assert len(set(shown.values())) == len(FORMATS)


PRINTED = tuple(each.name for each in FORMATS if each.name != "html")  # which is for a browser, and tried in one
INVISIBLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@settings(max_examples=settings().max_examples // 5)
@given(hostile())
def test_no_format_has_what_acts_on_a_terminal_or_a_log(text: str) -> None:
    """Whatever a plan holds: nothing invisible, no command of a workflow but annotations, no broken character."""
    plan = plan_of(text)
    for name in PRINTED:
        for outcome in (None, outcome_of(text)):
            how = Presentation(verbose=True)
            shown = render(name, plan, plan.findings, outcome, how)
            assert not INVISIBLE.search(shown), name
            commands = [line for line in shown.split("\n") if line.lstrip().startswith("::")]
            assert name == "github" or commands == []
            assert [line for line in commands if not re.match("::(error|warning|notice) (file|title)=", line)] == []
            assert "##[" not in shown
            shown.encode("utf-8")


def test_every_format_of_check_and_drift_shows_findings_alone() -> None:
    """Without a plan, too."""
    for each in formats_of("check"):
        assert render(each.name, None, (), None, Presentation("check")).strip() or each.name == "text"


def test_the_page_has_every_format_with_its_purpose_and_commands() -> None:
    """docs/formats.md says what the registry says, and has a section for each format but the page of its own."""
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    assert {name: (purpose, tuple(re.findall(r"`(\w+)`", commands))) for name, purpose, commands in rows} == {
        each.name: (each.purpose, each.commands) for each in FORMATS
    }
    assert {each.name for each in FORMATS} - set(re.findall(r"^## (\w+)$", text, re.MULTILINE)) == {"html"}


@pytest.mark.parametrize("command", ["migrate", "check", "drift"])
def test_help_has_the_formats_that_a_command_knows(command: str, capsys: Capture) -> None:
    """Each with its purpose."""
    _, out, _ = erm(capsys, command, "--help")
    told = " ".join(out.split())
    assert "|".join(each.name for each in formats_of(command)) in told.replace(" ", "")
    assert [each.name for each in formats_of(command) if f"{each.name}: {each.purpose}" not in told] == []


@pytest.mark.parametrize("typed", ["check --format html", "status --format sarif", "drift --format yaml"])
def test_a_format_that_a_command_does_not_know_is_refused_with_those_that_it_knows(typed: str, capsys: Capture) -> None:
    """As any other value of a choice."""
    code, out, err = erm(capsys, *typed.split())
    command, _, wanted = typed.split()
    known = [each.name for each in formats_of(command)] or ["text", "json"]
    listed = ", ".join(f"'{name}'" for name in known)
    assert (code, out) == (2, "")
    assert f"Invalid value for '--format': '{wanted}' is not one of {listed}." in err


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ("migrate --mode plan --sql --format markdown", "--sql prints SQL and --format markdown prints a report."),
        ("drift --fix revert --format sarif", "--fix revert writes a file, and --format sarif prints a report."),
        ("check --list --format github", "--list shows rules, and --format github findings."),
    ],
)
def test_what_prints_something_else_takes_no_format(typed: str, what: str, capsys: Capture) -> None:
    """SQL, a list of rules and a script are no reports."""
    code, _, err = erm(capsys, *typed.split())
    assert (code, what in err) == (2, True), err


def test_an_error_before_there_is_a_result_is_an_annotation(capsys: Capture) -> None:
    """In a workflow, what kept a command from having a result is seen where everything else would be."""
    code, out, err = erm(capsys, "migrate", "--mode", "plan", "--to", " ", "--format", "github")
    assert (code, out) == (
        2,
        "::error title=erm::--to is empty.%0ANothing was changed.%0AGive --to a value, or leave it out.\n",
    )
    assert err.startswith("error:  --to is empty.\n")
