"""A run of smoke tests in words, and as JSON."""

from __future__ import annotations

import re
from collections import Counter

from erm_alembic.config.redaction import redact
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.safe import Paint, no_command, one_line, plain
from erm_alembic.render.words import counted, duration, target_line
from erm_alembic.testing.smoke.report import FAILED, SmokeReport

__all__ = ["pytest_line", "smoke_json", "smoke_text"]

ENDINGS = {
    "passed": ("Passed", "good"),
    "failed": ("Failed", "bad"),
    "nothing-ran": ("No smoke test ran", "bad"),
    "timed-out": ("Ended before it was done", "bad"),
}


COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def pytest_line(line: str, *, colour: bool) -> str:
    r"""A line of pytest's, in which nothing but colour acts on a terminal: tests show what a database holds.

    Args:
        line: the line.
        colour: whether it may have some.

    Example:
        >>> pytest_line("\x1b[31mE  assert 'a\x1b[2J'\x1b[0m", colour=False)
        "E  assert 'a\\x1b[2J'"
        >>> pytest_line("::error::read by a runner of workflows", colour=False)
        '\\x3a:error::read by a runner of workflows'
    """
    parts = COLOUR.split(line.expandtabs(8).rstrip("\r"))
    return no_command(
        "".join((part if colour else "") if number % 2 else one_line(part) for number, part in enumerate(parts))
    )


def smoke_text(report: SmokeReport, *, paint: Paint = plain) -> str:
    """What stands below pytest's own lines.

    Args:
        report: the run.
        paint: gives colour.

    Example:
        >>> report = SmokeReport("prod", "postgresql://db/shop", "18.0", None, "nothing-ran")
        >>> print(smoke_text(report).splitlines()[-2])
        No smoke test ran: 0 passed, in 0 ms. Whatever tests did was rolled back.
    """
    lines = ["", target_line(report.environment, report.database_url, report.server_version, paint)]
    if report.replica is not None:
        lines.append(f"Replica  {one_line(report.replica)}")
    lines += [f"{paint('problem', 'bad')}  {one_line(redact(each))}" for each in report.problems]
    lines += [f"{paint('refused', 'bad')}  {one_line(redact(each))}" for each in report.escapes]
    lines += [f"{paint('kept', 'bad')}     {one_line(redact(each))}" for each in report.kept]
    lines += [f"{paint('note', 'warn')}     {one_line(redact(each))}" for each in report.notes]
    taken = Counter(name for test in report.tests for name in test.sequences)
    lines += [
        f"{paint('note', 'warn')}     numbers that {counted(tests, 'test')} took from {one_line(name)} stay taken"
        for name, tests in sorted(taken.items())
    ]
    word, role = ENDINGS[report.outcome]
    counts = [f"{report.count('passed', 'xfailed')} passed"]
    counts += [f"{number} failed"] if (number := report.count(*FAILED)) else []
    counts += [f"{number} skipped"] if (number := report.count("skipped")) else []
    counts += [counted(len(report.escapes), "escape") + " refused"] if report.escapes else []
    took = duration(round(report.seconds * 1000))
    end = paint("Not all is known to be rolled back.", "bad") if report.kept else "Whatever tests did was rolled back."
    lines.append(f"{paint(word, role)}: {', '.join(counts)}, in {took}. {end}")
    if report.outcome == "nothing-ran":
        lines.append("A smoke test is marked @pytest.mark.erm_smoke; smoke.paths in erm.yaml says where they are.")
    return "\n".join(lines) + "\n"


def smoke_json(report: SmokeReport) -> str:
    """The run as one JSON object.

    Args:
        report: the run.

    Example:
        >>> '"outcome": "passed"' in smoke_json(SmokeReport("prod", "postgresql://db/shop", "18.0", None, "passed"))
        True
    """
    return result_document(
        {
            "environment": report.environment,
            "database": {"url": report.database_url, "server_version": report.server_version},
            "replica": report.replica,
            "outcome": report.outcome,
            "seconds": report.seconds,
            "tests": [plain_value(test) for test in report.tests],
            "problems": [redact(each) for each in report.problems],
            "escapes": [redact(each) for each in report.escapes],
            "kept": [redact(each) for each in report.kept],
            "notes": [redact(each) for each in report.notes],
        }
    )
