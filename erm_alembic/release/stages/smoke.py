"""smoke: the smoke tests run on the database in use, in transactions that are rolled back."""

from __future__ import annotations

from erm_alembic.release.course import Course
from erm_alembic.release.stage import Ended, Stage, nothing_to_do
from erm_alembic.render.words import counted
from erm_alembic.testing.smoke.report import FAILED
from erm_alembic.testing.smoke.run import SmokeRequest, run_smoke_tests
from erm_alembic.wording import first_few

__all__ = ["STAGE"]

SHOWN = 5


def _would(course: Course) -> str:
    paths = course.settings.smoke.paths
    return f"run the smoke tests of {', '.join(paths)}" if paths else "nothing: smoke.paths names no tests"


def _run(course: Course) -> Ended:
    if not course.settings.smoke.paths:
        return nothing_to_do("smoke.paths names no tests")
    report = run_smoke_tests(course.settings, SmokeRequest(), lambda line: course.tell(f"  smoke | {line}"))
    failed = [test.id for test in report.tests if test.outcome in FAILED]
    passed = report.count("passed", "xfailed")
    details = {
        "outcome": report.outcome,
        "passed": passed,
        "failed": failed,
        "skipped": report.count("skipped"),
        "problems": list(report.problems),
        "escapes": list(report.escapes),
        "kept": list(report.kept),
    }
    if report.passed:
        return Ended("done", f"{counted(passed, 'test')} passed", details=details)
    said = [*failed, *report.problems, *report.escapes, *report.kept]
    what = first_few(said, SHOWN) if said else {"nothing-ran": "no test ran"}.get(report.outcome, report.outcome)
    return Ended("failed", what, f"`{course.command('smoke')}` runs them alone.", details)


STAGE = Stage("smoke", _would, _run)
