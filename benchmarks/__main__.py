"""Take the figures, print them as one table, and write them into docs/performance.md when asked to.

python -m benchmarks [--rounds N] [--only NAME]... [--growth] [--write]
python -m benchmarks --snapshot TABLES [TABLES...] [--write]
python -m benchmarks --routing [--rounds N] [--write]
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench import Bench, Result
from benchmarks.figures import FIGURES, Figure
from benchmarks.growth import Line, measure_growth, plot
from benchmarks.server import running_server
from benchmarks.snapshot import ROUNDS, measure_snapshots, snapshot_table

DOCS = Path(__file__).resolve().parents[1] / "docs"
NUMBERS = (100, 1000, 2500, 5000, 10_000)
HEAD = "| what | beside | ratio | target | floor | erm | beside it |\n| --- | --- | --- | --- | --- | --- | --- |\n"
PICTURE = "\n![Time and memory of erm over 100 to 10,000 revisions](performance.svg)\n"


def row(figure: Figure, result: Result) -> str:
    """One line of the table."""
    target = "" if figure.at_most is None else f"≤ {figure.at_most:g}"
    floor = f"{result.floor_ratio:.2f} ({figure.floor})"
    erm = f"{result.erm:.2f} s, {result.erm_memory / 1e6:.0f} MB"
    alembic = f"{result.alembic:.2f} s, {result.alembic_memory / 1e6:.0f} MB"
    return f"| {figure.erm} | {figure.alembic} | **{result.ratio:.2f}** | {target} | {floor} | {erm} | {alembic} |\n"


def growth_table(lines: Sequence[Line]) -> str:
    """The plotted numbers, for those who read rather than look."""
    numbers = list(lines[0].seconds)
    head = f"| revisions | {' | '.join(f'{number:,}' for number in numbers)} |\n"
    ruler = f"| --- |{' --- |' * len(numbers)}\n"
    rows = [
        f"| {line.name} | {' | '.join(f'{line.seconds[n]:.2f} s, {line.megabytes[n]:.0f} MB' for n in numbers)} |\n"
        for line in lines
    ]
    return head + ruler + "".join(rows)


def conditions(server: str, rounds: int, taken: str = "medians") -> str:
    """On what, and under which load, the figures were taken."""
    load = os.getloadavg()[0]
    return (
        f"Taken {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} processors with Python {platform.python_version()} "
        f"and {server}; {rounds} rounds, {taken}; other load on the machine when it began: {load:.1f}.\n\n"
    )


def write(text: str, marks: str = "figures") -> None:
    """Put the figures between the marks of docs/performance.md."""
    page = DOCS / "performance.md"
    marked = re.compile(rf"(<!-- {marks} -->\n).*?(<!-- /{marks} -->)", re.DOTALL)
    page.write_text(marked.sub(lambda match: f"{match[1]}{text}{match[2]}", page.read_text("utf-8")), "utf-8")


def measure_routing(rounds: int, keep: bool) -> None:
    """Print the tables of routed reads; write them into docs/performance.md where they are to be kept."""
    # They bring servers of their own, and the tests' way to disturb them: nothing that the other figures need.
    from benchmarks.routing import newest_able, routing_tables

    text = conditions(f"PostgreSQL {newest_able().major}", rounds)
    print(text, end="")
    for table in routing_tables(rounds=rounds):
        print(table, end="", flush=True)
        text += table
    if keep:
        write(text, "routing")


def main() -> None:
    """Run the benchmarks that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="how often each comparison is made (9)")
    names = [figure.name for figure in FIGURES]
    parser.add_argument("--only", action="append", choices=names, help="only this figure; may be repeated")
    parser.add_argument("--growth", action="store_true", help="also plot time and memory up to 10,000 revisions")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and, with --growth, the plot")
    parser.add_argument("--snapshot", nargs="+", type=int, metavar="TABLES", help="only snapshots of so many tables")
    parser.add_argument("--routing", action="store_true", help="only what routed reads cost, and what replicas give")
    asked = parser.parse_args()
    if asked.write and asked.only:
        parser.error("--write writes the whole table: leave --only out")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server is stopped then too
    if asked.routing:
        measure_routing(asked.rounds, asked.write)
        return
    with tempfile.TemporaryDirectory(prefix="erm-benchmarks-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        with running_server(folder) as server:
            if asked.snapshot:
                table = conditions(f"PostgreSQL {server.binaries.major}", ROUNDS, "the best of each")
                table += snapshot_table(measure_snapshots(server, asked.snapshot))
                print(table, end="")
                if asked.write:
                    write(table, "snapshots")
                return
            bench = Bench(folder / "projects", server, asked.rounds)
            text = conditions(f"PostgreSQL {server.binaries.major}", asked.rounds) + HEAD
            print(text, end="", flush=True)
            for figure in FIGURES:
                if asked.only is None or figure.name in asked.only:
                    line = row(figure, figure.measure(bench))
                    print(line, end="", flush=True)
                    text += line
            if asked.growth:
                lines = measure_growth(bench, NUMBERS)
                table = "\n" + growth_table(lines)
                print(table, end="")
                text += table + PICTURE
                if asked.write:
                    # Alembic's own line, which is none, would leave no room for the others; the table has it.
                    own = [line for line in lines if line.name.startswith("erm")]
                    (DOCS / "performance.svg").write_text(plot(own), "utf-8")
    if asked.write:
        write(text)


if __name__ == "__main__":
    main()
