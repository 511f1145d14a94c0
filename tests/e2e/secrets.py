"""No secret of the run in anything that it has written: output, files, logs, the ledger, the titles of processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.world import DATABASE, World
from tests.support.secrecy import _forms, _issued

__all__ = ["Searched", "Titles", "search", "titles"]

EVERY_SECONDS = 0.05
TABLES = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'erm' ORDER BY 1"


@dataclass
class Titles:
    """The command lines of all processes that were seen."""

    seen: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class Searched:
    """What was searched.

    Args:
        secrets: how many secrets were looked for.
        files: in how many files.
        bytes: of how many bytes.
        found: where one was found.
    """

    secrets: int
    files: int
    bytes: int
    found: list[str]


@contextmanager
def titles() -> Iterator[Titles]:
    """Read the command lines of all processes again and again; where there is no /proc, none are seen."""
    known, over = Titles(), threading.Event()

    def look() -> None:
        while not over.wait(EVERY_SECONDS):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    known.seen.add(path.read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=look, name="titles", daemon=True)
    thread.start()
    try:
        yield known
    finally:
        over.set()
        thread.join(10)


def search(world: World, folder: Path, stores: list[Path], seen: Titles, further: list[str]) -> Searched:
    """Look for every secret of the run.

    Args:
        world: whose logins, logs and ledger.
        folder: everything that the run wrote for people or for itself.
        stores: the files that hold a secret because that is what they are for.
        seen: the command lines.
        further: secrets that were not issued by the guard of the tests.
    """
    passwords = [word for _, word in world.made_logins()]
    wanted = {form.encode() for secret in (*_issued, *passwords, *further) for form in _forms(secret)}
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and path not in stores]
    texts = [(str(path), path.read_bytes()) for path in (*files, *world.logs())]
    ledger = [
        str(row)
        for (table,) in world.primary.execute(TABLES, dbname=DATABASE)
        for row in world.primary.execute(f"SELECT t::text FROM {table} t", dbname=DATABASE)
    ]
    texts += [("the ledger", "\n".join(ledger).encode()), ("the titles of processes", b"\n".join(seen.seen))]
    found = [place for place, text in texts if any(word in text for word in wanted)]
    return Searched(
        len(passwords) + len(further) + len(_issued), len(texts), sum(len(text) for _, text in texts), found
    )
