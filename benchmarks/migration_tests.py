"""What the ready-made migration tests find beside those of pytest-alembic, on histories with wrong downgrades.

python -m benchmarks.migration_tests [--only KIND] [--write]

Both run in one pytest, on databases of the same server. pytest-alembic is installed into a folder of its own, which is
removed; nothing else of this checkout knows of it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.migration_cases import CASE, KINDS, Case, cases, write_project
from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.testing.running import tried

__all__ = ["Found", "beside", "look"]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "testing-migrations.md"
MARKED = re.compile(r"(<!-- beside -->\n).*?(<!-- /beside -->)", re.DOTALL)
# What is about models is left out on both sides: these histories have none.
TESTS = f"""
import pytest
from pytest_alembic.tests import test_single_head_revision, test_up_down_consistency, test_upgrade
from pytest_alembic.tests.experimental import test_downgrade_leaves_no_trace
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from erm_alembic.testing.migrations import test_every_revision_goes_up_down_and_up, test_single_head


@pytest.fixture
def alembic_config():
    return {{"file": "alembic.ini"}}


@pytest.fixture
def alembic_engine(erm_database_factory):
    return create_engine(erm_database_factory(empty=True).url, poolclass=NullPool)


def test_nothing_is_warned_of(erm_reports):
    rules = ("downgrade-lossy", "downgrade-impossible")
    assert not [each for each in erm_reports.plan["findings"] if each["rule"] in rules and each["revision"] == {CASE!r}]
"""
FOUR = ("test_single_head_revision", "test_upgrade", "test_up_down_consistency")
TRACE = "test_downgrade_leaves_no_trace"
OURS = f"test_every_revision_goes_up_down_and_up[{CASE}]"
WARNED = "test_nothing_is_warned_of"
AT_ONCE = 2


@dataclass(frozen=True)
class Found:
    """What was found in one history.

    Args:
        default: whether one of pytest-alembic's own tests fails.
        trace: whether that or its experimental test of downgrades does.
        erm: whether the ready-made tests of erm fail.
        warned: whether that or a warning of erm's about the revision does.
    """

    default: bool
    trace: bool
    erm: bool
    warned: bool


def look(case: Case, server: str, path: str) -> Found:
    """Run the tests of both on a history.

    Args:
        case: the history.
        server: the address of the server.
        path: where pytest-alembic is.

    Raises:
        RuntimeError: a test was not run.
    """
    with tempfile.TemporaryDirectory(prefix="erm-beside-") as name:
        folder = Path(name)
        write_project(case, folder)
        (folder / "test_both.py").write_text(TESTS)
        (folder / "pytest.ini").write_text("[pytest]\nmarkers = alembic\n")
        done = tried(folder, "-rA", "-p", "no:asyncio", f"--erm-url={server}", PYTHONPATH=path)
    outcomes = {test: done.outcome(test) for test in (*FOUR, TRACE, OURS, "test_single_head", WARNED)}
    if "not run" in outcomes.values():
        raise RuntimeError(f"{case.kind}, {case.name}: {outcomes}\n{done.out[-3000:]}{done.err[-1000:]}")
    failed = {test for test, outcome in outcomes.items() if outcome in ("FAILED", "ERROR")}
    default, ours = not failed.isdisjoint(FOUR), not failed.isdisjoint((OURS, "test_single_head"))
    return Found(default, default or TRACE in failed, ours, ours or WARNED in failed)


def beside(chosen: Sequence[Case]) -> dict[Case, Found]:
    """What is found in each history."""
    with _pytest_alembic() as peers, _server() as server, ThreadPoolExecutor(AT_ONCE) as threads:
        path = os.pathsep.join([peers, str(Path(__file__).resolve().parents[1])])
        found = {}
        for case, seen in zip(chosen, threads.map(lambda case: look(case, server, path), chosen), strict=True):
            found[case] = seen
            print(f"{case.kind}: {case.name}: {seen}", file=sys.stderr, flush=True)
        return found


def tables(found: dict[Case, Found]) -> str:
    """The numbers of each kind, and each history."""
    return f"{_summary(found)}\n<details><summary>Each history</summary>\n\n{_each(found)}\n</details>\n"


def _summary(found: dict[Case, Found]) -> str:
    heads = (
        "a downgrade that",
        "histories",
        "pytest-alembic",
        "with its experimental test",
        "erm",
        "erm, losses as errors",
    )
    rows = []
    for kind in KINDS:
        seen = [each for case, each in found.items() if case.kind == kind]
        if seen:
            numbers = (sum(getattr(each, name) for each in seen) for name in ("default", "trace", "erm", "warned"))
            rows.append((kind if kind != KINDS[-1] else "is right (found: a false alarm)", len(seen), *numbers))
    return _table(heads, rows)


def _each(found: dict[Case, Found]) -> str:
    heads = (
        "a downgrade that",
        "history",
        "pytest-alembic",
        "with its experimental test",
        "erm",
        "erm, losses as errors",
    )
    names = ("default", "trace", "erm", "warned")
    words = {True: "found", False: ""}
    rows = [(case.kind, case.name, *(words[getattr(seen, name)] for name in names)) for case, seen in found.items()]
    return _table(heads, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


@contextmanager
def _pytest_alembic() -> Iterator[str]:
    """pytest-alembic alone, without what it needs and this environment has."""
    with tempfile.TemporaryDirectory(prefix="erm-pytest-alembic-") as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "pytest-alembic"]
        subprocess.run(pip, check=True)
        yield folder


@contextmanager
def _server() -> Iterator[str]:
    """A server for all databases, which is removed at the end; its address."""
    with tempfile.TemporaryDirectory(prefix="erm-beside-server-") as folder:
        server = EmbeddedServer(Path(folder), durable=False)
        server.ensure_running()
        try:
            yield server.dsn("postgres")
        finally:
            server.reset()


def main() -> None:
    """Look at every history, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--only", choices=KINDS, help="the histories of one kind")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    told = parser.parse_args()
    text = tables(beside([case for case in cases() if told.only in (None, case.kind)]))
    print(text)
    if told.write:
        PAGE.write_text(MARKED.sub(lambda match: f"{match[1]}{text}{match[2]}", PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
