"""What somebody types at three in the morning, half of it from another tool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.execute.test_rollback import deployed
from tests.faults.deploying import Project, tables, told
from tests.support.cli import run_erm
from tests.support.databases import Database


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rollback --steps 2 --env prod", "erm migrate --mode rollback --steps 2 --env prod"),
        ("plan --check", "erm migrate --mode plan --check"),
        ("apply", "erm migrate"),
        ("upgrade head", "erm migrate"),
        ("upgrade a1 --env prod", "erm migrate --to a1 --env prod"),
        ("downgrade -2", "erm migrate --mode rollback --steps 2"),
        ("downgrade base", "erm migrate --mode rollback --to base"),
        ("down", "erm migrate --mode rollback"),
        ("current", "erm status"),
        ("migrat --to a1", "erm migrate --to a1"),
    ],
)
def test_a_command_of_another_tool(typed: str, meant: str, tmp_path: Path) -> None:
    """The words of Alembic, and modes typed as commands, are answered with what to type here."""
    done = run_erm(*typed.split(), cwd=tmp_path)
    assert told(done) == (
        2,
        [
            f"error:  erm has no command `{typed.split()[0]}`.",
            "effect: Nothing was done.",
            f"cure:   Did you mean `{meant}`?",
        ],
    )


def test_a_word_that_nobody_knows(tmp_path: Path) -> None:
    """A command that is near to nothing is a plain usage error."""
    assert told(run_erm("frobnicate", cwd=tmp_path))[0] == 2


def test_more_steps_than_revisions(project: Project, one_database: Database) -> None:
    """A count that is too high is refused with the right one: whoever types it may be on another database."""
    deployed(project)
    for mode in (["--mode", "rollback"], ["--mode", "rollback", "--check"]):
        assert told(project.apply(*mode, "--steps", "999")) == (
            2,
            [
                "error:  --steps 999: only 3 revisions are applied.",
                "effect: Nothing was planned or run.",
                "cure:   Take back all of them with --to base, or count again: --steps 3 at most.",
            ],
        )
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}
    assert project.apply("--mode", "rollback", "--steps", "3").returncode == 0
    # Nothing left is no mistake: the command may be repeated.
    assert project.apply("--mode", "rollback", "--steps", "3").returncode == 0
