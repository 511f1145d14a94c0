"""Annotations of a GitHub workflow: on the line of the revision, within GitHub's numbers, escaped by its rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings

from erm_alembic.findings import Finding
from erm_alembic.planning.model import Outcome
from erm_alembic.render.github import report
from erm_alembic.render.places import Places
from erm_alembic.render.presentation import Presentation
from erm_alembic.render.safe import block, one_line
from tests.render.hostile import HOSTILE, hostile, outcome_of, plan_of
from tests.render.plans import BLOCKED, DONE, EMPTY, FAILED, PLAN

HOW = Presentation()


@dataclass(frozen=True)
class Command:
    """A workflow command as the runner understands it."""

    name: str
    properties: dict[str, str]
    message: str


def understood(text: str) -> list[Command]:
    """What a runner does with a log: `::` begins a command at the start of a line, `##[` one anywhere."""
    assert "##[" not in text and "\r" not in text
    commands = []
    for line in text.split("\n"):
        if line.lstrip().startswith("::"):
            head, message = line.lstrip()[2:].split("::", 1)
            name, _, properties = head.partition(" ")
            pairs = (pair.split("=", 1) for pair in properties.split(",") if pair)
            told = {key: _unescaped(_unescaped(value, {"%3A": ":", "%2C": ","})) for key, value in pairs}
            commands.append(Command(name, told, _unescaped(message)))
    return commands


def _unescaped(text: str, codes: dict[str, str] | None = None) -> str:
    for code, character in (codes or {"%0D": "\r", "%0A": "\n", "%25": "%"}).items():
        text = text.replace(code, character)
    return text


def test_a_finding_stands_on_the_line_of_its_revision() -> None:
    """The path begins at the root of the repository, whatever folder the project is in."""
    how = Presentation(places=Places(Path("/srv/mono/shop"), Path("/srv/mono")))
    assert report(BLOCKED, BLOCKED.findings, None, how) == (
        "::error file=shop/migrations/versions,line=3,title=missing-revision::"
        "Revision 000111 is recorded, but its file is gone.%0Ahelp: Write it back: erm history restore 000111\n"
        "Plan for prod: blocked by 1 error\n"
    )


def test_what_is_about_no_file_stands_where_the_configuration_is() -> None:
    """A finding about the database is shown too, and one about a revision in that revision's file."""
    findings = (Finding("models-drift", "warning", "m"), Finding("r", "info", "m", revision="a1b2c3"))
    first, second, *_ = understood(report(PLAN, findings, None, HOW))
    assert (first.name, first.properties["file"], first.properties["line"]) == ("warning", "erm.yaml", "1")
    assert (second.name, second.properties["file"]) == ("notice", PLAN.steps[0].path)


def test_what_failed_is_an_annotation() -> None:
    """On the file of the revision, with what stays and the cure."""
    found = understood(report(PLAN, (), replace(FAILED, effect="Nothing stays.", cure="Drop it."), HOW))
    assert [each.properties["title"] for each in found] == ["run-failed"]
    assert found[0].properties["file"] == PLAN.steps[0].path
    assert found[0].message == (
        'Revision a1b2c3 failed: relation "orders" already exists\nat line 12\nhelp: Nothing stays.\nDrop it.'
    )
    assert understood(report(PLAN, (), DONE, HOW)) == []
    step = replace(FAILED.steps[0], error="migrations/versions/a1_x.py:14: it is there already")
    (at_line, *_) = understood(report(PLAN, (), replace(FAILED, steps=(step,)), HOW))
    assert (at_line.properties["file"], at_line.properties["line"]) == ("migrations/versions/a1_x.py", "14")
    assert at_line.message == "Revision a1b2c3 failed: it is there already"


def test_a_refusal_without_an_error_says_why() -> None:
    """What keeps a plan from running although nothing objects is an annotation; what objects says it by itself."""
    refused = Outcome("refused", error="the plan does not fit any more")
    (found,) = understood(report(PLAN, (), refused, HOW))
    assert found.message == "The apply of prod was refused: the plan does not fit any more"
    assert len(understood(report(BLOCKED, BLOCKED.findings, refused, HOW))) == 1


def test_nothing_to_say_is_a_line_of_the_log() -> None:
    """No annotation where nothing objects."""
    assert report(EMPTY, (), None, HOW) == "Plan for dev: nothing to apply\n"
    assert report(None, (), None, Presentation("check")) == "erm check: nothing objects\n"


def test_the_most_severe_come_first_and_the_rest_is_counted() -> None:
    """Ten of a kind are shown by GitHub: the tenth says how many more there are, and the log has each."""
    errors = [Finding("missing-downgrade", "error", f"e{each}", path=f"{each}.py", line=each + 1) for each in range(12)]
    warnings = [Finding("downgrade-lossy", "warning", f"w{each}") for each in range(10)]
    text = report(None, (*warnings, *errors), None, Presentation("check"))
    found = understood(text)
    assert [each.name for each in found] == ["error"] * 10 + ["warning"] * 10
    assert found[9].properties == {"title": "3 errors more"}
    assert found[9].message.startswith("missing-downgrade (3). GitHub shows 10 annotations of a kind")
    assert "error missing-downgrade 11.py:12: e11\n" in text
    assert text.endswith("erm check: 12 errors, 10 warnings\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_finding_is_a_command_of_its_own(text: str) -> None:
    """What a finding says comes back to the letter, made visible, in as many commands as there are findings."""
    told = report(plan_of(text), plan_of(text).findings, outcome_of(text), HOW)
    found = understood(told)
    assert [each.name for each in found] == ["error", "error", "warning", "notice"]
    assert found[0].properties["file"] == one_line(PurePath(text).as_posix())
    assert found[0].properties["title"].startswith(one_line(text)[:190])
    assert found[0].message.startswith("\n".join(block(text))[:300])


@settings(max_examples=settings().max_examples // 2)
@given(hostile())
def test_no_text_is_a_command(text: str) -> None:
    """The same of texts that were made up, also of those that are only logged."""
    findings = tuple(Finding(text, "error", text, text, path=text, line=number) for number in range(1, 13))
    told = report(None, findings, None, Presentation("check"))
    assert [each.name for each in understood(told)] == ["error"] * 10
    assert told.count("\n") == 14
