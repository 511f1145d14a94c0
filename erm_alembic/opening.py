"""The first three stages of what works on revisions of a database: settings -> target -> project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from erm_alembic.config.loader import NoDatabase, load_settings
from erm_alembic.config.settings import Settings
from erm_alembic.errors import Interrupted, TargetError
from erm_alembic.postgres.signals import Stopped, cancel_on_signal
from erm_alembic.revisions.project import AlembicOptions, AlembicProject, find_project
from erm_alembic.revisions.runnable import refuse_what_cannot_run
from erm_alembic.revisions.source.ini_address import address_in_ini
from erm_alembic.target import Target, open_target

__all__ = ["Opened", "configured", "interruptible", "open_project"]

Read = TypeVar("Read")


@dataclass(frozen=True)
class Opened:
    """What a command works on.

    Args:
        settings: what is in force.
        target: the database, reached once.
        project: the Alembic project.
    """

    settings: Settings
    target: Target
    project: AlembicProject


def configured(env: str | None, config: Path | None, options: AlembicOptions | None = None) -> Settings:
    """Read what the user configured; where that is no database, a missing project is the first thing to say.

    Args:
        env: the profile; None means ERM_ENV, else `dev`.
        config: the path of erm.yaml; None looks for it from the working directory up.
        options: Alembic's own options, for the section of alembic.ini.

    Raises:
        ProjectError: there is neither a database nor an Alembic project.
        ConfigurationError: the configuration is wrong, or names no database; alembic.ini's is told, and not used.
    """
    try:
        return load_settings(env, config)
    except NoDatabase as error:
        project = find_project(load_settings(env, config, require_url=False), options)
        address = address_in_ini(project.ini, project.options.name) if project.ini else None
        if address is None:
            raise
        raise NoDatabase(
            f"{error.what} The sqlalchemy.url of alembic.ini is not used.",
            effect=error.effect,
            cure=f"To use that database, write into erm.yaml:  database: {{url: {address}}}\n{error.cure}",
        ) from error


def open_project(
    env: str | None,
    config: Path | None,
    options: AlembicOptions | None = None,
    *,
    to_write: bool = False,
    judge: Callable[[Settings, AlembicProject], None] | None = None,
) -> Opened:
    """Read what the user configured, reach the database, find the Alembic project.

    Args:
        env: the profile; None means ERM_ENV, else `dev`.
        config: the path of erm.yaml; None looks for it from the working directory up.
        options: Alembic's own options for env.py.
        to_write: whether something is to be changed, which a standby cannot.
        judge: raises for what is wrong with the two, before a server is started or reached.

    Raises:
        ErmError: a subclass of it, for the first of the three that cannot be had.
    """
    settings = configured(env, config, options)
    project = find_project(settings, options)
    refuse_what_cannot_run(project)
    if judge is not None:
        judge(settings, project)
    target = open_target(settings)
    if to_write and target.is_standby:
        raise TargetError(
            f"{target.redacted} is a read-only standby.",
            effect="Nothing was changed.",
            cure="Point the profile at the primary (with several hosts: target_session_attrs=read-write).",
        )
    return Opened(settings, target, project)


def interruptible(target: Target, read: Callable[[], Read]) -> Read:
    """Read the database; a signal cancels what a revision or env.py reads meanwhile.

    Args:
        target: the database, whose objections become words of erm.
        read: reads it.

    Raises:
        Interrupted: a signal arrived.
        TargetError: the server or the network objected.
    """
    try:
        with target.reported(), cancel_on_signal() as watch:
            try:
                return read()
            finally:
                watch.check()
    except Stopped as stopped:
        raise Interrupted(
            f"Interrupted by {stopped} while planning.",
            signal_number=stopped.signal_number,
            effect="Nothing was changed.",
            cure="Run the command again.",
        ) from stopped
