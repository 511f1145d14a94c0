"""Within the child: what revisions do to the server is done for this database alone, or made out to be done.

Roles and tablespaces are shared by every database of the shadow's server: another replay may have made them before, and
nothing may be taken from it. They are stood in for, by a session of their own that no rollback reaches. What an
extension needs is taken from the target where the server lacks its files.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from psycopg2 import Error, errors
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.errors import ProjectError
from erm_alembic.postgres.intercept import Gate, GatedCursor, Send
from erm_alembic.postgres.stand_ins import (
    extension_state,
    make_extension,
    make_roles,
    make_tablespaces,
    see_new_roles,
    take_version,
)
from erm_alembic.postgres.text.shared import Shared, shared_statements

__all__ = ["SharedObjects"]

MISSING_ROLE = re.compile(r'role "(.*)" does not exist', re.DOTALL)
SAVEPOINT = "erm_shared"
MAKES_SCHEMA = re.compile(r"(?i)\bcreate\s+schema\b")


class SharedObjects:
    """A gate for the sessions of a shadow.

    Args:
        connect: opens a further session of the shadow, in autocommit mode.
        extensions: what the target knows of its extensions: `version`, and `statements` that make stand-ins of their
            members where the shadow's server lacks their files; by name.
        note: told what was stood in, once.
        inner: what sees the other statements before the server does.
        used: told the name of each extension that is made.
        lacking: told the name of each extension of which nothing could be made.
        given: whether the target's schemas and extensions are there already: making one again is no error.
        stood_in: told each statement that was not sent, because it acts on what all databases share.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        extensions: Mapping[str, Mapping[str, Any]],
        note: Callable[[str], None],
        inner: Gate | None = None,
        *,
        used: Callable[[str], None] = lambda name: None,
        lacking: Callable[[str], None] = lambda name: None,
        given: bool = False,
        stood_in: Callable[[Shared], None] = lambda statement: None,
    ) -> None:
        self._stood_in = stood_in
        self._connect = connect
        self._extensions = extensions
        self._note = note
        self._inner = inner
        self._given = given
        self._used = used
        self._lacking = lacking
        self._said: set[str] = set()

    def pass_through(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        """Send a statement, or do for it what can be done in one database."""
        found = shared_statements(sql)
        if not found or (parameters and len(found) > 1):
            self._pass_on_given(cursor, sql, parameters, send)
            return
        for each in found:
            alone = send if len(found) == 1 else self._sender(cursor, each.text)
            self._one(cursor, each, parameters, alone)

    def rowcount(self, cursor: GatedCursor) -> int:
        """What a statement has touched that was not sent."""
        return -1 if self._inner is None else self._inner.rowcount(cursor)

    def _pass_on(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        if self._inner is None:
            send()
        else:
            self._inner.pass_through(cursor, sql, parameters, send)

    def _pass_on_given(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], send: Send) -> None:
        """The same, but for a schema that was made beforehand."""
        if not self._given or MAKES_SCHEMA.search(sql) is None:
            self._pass_on(cursor, sql, parameters, send)
            return
        self._kept(cursor, lambda: self._pass_on(cursor, sql, parameters, send), errors.DuplicateSchema)

    @staticmethod
    def _sender(cursor: GatedCursor, text: str) -> Send:
        def send() -> None:
            cursor.held_back = False
            PlainCursor.execute(cursor, text)

        return send

    def _one(self, cursor: GatedCursor, each: Shared, parameters: Sequence[Any], send: Send) -> None:
        if each.act == "local":
            self._pass_on_given(cursor, each.text, parameters, send)
        elif each.act == "names-role":
            self._with_roles(cursor, lambda: self._pass_on(cursor, each.text, parameters, send))
        elif each.act == "extension":
            self._extension(cursor, each, lambda: self._pass_on(cursor, each.text, parameters, send))
        elif each.act == "elsewhere":
            raise ProjectError(
                f"A revision has the server connect elsewhere, or run a program ({each.verb}); in the shadow that is "
                "refused.",
                effect="What it makes there is unknown.",
                cure="",
            )
        else:
            self._stand_in(each)

    def _stand_in(self, each: Shared) -> None:
        """Roles and tablespaces that it makes are there afterwards; nothing else of the server is touched."""
        with self._apart() as apart:
            if each.act == "role":
                make_roles(apart, each.names)
            elif each.act == "tablespace":
                make_tablespaces(apart, each.names)
        self._stood_in(each)
        what = {"role": "roles", "tablespace": "tablespaces"}.get(each.act, "the server or another database")
        self._tell(f"What revisions do to {what} ({each.verb}) is stood in for in the shadow.")

    def _with_roles(self, cursor: GatedCursor, send: Send) -> None:
        """Send a statement; a role that it names and that is missing is made, and it is sent again."""
        error = self._kept(cursor, send, errors.UndefinedObject)
        made: set[str] = set()
        while error is not None:
            missing = MISSING_ROLE.search(error.diag.message_primary or "")
            if missing is None or missing[1] in made:
                raise error
            made.add(missing[1])
            with self._apart() as apart:
                make_roles(apart, [missing[1]])
            self._tell(f"Role {missing[1]} is stood in for in the shadow: the target's server has it no more.")
            if not cursor.connection.autocommit:
                with self._plain(cursor) as plain:
                    see_new_roles(plain)
            error = self._kept(cursor, send, errors.UndefinedObject)

    @staticmethod
    def _kept(cursor: GatedCursor, send: Send, expected: type[Error]) -> Error | None:
        """Send a statement; where the server refuses it in an expected way, its transaction goes on."""
        within = not cursor.connection.autocommit
        if within:
            PlainCursor.execute(cursor, f"SAVEPOINT {SAVEPOINT}")
        try:
            send()
        except expected as error:
            if within:
                PlainCursor.execute(cursor, f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            cursor.held_back = True
            return error
        if within:
            PlainCursor.execute(cursor, f"RELEASE SAVEPOINT {SAVEPOINT}")
        return None

    def _extension(self, cursor: GatedCursor, each: Shared, send: Send) -> None:
        name = each.names[0]
        known = self._extensions.get(name, {})
        self._used(name)
        with self._plain(cursor) as plain:
            state = extension_state(plain, name)
            if state == "made" and self._given:
                return
            if state != "missing":
                send()
                if each.version is None and known.get("version") and state == "available":
                    told = take_version(plain, name, known["version"])
                    if told is not None:
                        self._tell(f"Extension {name} is {told} in the shadow, {known['version']} on the target.")
                return
            make_extension(plain, name, each.version or known.get("version"), each.schema, known.get("statements", ()))
        if not known.get("statements"):
            self._lacking(name)
        how = "its types and functions are stood in for" if known.get("statements") else "nothing of it is there"
        self._tell(f"The shadow's server has no extension {name}: {how}.")

    @contextlib.contextmanager
    def _plain(self, cursor: GatedCursor) -> Any:
        """A cursor of the same session that no gate sees."""
        with cursor.connection.cursor(cursor_factory=PlainCursor) as plain:
            yield plain

    @contextlib.contextmanager
    def _apart(self) -> Any:
        with contextlib.closing(self._connect()) as connection, connection.cursor(cursor_factory=PlainCursor) as cursor:
            yield cursor

    def _tell(self, note: str) -> None:
        if note not in self._said:
            self._said.add(note)
            self._note(note)
