"""A run of smoke tests in the ledger of the database: who, when, how many, how it ended."""

from __future__ import annotations

import socket

from erm_alembic.config.settings import Settings
from erm_alembic.errors import ErmError
from erm_alembic.execute.provenance import deployer, git_commit
from erm_alembic.ledger.smoke import SmokeRecord, insert_smoke
from erm_alembic.ledger.store import open_ledger
from erm_alembic.target import Target, open_target
from erm_alembic.testing.smoke.report import FAILED, SmokeReport
from erm_alembic.version import __version__

__all__ = ["note_in_ledger"]


def note_in_ledger(settings: Settings, target: Target, report: SmokeReport) -> str | None:
    """Write a run into the ledger; a database without one gets none.

    Args:
        settings: what is in force, with the address of the primary.
        target: where the tests ran.
        report: how they ended.

    Returns:
        Why it is not there, where it should be.
    """
    record = SmokeRecord(
        seconds=report.seconds,
        environment=report.environment,
        replica=report.replica,
        who=deployer(target.role),
        host=socket.gethostname(),
        erm_version=__version__,
        git_commit=git_commit(settings.project_dir),
        outcome=report.outcome,
        passed=report.count("passed", "xfailed"),
        failed=report.count(*FAILED),
        skipped=report.count("skipped"),
        escapes=len(report.escapes) + len(report.kept),
    )
    try:
        primary = open_target(settings) if report.replica is not None else target
        if primary.is_standby:
            return "The run is not in the ledger: this is a standby."
        with primary.reported(), open_ledger(primary) as ledger:
            if ledger.exists():
                ledger.create()
                insert_smoke(ledger.connection, ledger.table("smoke"), record)
    except ErmError as error:
        return f"The run is not in the ledger: {error.what}"
    return None
