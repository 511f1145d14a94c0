"""The schema of the live database, without its rows, taken over into a scratch database by `pg_dump`.

The password stands neither in the command line, where everybody on the machine reads it, nor in a file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.config.redaction import first_line, redact
from erm_alembic.errors import ServerError, ShadowUnavailable
from erm_alembic.postgres.embedded.binaries import installed_binaries
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.text.lexer import statement_kinds
from erm_alembic.postgres.text.shared import statement_texts
from erm_alembic.target import Target

__all__ = ["dump_schema", "load_schema", "run_pg_dump"]

VERSION = re.compile(r"\(PostgreSQL\)\s+(\d+)")
# psql's own words, with which newer versions keep a dump from doing more than SQL: the first line of all that is no
# comment, and the last one. Within a function such a line is the function's.
META_FIRST = re.compile(r"\A((?:--[^\n]*\n|\n)*)\\restrict (\S+)$", re.MULTILINE)
LOCK_WAIT = "5s"
LONGEST_DUMP = 600.0


def dump_schema(target: Target, ledger_schema: str, preferred: int) -> str:
    """The schema of a target as SQL, without erm's ledger.

    Args:
        target: the database.
        ledger_schema: the schema that is left out.
        preferred: the major version of the server that the dump is for.

    Raises:
        ShadowUnavailable: there is no `pg_dump` that can read such a server, or it fails.
    """
    quoted = ledger_schema.replace('"', '""')
    # Neither what connects elsewhere, nor what only a server with its provider loaded takes.
    arguments = ["--schema-only", "--no-subscriptions", "--no-security-labels", f'--exclude-schema="{quoted}"']
    return run_pg_dump(target, arguments, preferred).decode("utf-8", "surrogateescape")


def run_pg_dump(target: Target, arguments: Sequence[str], preferred: int) -> bytes:
    """What `pg_dump` says of a target: SQL, without psql's own commands.

    Args:
        target: the database.
        arguments: what is to be dumped, and how.
        preferred: the major version of the server that the dump is for.

    Raises:
        ShadowUnavailable: there is no `pg_dump` that can read such a server, or it fails.
    """
    program = _pg_dump(target.major, preferred)
    address = target.url.opened()
    url = address.with_parameters(password="", sslpassword="")
    argv = [str(program), *arguments, "--no-password", f"--lock-wait-timeout={LOCK_WAIT}", f"--dbname={url.dsn()}"]
    role = target.settings.migrations.role
    argv += [f"--role={role}"] if role is not None else []
    environ = dict(os.environ) | {"LC_ALL": "C", "PGAPPNAME": "erm shadow"}
    if password := address.parameters.get("password"):
        environ["PGPASSWORD"] = password
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=environ, timeout=LONGEST_DUMP
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise _failed(type(error).__name__) from None
        if done.returncode != 0:
            said.seek(0)
            words = said.read().decode("utf-8", "replace")
            raise _failed(next((line for line in words.splitlines() if "error:" in line), words.strip()[:200]))
    return _without_meta(done.stdout)


def _without_meta(dump: bytes) -> bytes:
    """A dump without the pair of psql's commands around it."""
    text = dump.decode("latin-1")  # which gives every byte back
    begins = META_FIRST.match(text)
    if begins is None:
        return dump
    ends = f"\\unrestrict {begins[2]}"
    head, found, tail = text[begins.end() :].rpartition(ends)
    return (begins[1] + (head + tail if found else tail)).encode("latin-1")


def load_schema(connect: Callable[[], GatedConnection], schema: str) -> None:
    """Make in a scratch database what a dump says.

    Args:
        connect: opens a session of it in autocommit mode, whose gate stands in for what the server lacks.
        schema: the dump.

    Raises:
        ShadowUnavailable: the shadow's server cannot do that.
    """
    connection = connect()
    try:
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            try:
                # All at once is one transaction, and as fast as it gets.
                cursor.execute(schema)
            except psycopg2.Error:
                pass
            else:
                return
        with connection.cursor() as cursor:
            for text in statement_texts(schema):
                _send(cursor, text)
    finally:
        connection.close()


def _send(cursor: Any, text: str) -> None:
    try:
        cursor.execute(text)
    except psycopg2.Error as error:
        # A setting that only the version of pg_dump knows is of no consequence.
        if statement_kinds(text) == {"SET"}:
            return
        raise ShadowUnavailable(
            f"The schema of the live database cannot be loaded into the shadow: {first_line(error)}",
            cure="Give the shadow's server what it lacks (`shadow.url`), such as the target's extensions.",
        ) from error


def _pg_dump(major: int, preferred: int) -> Path:
    """The program that reads a server of a major version, the nearest to what the dump is for.

    Raises:
        ShadowUnavailable: there is none.
    """
    fit = [(abs(found - preferred), found, path) for found, path in _programs() if found >= major]
    if not fit:
        raise ShadowUnavailable(
            f"There is no pg_dump on this machine that reads PostgreSQL {major}.",
            cure=f"Install the client programs of PostgreSQL {major} or newer.",
        )
    return min(fit)[2]


def _programs() -> Iterator[tuple[int, Path]]:
    try:
        installed = installed_binaries()
    except ServerError:
        installed = ()
    for binaries in installed:
        path = binaries.program("pg_dump")
        if os.access(path, os.X_OK):
            yield binaries.major, path
    on_path = shutil.which("pg_dump")
    if on_path is not None:
        try:
            said = subprocess.run([on_path, "--version"], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.SubprocessError):
            return
        if match := VERSION.search(said.stdout):
            yield int(match[1]), Path(on_path)


def _failed(words: str) -> ShadowUnavailable:
    return ShadowUnavailable(
        f"pg_dump cannot read the schema of the live database: {redact(words)}",
        cure="Let the role read all tables (pg_read_all_data), and see that nobody holds them locked.",
    )
