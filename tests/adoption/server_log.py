"""What a server says that it was sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import sql

from tests.support.databases import Database

ENTRY = re.compile(r"^\d{4}-\d\d-\d\d [^\[]*\[(\d+)\]", re.MULTILINE)
READ_ONLY = "default_transaction_read_only"


@contextmanager
def statements_sent(database: Database) -> Iterator[list[str]]:
    """Every statement that sessions of a database send meanwhile, in order, as the server logged it.

    Sessions that made themselves read-only, as those of a plan do, are left out.
    """
    name = sql.Identifier(database.name)
    admin = database.connect()
    try:
        with admin.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER DATABASE {} SET log_statement = 'all'").format(name))
        before = database.server.log_path.stat().st_size
        sent: list[str] = []
        yield sent
        with admin.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER DATABASE {} RESET log_statement").format(name))
    finally:
        admin.close()
    with database.server.log_path.open("rb") as log:
        log.seek(before)
        text = log.read().decode()
    parts = ENTRY.split(text)
    entries = list(zip(parts[1::2], parts[2::2], strict=True))
    planning = {pid for pid, entry in entries if READ_ONLY in entry}
    for pid, entry in entries:
        _, found, statement = entry.partition("LOG:  statement: ")
        if found and pid not in planning:
            sent.append(statement.rstrip("\n").replace("\n\t", "\n"))
