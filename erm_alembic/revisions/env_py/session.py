"""What env.py set on its own session: carried over to erm's, or refused by name where it cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Connection

from erm_alembic.errors import EnvironmentRefused
from erm_alembic.postgres.session_state import (
    SessionState,
    apply_session_state,
    end_transaction,
    login_of,
    read_session_state,
)

__all__ = ["carry_session_over"]

NOTHING_DONE = "Nothing was planned or run."


def carry_session_over(
    theirs: Connection | None,
    ours: Connection,
    *,
    limits: Mapping[str, int],
    custom: Iterable[str],
    read_only: bool,
) -> bool:
    """Set erm's session to what env.py set on its own connection, and in a transaction on erm's.

    Args:
        theirs: the connection that env.py handed to context.configure(), where it is another one.
        ours: the connection that revisions run on.
        limits: the settings of erm's session that erm made itself, in milliseconds: they are none of env.py's.
        custom: names of settings of the application's own that env.py may have set.
        read_only: whether erm itself keeps env.py's sessions from writing.

    Returns:
        Whether env.py has each statement committed by itself (AUTOCOMMIT): then the driver is not told, as the
        transactions of erm's connection are erm's to begin and to end.

    Raises:
        EnvironmentRefused: it did something that cannot be carried over.
    """
    raw: Any = ours.connection.dbapi_connection
    at_work = raw.info.transaction_status != TRANSACTION_STATUS_IDLE
    autocommit = bool(raw.autocommit)
    before = read_session_state(raw, custom, settings=at_work)
    state, isolation = before.without(limits), before.isolation
    if theirs is not None:
        own: Any = theirs.connection.dbapi_connection
        found = read_session_state(own, custom)
        _refuse_what_cannot_be_carried(found, before, read_only=read_only)
        autocommit = autocommit or bool(getattr(own, "autocommit", False))
        end_transaction(own)
        state = state.over(found)
        _refuse_another_login(raw, found.session_user)
    _refuse_another_login(raw, before.session_user)
    # Committed, so that a revision that is rolled back to be tried again does not take it along.
    end_transaction(raw)
    raw.autocommit = False
    if at_work:
        before = read_session_state(raw, settings=False)
    if theirs is not None and isolation == before.isolation:
        isolation = found.isolation
    raw.rollback()
    if isolation != before.isolation:
        raw.set_session(isolation_level=isolation.upper())
    apply_session_state(raw, state)
    raw.commit()
    return autocommit


def _refuse_what_cannot_be_carried(found: SessionState, ours: SessionState, *, read_only: bool) -> None:
    if found.place != ours.place:
        raise EnvironmentRefused(
            "env.py's engine is connected to another database than the one that erm deploys: it makes its connections "
            "by itself (creator=...), or had one before env.py ran.",
            effect=NOTHING_DONE,
            cure="Let env.py make an engine of its configuration's `sqlalchemy.url`, which erm sets to the target.",
        )
    if found.temporary:
        raise EnvironmentRefused(
            f"env.py makes temporary tables on its own connection ({found.temporary}), which revisions cannot see from "
            "erm's.",
            effect=NOTHING_DONE,
            cure="Make them in the revision that needs them, or in env.py through `context.get_bind()`, after "
            "context.configure().",
        )
    if found.read_only and not read_only:
        raise EnvironmentRefused(
            "env.py makes its session one that only reads (default_transaction_read_only, or postgresql_readonly).",
            effect=NOTHING_DONE,
            cure="Take that out to deploy; `erm migrate --mode plan` shows what would be done, and writes nothing.",
        )
    if found.settings.get("standard_conforming_strings") == "off":
        raise EnvironmentRefused(
            "env.py sets standard_conforming_strings to off: a backslash then escapes what follows, and erm would read "
            "statements otherwise than the server.",
            effect=NOTHING_DONE,
            cure="Take that out of env.py, and write E'...' where a string has escapes.",
        )


def _refuse_another_login(raw: Any, session_user: str) -> None:
    """SET SESSION AUTHORIZATION is more than a role: its session could not write the ledger as who logged in."""
    if session_user == raw.info.user:
        return
    login = login_of(raw)
    if login is not None and session_user != login:
        raise EnvironmentRefused(
            f"env.py acts as the login role {session_user} (SET SESSION AUTHORIZATION, or a connection of its own); "
            f"erm is logged in as {login}.",
            effect=NOTHING_DONE,
            cure=f"Let env.py, or `migrations.role` in erm.yaml, SET ROLE {session_user}; or log in as that role.",
        )
