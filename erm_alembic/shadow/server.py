"""The shadow's server, reached: makes scratch databases and drops them, and sweeps what a dead run left behind.

One session administers it from another database and lives as long as the run: it holds the locks by which the next run
tells what is still needed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psycopg2
from psycopg2 import errors

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.redaction import first_line
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.postgres.embedded.server import SUPERUSER
from erm_alembic.postgres.intercept import GatedConnection, connect_gated
from erm_alembic.postgres.password_file import without_exposed_file
from erm_alembic.postgres.scratch import (
    CLONE_STRATEGY_SINCE,
    create_database,
    drop_database,
    drop_left_behind,
    drop_template,
    held_name,
    let_go,
    template_place,
    templates,
)
from erm_alembic.postgres.shadow_facts import ServerIdentity, ShadowFacts, read_identity, settings_that_differ
from erm_alembic.postgres.stand_ins import has_role, make_login_role, make_roles, make_tablespace_at, make_tablespaces
from erm_alembic.shadow.memory import databases_in, memory_folder, room_in_memory
from erm_alembic.shadow.packing import PackedTemplates
from erm_alembic.shadow.provision import Provision
from erm_alembic.target import Target

__all__ = ["ShadowServer", "connected", "refused"]

APPLICATION = "erm shadow"
IN_MEMORY = "erm_memory"
# In seconds.
PATIENCE = "10"
# In libpq's `options` a space ends a word unless a backslash stands before it.
SPECIAL = re.compile(r"([\s\\])")


class ShadowServer:
    """A running server for shadows.

    Args:
        provision: which server it is.
        target: the database whose shadow is wanted; None where scratch databases are wanted for their own sake.
        facts: what the target is like.

    Raises:
        ShadowUnavailable: it cannot be reached, is a server that erm must not use, or lacks what is needed.
    """

    def __init__(self, provision: Provision, target: Target | None, facts: ShadowFacts) -> None:
        self._embedded = provision.embedded is not None
        self._url = _patient(provision.start())
        self._data_dir = provision.embedded.status().data_dir if provision.embedded is not None else None
        self._role = SUPERUSER if target is None else target.role
        self._facts = facts
        self._acts_as = None if target is None else target.settings.migrations.role
        self._owner: str | None = None
        self._admin: GatedConnection = connected(self._url.dsn())
        self._admin.autocommit = True
        self._notes: list[str] = []
        self._fits_in_memory = True
        try:
            with self.cursor() as cursor:
                self.identity: ServerIdentity = read_identity(cursor)
                if not self._embedded and target is not None:
                    self._refuse(target)
                drop_left_behind(cursor)
                self._prepare(cursor)
        except psycopg2.Error as error:
            self.close()
            raise refused(error) from error
        except BaseException:
            self.close()
            raise

    @property
    def major(self) -> int:
        """The server's major version."""
        return int(self._admin.server_version) // 10000

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as on the target, for a human."""
        return tuple(self._notes)

    @contextlib.contextmanager
    def cursor(self) -> Iterator[Any]:
        """A cursor of the session that administers the server.

        Raises:
            ShadowUnavailable: the server refuses what is asked of it, or is gone.
        """
        try:
            with self._admin.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            raise refused(error) from error

    @contextlib.contextmanager
    def scratch(self, key: str, template: str | None = None) -> Iterator[str]:
        """A scratch database, dropped when the block ends unless it has become something else; its name.

        Args:
            key: twelve hexadecimal digits: what it is made of.
            template: the template database that it is a copy of; None for an empty one.

        Raises:
            ShadowUnavailable: the server refuses.
            TemplateGone: the template is not there any more.
        """
        with self._admin.cursor() as cursor:
            name = held_name(cursor, key)
            try:
                try:
                    options = self._options(template)
                    create_database(cursor, name, template=template or "template0", options=options)
                except errors.InvalidCatalogName as error:
                    raise TemplateGone from error
                except psycopg2.Error as error:
                    raise refused(error) from error
                yield name
            finally:
                # What cannot be dropped now is swept by the next run.
                with contextlib.suppress(psycopg2.Error):
                    drop_database(cursor, name)
                    let_go(cursor, name)

    def go_to_disk(self) -> bool:
        """Make no more scratch databases in memory, which was full; whether any could have been there."""
        before, self._fits_in_memory = self._fits_in_memory, False
        return before and self._packed is not None

    def at_hand(self, template: str) -> bool:
        """Whether a template can be copied; its files are made in memory where they were packed."""
        with self.cursor() as cursor:
            oid, place = template_place(cursor, template) or (0, None)
            if place not in (None, IN_MEMORY):
                return True
            if self._packed is None or not oid:
                return False
            if place is not None and self._packed.unpack(template, oid):
                return True
            drop_template(cursor, template)  # its files are gone with the memory that they were in
            return False

    def pack(self, template: str) -> None:
        """Let a template outlast the server: what is in memory is written into one file."""
        if self._packed is None:
            return
        with self.cursor() as cursor:
            oid, place = template_place(cursor, template) or (0, None)
            if place == IN_MEMORY:
                cursor.execute("CHECKPOINT")
                self._packed.pack(template, oid)
            there = {name: found[0] for name, _ in templates(cursor) if (found := template_place(cursor, name))}
            self._packed.forget_but(there)

    def address(self, name: str) -> str:
        """The address of a scratch database for revisions: as the target's role, with the target's settings."""
        words = [self._url.parameters.get("options", "")]
        words += [f"-c {name}={SPECIAL.sub(_escaped, value)}" for name, value in self._session.items()]
        url = self._url.with_parameters(dbname=name, options=" ".join(filter(None, words)))
        return (url.with_parameters(user=self._role) if self._embedded else url).dsn()

    def close(self) -> None:
        """End the session."""
        self._admin.close()

    def _refuse(self, target: Target) -> None:
        """A shadow in the target's own database would be no shadow.

        Raises:
            ShadowUnavailable: `shadow.url` names it.
        """
        with contextlib.closing(target.connect(APPLICATION)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                there = read_identity(cursor)
        if there.started != self.identity.started:
            return
        if there.database == self.identity.database:
            raise ShadowUnavailable(
                f"`shadow.url` names the target itself: {target.redacted}.",
                cure="Name another database, from which erm makes and drops scratch databases beside it.",
            )
        self._notes.append("The shadow is on the target's own server, because `shadow.url` names it.")

    def _prepare(self, cursor: Any) -> None:
        """Have what belongs to a server and not to a database: roles, tablespaces, settings."""
        if self._embedded:
            make_login_role(cursor, self._role)
            make_roles(cursor, self._facts.roles)
        if self._embedded or self.identity.superuser:
            make_tablespaces(cursor, self._facts.tablespaces)
            # Since PostgreSQL 15 only the owner creates in `public`; what the role may do on the target is not tried.
            if self._acts_as is not None and has_role(cursor, self._acts_as):
                self._owner = self._acts_as
        self._packed = self._memory(cursor) if self._embedded else None
        self._session: Mapping[str, str] = dict(self._settings(cursor))

    def _memory(self, cursor: Any) -> PackedTemplates | None:
        """Have a place in memory for scratch databases, where this machine has one."""
        folder = memory_folder(self._data_dir) if self._data_dir is not None else None
        if folder is None or self._data_dir is None:
            return None
        try:
            databases = databases_in(folder, make_tablespace_at(cursor, IN_MEMORY, str(folder)))
        except psycopg2.Error:
            return None  # the project was copied while the server of the original ran, or this one may not go there
        return PackedTemplates(self._data_dir.parent / "templates", databases) if databases is not None else None

    def _settings(self, cursor: Any) -> Iterable[tuple[str, str]]:
        for name, value in settings_that_differ(cursor, self._facts.settings).items():
            try:
                cursor.execute("SELECT pg_catalog.set_config(%s, %s, true)", [name, value])
            except psycopg2.Error:
                self._notes.append(f"The shadow has no {name} = {value}, which the target has.")
            else:
                yield name, value

    def _options(self, template: str | None) -> dict[str, str]:
        found = {}
        if template is None and self._facts.encoding != "UTF8":
            found = {"ENCODING": self._facts.encoding, "LC_COLLATE": "C", "LC_CTYPE": "C"}
        # Files are copied as they are: the fastest where nothing waits for the disk. Elsewhere this would need a
        # checkpoint of the whole server.
        if self._embedded and self.major >= CLONE_STRATEGY_SINCE:
            found["STRATEGY"] = "file_copy"
        if self._owner is not None:
            found["OWNER"] = self._owner
        if self._packed is not None:
            found["TABLESPACE"] = IN_MEMORY if self._fits_in_memory and room_in_memory() else "pg_default"
        return found


class TemplateGone(Exception):
    """The template that was to be copied has been dropped meanwhile."""


def connected(dsn: str) -> GatedConnection:
    """Open a connection to the shadow's server.

    Raises:
        ShadowUnavailable: it cannot be reached or refuses.
    """
    try:
        return connect_gated(dsn, APPLICATION)
    except psycopg2.Error as error:
        raise refused(error) from error


def refused(error: psycopg2.Error) -> ShadowUnavailable:
    """The words for what the shadow's server objects."""
    return ShadowUnavailable(
        f"The shadow's server refuses: {first_line(error)}",
        cure="Look at `shadow.url`, and at the rights of its role: it needs CREATEDB.",
    )


def _patient(url: DatabaseUrl) -> DatabaseUrl:
    """The address with a limit on how long a server may take to answer, where it has none."""
    wanted = {"connect_timeout": PATIENCE, **without_exposed_file()}
    return url.with_parameters(**{key: value for key, value in wanted.items() if not url.parameters.get(key)})


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match[1]}"
