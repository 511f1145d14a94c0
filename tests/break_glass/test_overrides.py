"""`--override RULE --reason TEXT`: a rule passes once, for a reason that is shown wherever the run is."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

import erm_alembic
from erm_alembic.errors import UsageError
from erm_alembic.migrate import Override
from tests.faults.deploying import Project, tables, told
from tests.support.databases import Database

DROPS = "op.drop_table('first')"


def trapped(project: Project, database: Database) -> None:
    """Three objections to a rollback of two revisions: rows, an empty downgrade, an edited file."""
    project.table("a1", "first")
    path = project.revision("b2", "op.execute('CREATE TABLE second (id int)')", "pass", down="a1")
    assert project.apply("--override", "missing-downgrade", "--reason", "nothing to take back").returncode == 0
    database.execute("INSERT INTO first VALUES (1), (2)")
    path.write_text(path.read_text().replace("second (id int)", "second (id bigint)"))


def pasted(text: str) -> list[str]:
    """The command that a refusal shows, as a shell takes it apart, without the program."""
    lines = text.splitlines()
    command = lines[next(n for n, line in enumerate(lines) if line.startswith("Or let it pass this once")) + 1]
    program, *words = shlex.split(command)
    assert program == "erm"
    return words


def test_a_rollback_shows_every_objection_and_the_command_that_leads_through(
    project: Project, one_database: Database
) -> None:
    """One refusal, one command: pasted as it stands, the rollback runs, and every reason is on record."""
    trapped(project, one_database)
    refused = project.apply("--mode", "rollback", "--steps", "2", "--wait", "20s")
    assert refused.returncode == 1
    assert refused.stdout.splitlines()[-3:] == [
        "Do what the help lines say.",
        "Or let it pass this once (missing-downgrade, edited-revision, data-loss), with your reason on record:",
        "  erm migrate --mode rollback --env dev --steps 2 --wait 20s --override missing-downgrade --reason"
        " 'why it may pass' --override edited-revision --reason 'why it may pass' --allow-data-loss",
    ]
    assert tables(one_database) == {"first", "second", "alembic_version"}
    words = pasted(refused.stdout)
    # A look at it says the same.
    looked = project.apply("--mode", "rollback", "--steps", "2", "--check")
    assert pasted(looked.stdout) == [word for word in words if word not in ("--wait", "20s")]
    assert project.erm(*words).returncode == 0
    assert tables(one_database) == {"second", "alembic_version"}
    assert project.runs()[-1]["overrides"] == [
        "missing-downgrade: why it may pass",
        "edited-revision: why it may pass",
        "data-loss: --allow-data-loss",
    ]


def test_what_was_let_pass_already_stays_in_the_command(project: Project, one_database: Database) -> None:
    """A second refusal repeats the overrides that were given, each with its own reason."""
    trapped(project, one_database)
    given = ("--override", "edited-revision", "--reason", "it's only a type", "--accept-environment")
    refused = project.apply("--mode", "rollback", "--steps", "2", "--allow-data-loss", *given)
    assert refused.returncode == 1
    assert pasted(refused.stdout) == shlex.split(
        "migrate --mode rollback --env dev --steps 2 --accept-environment --override edited-revision"
        " --reason \"it's only a type\" --override missing-downgrade --reason 'why it may pass' --allow-data-loss"
    )
    assert project.erm(*pasted(refused.stdout)).returncode == 0


def test_an_override_is_shown_wherever_the_run_is(project: Project, one_database: Database) -> None:
    """Text, JSON, ledger, history and status: the rule, its reason, and no more advice on what to do about it."""
    project.table("a1", "first")
    project.revision("b2", "op.execute('SELECT 2')", "pass", down="a1")
    both = ("--override", "missing-downgrade", "--reason", "a seed", "--override", "several-heads", "--reason", "none")
    document = json.loads(project.apply("--to", "b2", "--format", "json", *both).stdout)
    assert document["overrides"] == [
        {"rule": "missing-downgrade", "reason": "a seed"},
        {"rule": "several-heads", "reason": "none"},
    ]
    (finding,) = document["findings"]
    assert (finding["severity"], finding["overridden"], finding["help"]) == ("warning", "a seed", "")
    assert document["blocked"] is False
    shown = ["missing-downgrade: a seed", "several-heads: none"]
    assert project.runs()[-1]["overrides"] == shown
    for command in ("history", "status"):
        lines = project.erm(command).stdout.splitlines()
        assert [line.strip() for line in lines if "overridden" in line] == [f"overridden  {each}" for each in shown]
    assert json.loads(project.erm("status", "--format", "json").stdout)["last_run"]["overrides"] == shown
    text = project.apply("--mode", "rollback", *both).stdout
    assert "    overridden: a seed\n" in text
    assert "help:" not in text
    section = text[text.index("Overrides:\n") :].splitlines()[1:3]
    assert section == [
        "  missing-downgrade: a seed  (1 finding)",
        "  several-heads: none  (nothing to let pass; the plan was not rehearsed)",
    ]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (
            ["--override", "missing-downgrad", "--reason", "x"],
            ["error:  --override missing-downgrad: there is no such rule.", "cure:   Did you mean missing-downgrade?"],
        ),
        (
            ["--override", "Data_Loss", "--reason", "x"],
            ["error:  --override Data_Loss: there is no such rule.", "cure:   Did you mean data-loss?"],
        ),
        (
            ["--override", "data-loss,several-heads", "--reason", "x"],
            [
                "error:  --override data-loss,several-heads: there is no such rule.",
                "cure:   Give each of them by itself: --override data-loss --override several-heads",
            ],
        ),
        (
            ["--override", "data-loss"],
            [
                "error:  --override needs --reason TEXT.",
                "cure:   Say why the rule may pass: it is kept in the ledger.",
            ],
        ),
        (
            ["--override", "data-loss", "--reason", " "],
            ["error:  --reason is empty.", "cure:   Say why the rule may pass: it is kept in the ledger."],
        ),
    ],
)
def test_an_override_that_cannot_be_meant(
    given: list[str], error: list[str], project: Project, one_database: Database
) -> None:
    """An unknown rule and a missing reason are usage errors, before anything is looked at."""
    project.table("a1", "first")
    project.env_py("raise RuntimeError('nobody looks at env.py')")
    code, lines = told(project.apply(*given))
    assert (code, [line for line in lines if not line.startswith("effect:")]) == (2, error)
    assert tables(one_database) == set()


def test_a_python_caller_must_say_why_too() -> None:
    """An override without a reason is refused by the functions as well."""
    for call in (erm_alembic.apply, erm_alembic.rollback):
        with pytest.raises(UsageError, match="--override data-loss has no reason"):
            call("dev", overrides=(Override("data-loss", ""),))


def test_a_missing_down_script_offers_no_override(project: Project, one_database: Database) -> None:
    """Where nothing stands that could be run, the refusal says so instead of a command that would not help."""
    project.table("a1", "first")
    path = project.table("b2", "second", down="a1")
    path.write_text(path.read_text().split("def downgrade")[0])
    assert project.apply("--override", "missing-downgrade", "--reason", "tested below").returncode == 0
    refused = project.apply("--mode", "rollback")
    assert refused.returncode == 1
    assert refused.stdout.splitlines()[-2:] == [
        "Do what the help lines say.",
        "No override lets it pass: revision b2 has no downgrade() to run; add one.",
    ]
    overridden = project.apply("--mode", "rollback", "--override", "missing-downgrade", "--reason", "please")
    assert told(overridden)[0] == 1
    assert tables(one_database) == {"first", "second", "alembic_version"}


def test_the_cure_of_a_rollback_takes_something_back(project: Project) -> None:
    """Declaring or exempting a revision helps to adopt a project; a rollback that waits for it needs the way down."""
    project.revision("a1", "op.execute('SELECT 1')", "pass")
    up = project.apply().stdout
    assert "downgrades_since" in up and "irreversible" in up
    project.apply("--override", "missing-downgrade", "--reason", "tested below")
    down = project.apply("--mode", "rollback").stdout
    assert "help: Fill `downgrade()` with what takes `upgrade()` back, or go forward with a new revision" in down
    assert "downgrades_since" not in down and "irreversible" not in down


def test_one_rule_with_two_reasons(project: Project) -> None:
    """A rule that is named twice is one override with both reasons."""
    project.revision("a1", "op.execute('SELECT 1')", "pass")
    rule = ("--override", "missing-downgrade", "--reason")
    assert project.apply(*rule, "a seed", *rule, "and only once").returncode == 0
    assert project.runs()[-1]["overrides"] == ["missing-downgrade: a seed; and only once"]


def test_a_reason_is_shown_without_steering_a_terminal_or_showing_a_password(project: Project, secret: str) -> None:
    """A reason is foreign text: escaped where it is shown, and the password of the address is masked in it."""
    assert project.url is not None
    project.url = project.url.replace("postgres@", f"postgres:{secret}@")
    project.revision("a1", "op.execute('SELECT 1')", "pass")
    reason = f"see \x1b[2J and {secret}"
    done: Any = project.apply("--override", "missing-downgrade", "--reason", reason)
    assert done.returncode == 0
    assert "overridden: see \\x1b[2J and ***" in done.stdout
    assert project.runs()[-1]["overrides"] == ["missing-downgrade: see \x1b[2J and ***"]
