"""`erm preview`: a database for each pull request, made, migrated, listed and dropped; for Python callers too.

It is made beside the database of a profile, on the same server, empty or as a copy of another one, and brought to the
heads of the revision files that are checked out. Nothing is dropped that was not made here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg2.errors import (
    DuplicateDatabase,
    InsufficientPrivilege,
    InvalidCatalogName,
    LockNotAvailable,
    ObjectInUse,
)
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.config.settings import HooksSettings, SafetySettings, SealedUrl, Settings
from erm_alembic.errors import ErmError, Interrupted, LockNotHad, Refused, TargetError, UsageError
from erm_alembic.findings import blocking
from erm_alembic.opening import Opened, configured
from erm_alembic.pipeline import Result, plan_request, refuse_misnamed, run_plan
from erm_alembic.planning.request import Request
from erm_alembic.postgres import previews as databases
from erm_alembic.postgres.preview_lock import one_at_a_time
from erm_alembic.postgres.previews import LONGEST_NAME, Preview
from erm_alembic.revisions.project import AlembicOptions, find_project
from erm_alembic.revisions.runnable import refuse_what_cannot_run
from erm_alembic.target import Target, open_target

if TYPE_CHECKING:
    from erm_alembic.execute.progress import Progress

__all__ = ["AlembicOptions", "Dropped", "Listed", "Made", "create", "drop", "previews", "sweep"]

NOTHING_MADE = "No database was made."
NOTHING_DROPPED = "Nothing was dropped."
# How long to wait for another pipeline that works on the same preview.
PATIENCE = "10min"
# Databases that every server has, and that nobody drops.
SERVER_S_OWN = ("postgres", "template0", "template1")


@dataclass(frozen=True)
class Made:
    """A preview that is there.

    Args:
        name: the database.
        url: its address without a password.
        created: whether it was made just now, and not before.
        current: the revisions that it is at.
        ran: how many revisions were run just now.
        address: its address with the password, never shown.
    """

    name: str
    url: str
    created: bool
    current: tuple[str, ...]
    ran: int
    address: str = field(repr=False)


@dataclass(frozen=True)
class Listed:
    """The previews of a server.

    Args:
        server: the address of the profile's database, without its password.
        previews: by their names.
        now: what the server's clock shows, in seconds since 1970.
    """

    server: str
    previews: tuple[Preview, ...]
    now: float


@dataclass(frozen=True)
class Dropped:
    """What became of previews that were to be dropped.

    Args:
        dropped: those that were.
        missing: those that were not there.
        others: those of another owner, which this role may not drop.
    """

    dropped: tuple[str, ...]
    missing: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def create(
    env: str | None,
    name: str,
    *,
    config: Path | None = None,
    source: str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    options: AlembicOptions | None = None,
) -> Made:
    """Make a preview, or bring the one that is there to the heads of the revision files.

    Args:
        env: the profile on whose server it is made; None means ERM_ENV, else `dev`.
        name: what the database is called.
        config: the path of erm.yaml; None looks for it from the working directory up.
        source: the database that it is copied from, to which nobody may be connected; None begins empty.
        fresh: whether one that is there is made anew; it is dropped when the new one is whole.
        progress: told what happens.
        options: Alembic's own options for env.py.

    Raises:
        UsageError: the name cannot be a preview's.
        Refused: a database of that name was not made by erm, or a check objects to the revisions.
        ErmError: another subclass of it, when it cannot be made or migrated.

    Example:
        >>> made = create("staging", "pr-17")
        >>> made.created, made.current
        (True, ('f1a85d3c60e9',))
        >>> create("staging", "pr-17").ran
        0
        >>> drop("staging", ["pr-17"]).dropped
        ('pr-17',)
    """
    _check_name(name)
    settings = configured(env, config, options)
    refuse_what_cannot_run(find_project(settings, options))
    refuse_misnamed(settings, find_project(settings, options))
    target = open_target(settings)
    if name == target.database:
        raise UsageError(
            f"{name} is the database of the environment {settings.environment} itself.",
            effect=NOTHING_MADE,
            cure="Give the preview another name.",
        )
    with _administering(target, to_write=True) as cursor, _alone(cursor, name):
        there = databases.find(cursor, name)
        if there is None and databases.exists(cursor, name):
            raise _not_ours(name, NOTHING_MADE)
        if there is not None and there.is_broken:
            databases.drop(cursor, name)
            there = None
        if there is None or fresh:
            _make(cursor, target, name, source, instead=fresh)
        else:
            databases.note_use(cursor, there)
        opened = _opened(settings, target, name, options)
        result = _migrated(opened, name, progress)
    shown = opened.target.url.with_parameters(password="", sslpassword="")
    ran = sum(step.outcome == "done" for step in result.outcome.steps)
    return Made(name, shown.dsn(), there is None or fresh, result.outcome.current, ran, opened.target.url.dsn())


def drop(env: str | None, names: Sequence[str], *, config: Path | None = None) -> Dropped:
    """Drop previews; one that is not there is no error, since its pipeline may have failed before it was made.

    Args:
        env: the profile on whose server they are.
        names: the previews.
        config: the path of erm.yaml.

    Raises:
        Refused: a database of one of the names was not made by erm; then none is dropped.
        ErmError: another subclass of it, when the server refuses.
    """
    with _administering(open_target(configured(env, config)), to_write=True) as cursor:
        foreign = [name for name in names if databases.exists(cursor, name) and databases.find(cursor, name) is None]
        if foreign:
            raise _not_ours(foreign[0], NOTHING_DROPPED)
        dropped = _dropped(cursor, names, wanted=lambda _: True)
        return Dropped(dropped, tuple(name for name in dict.fromkeys(names) if name not in dropped))


def previews(env: str | None, *, config: Path | None = None) -> Listed:
    """The previews on the server of a profile.

    Args:
        env: the profile.
        config: the path of erm.yaml.

    Raises:
        ErmError: a subclass of it, when the server cannot be reached.
    """
    target = open_target(configured(env, config))
    with _administering(target) as cursor:
        return Listed(target.redacted, databases.previews(cursor), databases.server_time(cursor))


def sweep(env: str | None, older_than: timedelta, *, config: Path | None = None) -> Dropped:
    """Drop the previews that nobody has asked `create` for lately, by name or to copy them.

    Several teams may share a server: what belongs to another owner is left to that one.

    Args:
        env: the profile on whose server they are.
        older_than: how long nobody has.
        config: the path of erm.yaml.

    Raises:
        ErmError: a subclass of it, when the server refuses.
    """
    with _administering(open_target(configured(env, config)), to_write=True) as cursor:

        def is_old(each: Preview) -> bool:
            return databases.server_time(cursor) - each.used > older_than.total_seconds()

        dropped: list[str] = []
        others: list[str] = []
        for each in databases.previews(cursor):
            if is_old(each):
                try:
                    dropped += _dropped(cursor, [each.name], is_old)
                except InsufficientPrivilege:
                    others.append(each.name)
        return Dropped(tuple(dropped), others=tuple(others))


def _dropped(cursor: PlainCursor, names: Sequence[str], wanted: Callable[[Preview], bool]) -> tuple[str, ...]:
    """Drop those of the previews that are there, and `wanted` once nobody else works on them; their names."""
    dropped = []
    for name in dict.fromkeys(names):
        with _alone(cursor, name), contextlib.suppress(InvalidCatalogName):
            there = databases.find(cursor, name)
            if there is not None and wanted(there) and databases.drop(cursor, name):
                dropped.append(name)
    return tuple(dropped)


@contextlib.contextmanager
def _administering(target: Target, *, to_write: bool = False) -> Iterator[PlainCursor]:
    """A cursor of a session in autocommit mode on the server of a target."""
    if to_write and target.is_standby:
        raise TargetError(
            f"{target.redacted} is a read-only standby.",
            effect="Nothing was changed.",
            cure="Point the profile at the primary (with several hosts: target_session_attrs=read-write).",
        )
    with target.reported(), contextlib.closing(target.connect("erm preview")) as connection:
        connection.autocommit = True
        target.lift_session_limits(connection, lock_timeout=PATIENCE)
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            yield cursor


@contextlib.contextmanager
def _alone(cursor: PlainCursor, name: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(one_at_a_time(cursor, name))
        except LockNotAvailable:
            raise LockNotHad(
                f"Another process works on the preview {name}, and has for {PATIENCE}.",
                effect="Nothing was changed.",
                cure="Wait until it has ended, and run the command again.",
            ) from None
        yield


def _check_name(name: str) -> None:
    size = len(name.encode("utf-8", "surrogatepass"))
    if not name.isprintable() or name.strip() != name or not name:
        why, cure = (
            "is empty, or begins or ends with a space, or has characters that cannot be seen",
            "Give it a plain one.",
        )
    elif size > LONGEST_NAME:
        why, cure = f"has {size} bytes, and PostgreSQL knows {LONGEST_NAME}", "Give it a shorter one, such as pr-17."
    elif name in SERVER_S_OWN:
        why, cure = "is a database that every server has", "Give it another one."
    else:
        return
    raise UsageError(f"The name {name!r} {why}.", effect=NOTHING_MADE, cure=cure)


def _make(cursor: PlainCursor, target: Target, name: str, source: str | None, *, instead: bool) -> None:
    environment = target.settings.environment
    owner = target.settings.migrations.role
    try:
        databases.create(cursor, name, environment=environment, source=source, owner=owner, instead=instead)
        if source is not None and (copied := databases.find(cursor, source)) is not None:
            with contextlib.suppress(InsufficientPrivilege):  # somebody else's, who sweeps it himself
                databases.note_use(cursor, copied)
    except DuplicateDatabase:  # which somebody has made meanwhile
        if databases.find(cursor, name) is None:
            raise _not_ours(name, NOTHING_MADE) from None
    except ObjectInUse:
        raise Refused(
            f"Somebody is connected to {source}, so that it cannot be copied.",
            effect=NOTHING_MADE,
            cure="Copy a database that nobody works in, such as a preview that is kept for it: erm preview create NAME",
        ) from None
    except InvalidCatalogName:
        raise UsageError(
            f"There is no database {source} on this server.", effect=NOTHING_MADE, cure="Correct --copy-of."
        ) from None


def _opened(settings: Settings, target: Target, name: str, options: AlembicOptions | None) -> Opened:
    """The preview as a command opens a database; what is meant for the profile's own is left out."""
    url = target.url.with_parameters(dbname=name)
    of_preview = replace(
        settings,
        url=SealedUrl(url.dsn(), "erm preview", "erm preview"),
        replicas=(),
        hooks=HooksSettings(),
        safety=SafetySettings(settings.safety.downgrades_since, settings.safety.rules),
        notes=(),
    )
    return Opened(of_preview, open_target(of_preview), find_project(of_preview, options))


def _migrated(opened: Opened, name: str, progress: Progress | None) -> Result:
    """Bring a preview to the heads.

    Raises:
        Refused: a check objects.
        ErmError: a revision failed.
    """
    planned = plan_request(opened, Request("upgrade", "heads"), accept_environment=True)
    result = run_plan(opened, planned, wait=None, accept_environment=True, progress=progress, overrides=())
    outcome = result.outcome
    if outcome.result in ("done", "nothing-to-do"):
        return result
    stays = f"The preview {name} stays as it is, to be looked at."
    if outcome.result == "interrupted":
        raise Interrupted(
            f"Interrupted while the preview {name} was migrated.",
            signal_number=outcome.signal_number or 2,
            effect=stays,
            cure="Run the command again: it goes on.",
        )
    if outcome.result == "refused":
        said = "; ".join(dict.fromkeys(f"{each.rule}: {each.message}" for each in blocking(result.plan.findings)))
        raise Refused(
            f"The revisions are not run on the preview {name}: {said}",
            effect=stays,
            cure="Mend that; where revisions were rewritten since, make it anew: --fresh",
        )
    raise ErmError(
        f"The preview {name} could not be migrated: {outcome.error}",
        effect=f"{outcome.effect or ''} {stays}".strip(),
        cure=outcome.cure or "Mend the revision and run the command again; --fresh makes the preview anew.",
    )


def _not_ours(name: str, effect: str) -> Refused:
    return Refused(
        f"There is a database {name}, and erm has not made it for a preview.",
        effect=effect,
        cure="Give the preview another name; `erm preview list` shows those that there are.",
    )
