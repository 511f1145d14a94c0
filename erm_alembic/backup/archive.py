"""What is in an archive of pg_dump: read from one end to the other, so that damage shows, and its rows counted.

Rows come as COPY's text, one to a line whatever is in them; what stands between them is told by their headers alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg2.extensions import encodings

from erm_alembic.backup.process import NOT_STOPPED, Orders, streaming
from erm_alembic.backup.programs import Program
from erm_alembic.errors import BackupError
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.postgres.text.words import Words, written_name

__all__ = ["Archive", "TableRows"]

COPY, FROM, END = b"COPY ", b" FROM stdin;\n", b"\\.\n"
ENCODING = b"SET client_encoding = '"
ASK_EVERY = 4096


@dataclass
class TableRows:
    """The rows of one table as an archive has them.

    Args:
        table: its name with its schema, quoted where it must be.
        columns: the columns whose values stand in a line, in order.
        encoding: the encoding of the lines, as PostgreSQL calls it.
        lines: the rows, each a line of COPY's text format; whoever does not read them passes over them.
    """

    table: str
    columns: tuple[str, ...]
    encoding: str
    lines: Iterator[bytes]


@dataclass(frozen=True)
class Archive:
    """An archive of pg_dump's.

    Args:
        path: its file, or its folder.
        program: the pg_restore that reads it.
        environ: the environment of that.
        stopped: asked again and again whether to end.
    """

    path: Path
    program: Program
    environ: dict[str, str]
    stopped: Callable[[], bool] = NOT_STOPPED

    def contents(self) -> tuple[str, ...]:
        """The lines of its table of contents.

        Raises:
            BackupError: it cannot be read.
        """
        with streaming([self.program.path, "--list", str(self.path)], self._orders("reading the archive")) as out:
            text = out.read().decode("utf-8", "replace")
        return tuple(line for line in text.splitlines() if line and not line.startswith(";"))

    def count_rows(self) -> dict[str, int]:
        """How many rows of each table there are; the whole archive is read for it.

        Raises:
            BackupError: it is damaged.
        """
        found: dict[str, int] = {}
        for each in self.rows(["--section=data"]):
            found[each.table] = found.get(each.table, 0) + sum(1 for _ in each.lines)
        return found

    def rows_of(self, tables: Sequence[str]) -> Iterator[TableRows]:
        """The rows of some tables.

        Args:
            tables: their names with their schema, quoted where they must be.

        Raises:
            BackupError: it is damaged.
        """
        wanted = [line for line in self.contents() if " TABLE DATA " in f" {line} "]
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="replace", prefix="erm-toc-") as chosen:
            # By their numbers alone: names in this list are not what they are in the database.
            chosen.write("".join(f"{line.partition(';')[0]};\n" for line in wanted))
            chosen.flush()
            if not wanted:
                return
            for each in self.rows(["--data-only", f"--use-list={chosen.name}"]):
                if each.table in tables:
                    yield each

    def rows(self, arguments: Sequence[str]) -> Iterator[TableRows]:
        """The rows that are in it, table by table, in the order of the archive.

        Args:
            arguments: what is left out.

        Raises:
            BackupError: it is damaged.
        """
        argv: list[str | bytes | Path] = [self.program.path, *arguments, "--file=-", self.path]
        with streaming(argv, self._orders("reading the archive")) as out:
            yield from self._tables(out)

    def _tables(self, out: IO[bytes]) -> Iterator[TableRows]:
        encoding = "UTF8"
        for line in out:
            if line.startswith(ENCODING):
                encoding = line[len(ENCODING) :].partition(b"'")[0].decode("ascii", "replace")
            if not line.startswith(COPY):
                continue
            # A name may hold line feeds, and then stands in quotes.
            while not (line.endswith(FROM) and line.count(b'"') % 2 == 0):
                more = out.readline()
                if not more:
                    raise _cut_short(self.path)
                line += more
            table, columns = _header(line, encoding)
            rows = self._lines(out)
            yield TableRows(table, columns, encoding, rows)
            for _ in rows:
                pass

    def _lines(self, out: IO[bytes]) -> Iterator[bytes]:
        for number, line in enumerate(out, start=1):
            if line == END:
                return
            if number % ASK_EVERY == 0 and self.stopped():
                raise BackupError("Stopped by a signal.", cure="Run the command again.")
            yield line
        raise _cut_short(self.path)

    def _orders(self, what: str) -> Orders:
        return Orders(self.environ, stopped=self.stopped, what=what)


def _header(line: bytes, encoding: str) -> tuple[str, tuple[str, ...]]:
    """The table and the columns of `COPY table (columns) FROM stdin;`."""
    text = line.decode(encodings.get(encoding, "utf-8"), "surrogateescape")
    words = Words(list(tokens(text[len("COPY ") :])))
    table = written_name(words.name())
    enclosed = words.enclosed()
    columns = [] if enclosed is None else [part.name() for part in enclosed.parts()]
    return table, tuple(name[0] for name in columns if name)


def _cut_short(path: Path) -> BackupError:
    return BackupError(
        f"Reading {path} ended in the middle of a table: pg_restore was ended, or the archive is not whole.",
        cure="Try again; where it stays so, take another backup.",
    )
