"""`erm grants`: the least that a role needs for this project, found out by trying; for Python callers too.

The project's revisions are run in a shadow as a role without rights, which gets each right that the server asks for.
What they were, set against who owns and may do what on the target, are the statements. They are printed, never run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.grants.for_others import want_for_others
from erm_alembic.grants.gathering import Gathering
from erm_alembic.grants.migrating import want_connection, want_ledger, want_migrations, want_optional
from erm_alembic.grants.model import PURPOSES, Grant, GrantReport, Purpose, Remark, Trial
from erm_alembic.grants.purposes import (
    want_application,
    want_backup,
    want_observing,
    want_planning,
    want_smoke,
)
from erm_alembic.grants.sql import Statements
from erm_alembic.grants.tried import Tried, try_out, untried
from erm_alembic.opening import Opened, interruptible, open_project
from erm_alembic.planning.build import build_plan
from erm_alembic.planning.request import Request
from erm_alembic.postgres.rights.standing import Standing
from erm_alembic.revisions.project import AlembicOptions

__all__ = ["DEFAULT", "PURPOSES", "Grant", "GrantReport", "Purpose", "Remark", "Trial", "least_grants"]

DEFAULT: tuple[Purpose, ...] = ("migrate", "smoke")
# These follow from what the revisions do, or make.
BY_TRIAL = frozenset({"migrate", "smoke", "plan", "application"})


def least_grants(
    role: str | None = None,
    *,
    env: str | None = None,
    purposes: Sequence[Purpose] = DEFAULT,
    config: Path | None = None,
    options: AlembicOptions | None = None,
) -> GrantReport:
    """The least that a role needs for some purposes. Nothing is written to the database.

    Args:
        role: the role, which need not exist yet; None for the one that the profile logs in as.
        env: the profile; None means ERM_ENV, else `dev`.
        purposes: what it is to do: any of `PURPOSES`.
        config: the path of erm.yaml; None looks for it from the working directory up.
        options: Alembic's own options for env.py.

    Raises:
        ErmError: a subclass of it, when the database or the project cannot be read.

    Example:
        >>> from erm_alembic.granting import least_grants
        >>> [grant.sql for grant in least_grants("watcher", env="staging", purposes=["observe"]).grants][:1]
        ['CREATE ROLE "watcher" LOGIN']
    """
    opened = open_project(env, config, options)
    tried: Tried | None = None
    if BY_TRIAL.intersection(purposes):
        request = Request("upgrade", "heads")
        survey = interruptible(
            opened.target, lambda: build_plan(opened.target, opened.project, request, recording=False)
        )
        tried = interruptible(opened.target, lambda: try_out(opened.target, opened.project, survey))
    return interruptible(opened.target, lambda: _gathered(opened, role or opened.target.role, tuple(purposes), tried))


def _gathered(opened: Opened, role: str, purposes: tuple[Purpose, ...], tried: Tried | None) -> GrantReport:
    target, settings = opened.target, opened.settings
    maker = settings.migrations.role or role
    with contextlib.closing(target.connect("erm grants")) as connection:
        connection.autocommit = True
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            cursor.execute("SET default_transaction_read_only = on")
            standing = Standing(cursor, target.major, target.database)
            if tried is not None and tried.trial.status == "unknown":
                tried = untried(cursor, tried, settings.ledger.schema)
            gathering = Gathering(standing, Statements(cursor, target.major))
            for purpose in [each for each in PURPOSES if each in purposes]:
                gathering.purpose = purpose
                _want(gathering, purpose, opened, role, maker, tried or Tried(Trial("unknown")))
            gathering.purpose = next(each for each in PURPOSES if each in purposes)
            want_connection(gathering, role)
            known = standing.role(role)
            gathering.settle(role, known, logs_in=not target.login_ends)
            if known is not None and known.superuser:
                gathering.remark(
                    f"{role!r} is a superuser: nothing is refused to it, and it needs none of this.",
                    "Let migrations run as a role of their own, without superuser.",
                )
            grants = gathering.grants()
    return GrantReport(
        environment=settings.environment,
        database_url=target.redacted,
        server_version=target.server_version,
        database=target.database,
        role=role,
        acts_as=maker,
        purposes=tuple(each for each in PURPOSES if each in purposes),
        grants=grants,
        remarks=tuple(gathering.remarks),
        trial=None if tried is None else tried.trial,
    )


def _want(gathering: Gathering, purpose: Purpose, opened: Opened, role: str, maker: str, tried: Tried) -> None:
    settings = opened.settings
    # A login that ends owns nothing, the ledger neither.
    keeper = maker if opened.target.login_ends else role
    if purpose == "migrate":
        want_migrations(gathering, tried, role, maker)
        want_ledger(gathering, settings.ledger.schema, keeper)
        want_for_others(gathering, tried.relations, maker, [role, maker], tried.version_table)
        want_optional(gathering, role)
    elif purpose == "smoke":
        want_smoke(gathering, tried, settings, role, maker, keeper)
    elif purpose == "plan":
        want_planning(gathering, tried, settings, role, maker)
    elif purpose == "observe":
        want_observing(gathering, settings, role, keeper)
    elif purpose == "backup":
        want_backup(gathering, settings, role, keeper)
    else:
        owner = settings.migrations.role or opened.target.role
        want_application(gathering, tried, role, owner)
