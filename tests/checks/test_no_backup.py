"""no-backup: a profile demands a backup, and has nothing that takes one."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.no_backup import CHECK
from erm_alembic.ledger.backups import LostObject
from erm_alembic.planning.backups import PlannedBackup
from tests.checks.building import plan, step

RISK = LostObject("column", "users.email", "public.users", "email", "a1", 12)
PLAN = plan(step("ALTER TABLE users DROP COLUMN email"))


def test_a_demanded_backup_that_nobody_takes_is_an_error() -> None:
    """The message has what is at risk, and the help has both ways out."""
    planned = PlannedBackup(True, "destructive", "none", (RISK,))
    (finding,) = run_checks(CheckContext(plan=replace(PLAN, backup=planned)), {}, (CHECK,))
    assert (finding.rule, finding.severity, finding.revision, finding.line) == ("no-backup", "error", "a1", 12)
    assert finding.message == (
        "backup.before is destructive, and backup.method is none: nobody takes the backup that apply must have first: "
        "column users.email is dropped."
    )
    assert finding.help == (
        "Set `backup.method` (pg_dump, pg_basebackup, command). Where there is a backup that erm does not know of, say "
        "so: --override no-backup --reason TEXT."
    )


def test_nothing_objects_where_a_backup_is_taken_or_none_is_demanded() -> None:
    """A method, nothing at risk, or no word of backups at all: no finding."""
    for planned in (
        None,
        PlannedBackup(False, "destructive", "none"),
        PlannedBackup(True, "every", "pg_dump", (RISK,)),
    ):
        assert run_checks(CheckContext(plan=replace(PLAN, backup=planned)), {}, (CHECK,)) == ()
