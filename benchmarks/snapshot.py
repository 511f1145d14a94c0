"""What a snapshot and a fingerprint of the catalog cost: in the server's time, and in this process's memory.

python -m benchmarks --snapshot 500 2000 10000
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2

from benchmarks.measure import environment
from benchmarks.server import BenchmarkServer

__all__ = ["ROUNDS", "Figures", "measure_snapshots", "snapshot_table"]

# 10 columns, 2 indexes, 1 foreign key, 1 unique constraint, a SERIAL key.
TABLE = """
    CREATE TABLE t_{number} (
        id serial PRIMARY KEY, parent_id integer REFERENCES t_{parent}, code varchar(40) NOT NULL UNIQUE,
        name text, state varchar(20) DEFAULT 'new', amount numeric(12, 2), note text, active boolean DEFAULT true,
        created_at timestamptz DEFAULT now(), payload jsonb
    );
    CREATE INDEX ON t_{number} (name);
    CREATE INDEX ON t_{number} (state, created_at);
"""
# More in one transaction would need more locks than a server has by default.
IN_ONE_TRANSACTION = 100
ROUNDS = 3


@dataclass(frozen=True)
class Figures:
    """What a database of so many tables costs.

    Args:
        tables: how many.
        objects: what the snapshot holds.
        first_fingerprint: seconds, on a new connection.
        fingerprint: seconds, on a connection that has taken one before.
        snapshot: seconds, on a new connection.
        comparison: seconds, of two equal snapshots.
        memory: bytes that the process grew by until it held the snapshot.
    """

    tables: int
    objects: int
    first_fingerprint: float
    fingerprint: float
    snapshot: float
    comparison: float
    memory: int


def measure_snapshots(server: BenchmarkServer, numbers: Sequence[int]) -> list[Figures]:
    """Make a database of each size, and read it in processes of their own."""
    found = []
    for number in numbers:
        name = f"wide_{number}"
        server.renew(name)
        _fill(server.url(name), number)
        rounds = [_measured(server.url(name)) for _ in range(ROUNDS)]
        found.append(Figures(number, **{figure: min(each[figure] for each in rounds) for figure in rounds[0]}))
    return found


def _measured(url: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.snapshot", url],
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout))


def snapshot_table(figures: Sequence[Figures]) -> str:
    """The figures as a table."""
    head = "| tables | objects | fingerprint, first | fingerprint | snapshot | comparison | memory |\n"
    rows = [
        f"| {one.tables:,} | {one.objects:,} | {one.first_fingerprint:.3f} s | {one.fingerprint:.3f} s"
        f" | {one.snapshot:.2f} s | {one.comparison:.3f} s | {one.memory / 1e6:.0f} MB |\n"
        for one in figures
    ]
    return head + "| --- |" + " --- |" * 6 + "\n" + "".join(rows)


def _fill(url: str, number: int) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t_0 (id serial PRIMARY KEY)")
        for start in range(1, number + 1, IN_ONE_TRANSACTION):
            for table in range(start, min(start + IN_ONE_TRANSACTION, number + 1)):
                cursor.execute(TABLE.format(number=table, parent=table - 1))
            connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM ANALYZE")


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _main() -> None:
    from erm_alembic.postgres.snapshot import catalog_fingerprint, differences, take_snapshot

    with closing(psycopg2.connect(sys.argv[1])) as connection, connection.cursor() as cursor:
        first, _ = _timed(lambda: catalog_fingerprint(cursor))
        again = min(_timed(lambda: catalog_fingerprint(cursor))[0] for _ in range(5))
    with closing(psycopg2.connect(sys.argv[1])) as connection, connection.cursor() as cursor:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds, snapshot = _timed(lambda: take_snapshot(cursor))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        other = take_snapshot(cursor)
    comparison, told = _timed(lambda: differences(snapshot, other))
    assert told == ()
    print(
        json.dumps(
            {
                "objects": len(snapshot.objects),
                "first_fingerprint": first,
                "fingerprint": again,
                "snapshot": seconds,
                "comparison": comparison,
                "memory": grown,
            }
        )
    )


if __name__ == "__main__":
    _main()
