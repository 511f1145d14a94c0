"""What the database and the ledger say, without running a revision: `erm status` and `erm history`."""

from __future__ import annotations

from pathlib import Path

from erm_alembic.ledger.last_run import LastRun, read_last_run
from erm_alembic.ledger.leftovers import InvalidIndex, leftovers
from erm_alembic.ledger.model import History, RunRecord
from erm_alembic.ledger.progress import HalfDone
from erm_alembic.ledger.restore import restore_file
from erm_alembic.ledger.smoke import read_smoke_runs
from erm_alembic.ledger.store import open_ledger
from erm_alembic.opening import configured, interruptible, open_project
from erm_alembic.planning.reports import Status
from erm_alembic.planning.standing import read_standing
from erm_alembic.revisions.project import AlembicOptions, find_project
from erm_alembic.target import open_target

__all__ = ["AlembicOptions", "History", "Status", "full_history", "history", "restore", "status"]


def status(env: str | None = None, *, config: Path | None = None, options: AlembicOptions | None = None) -> Status:
    """Where a database stands: recorded revisions, heads, what is pending, what is half done, the last run.

    Of the revisions only half-done ones are recorded, to tell what comes next in them; one that fails hides nothing
    else.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        ErmError: a subclass of it, when it cannot be told.

    Example:
        >>> import erm_alembic
        >>> erm_alembic.apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> erm_alembic.status("staging").current, erm_alembic.status("staging").pending[0]
        (('8c4d2e91f6a0',), 'b57e03d4a9c8')
    """
    opened = open_project(env, config, options)

    def read() -> tuple[LastRun | None, tuple[HalfDone, ...], frozenset[str], tuple[InvalidIndex, ...]]:
        with open_ledger(opened.target) as ledger, ledger.connection.cursor() as cursor:
            half_done = ledger.half_done()
            return read_last_run(ledger), half_done, ledger.environments(), leftovers(cursor, half_done)

    last, half_done, deployed_as, invalid = interruptible(opened.target, read)
    standing = interruptible(opened.target, lambda: read_standing(opened.target, opened.project, half_done))
    return Status(
        environment=opened.settings.environment,
        database_url=opened.target.redacted,
        server_version=opened.target.server_version,
        current=standing.current,
        heads=standing.heads,
        pending=standing.pending,
        unknown=standing.unknown,
        last_run=last.run if last else None,
        run_state=last.state if last else None,
        last_sign=last.last_sign if last else None,
        half_done=standing.half_done,
        invalid_indexes=invalid,
        deployed_as=() if opened.settings.environment in deployed_as else tuple(sorted(deployed_as)),
    )


def history(env: str | None = None, *, config: Path | None = None, limit: int | None = None) -> tuple[RunRecord, ...]:
    """The runs in the ledger, latest first.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        limit: how many; None means all.

    Raises:
        ErmError: a subclass of it, when the ledger cannot be read.

    Example:
        >>> import erm_alembic
        >>> erm_alembic.apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> [(run.mode, run.outcome, len(run.revisions)) for run in erm_alembic.history("staging", limit=1)]
        [('apply', 'done', 2)]
    """
    return full_history(env, config=config, limit=limit).runs


def full_history(env: str | None = None, *, config: Path | None = None, limit: int | None = None) -> History:
    """Everything that the ledger says was run, latest first: the runs, and the smoke tests since the first of them.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        limit: how many of each; None means all, of smoke tests also those from before the first run.

    Raises:
        ErmError: a subclass of it, when the ledger cannot be read.

    Example:
        >>> import erm_alembic
        >>> from erm_alembic.inspection import full_history
        >>> erm_alembic.apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> found = full_history("staging")
        >>> len(found.runs), len(found.smoke)
        (1, 0)
    """
    target = open_target(configured(env, config))

    def read() -> History:
        with open_ledger(target) as ledger:
            runs = ledger.runs(limit, sources=True)
            since = runs[-1].started_at if runs and limit is not None else None
            return History(runs, read_smoke_runs(ledger.connection, target.settings.ledger.schema, limit, since))

    return interruptible(target, read)


def restore(env: str | None, revision: str, *, config: Path | None = None, out: Path | None = None) -> Path:
    """Write a lost revision file back from the ledger; an existing file is never overwritten.

    Args:
        env: the profile.
        revision: the revision's id, whole or the beginning of it.
        config: the path of erm.yaml.
        out: where to write it; None means where it was.

    Returns:
        The file that was written.

    Raises:
        UsageError: the ledger does not know the revision, or the file exists.

    Example:
        >>> from erm_alembic.inspection import restore
        >>> from erm_alembic.migrate import apply
        >>> apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> Path("migrations/versions/8c4d2e91f6a0_catalogue.py").unlink()
        >>> restore("staging", "8c4d").name
        '8c4d2e91f6a0_catalogue.py'
    """
    settings = configured(env, config)
    project = find_project(settings)
    target = open_target(settings)
    with target.reported(), open_ledger(target) as ledger:
        return restore_file(ledger, revision, project.root, out)
