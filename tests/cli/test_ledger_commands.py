"""`erm status` and `erm history`: what they print of the ledger (the pipeline is a stand-in here)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from erm_alembic.ledger.leftovers import InvalidIndex
from erm_alembic.ledger.model import RevisionRecord, RunRecord
from erm_alembic.ledger.smoke import SmokeRun
from erm_alembic.planning.model import HalfDoneRevision
from tests.cli.pipeline import FakePipeline, erm, install
from tests.render.plans import HOSTILE

Capture = pytest.CaptureFixture[str]

START = datetime(2025, 3, 1, 12, 30, tzinfo=UTC)
RECORD = RevisionRecord("a1b2c3", "add orders", "upgrade", START, 1250, 3, "ab" * 32, "done")
RUN = RunRecord(
    id=7,
    started_at=START,
    finished_at=START,
    mode="apply",
    environment="prod",
    who="ann (deployer)",
    host="ci-4",
    erm_version="0.1.0",
    git_commit="0123456789abcdef",
    outcome="done",
    error=None,
    revisions=(RECORD,),
)


@dataclass(frozen=True)
class Facts:
    """The shape of the pipeline's status."""

    environment: str = "prod"
    database_url: str = "postgresql://app:***@db/shop"
    server_version: str = "15.18"
    current: tuple[str, ...] = ("a1b2c3",)
    heads: tuple[str, ...] = ("d4e5f6",)
    pending: tuple[str, ...] = ("d4e5f6",)
    unknown: tuple[str, ...] = ("fff",)
    last_run: RunRecord | None = RUN
    run_state: str | None = "ended"
    last_sign: datetime | None = START
    half_done: tuple[HalfDoneRevision, ...] = ()
    invalid_indexes: tuple[InvalidIndex, ...] = ()
    deployed_as: tuple[str, ...] = ()


def test_status_in_words(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Status shows current, heads, what is pending and unknown, and the last run."""
    install(monkeypatch, FakePipeline(status_facts=Facts()))
    assert erm(capsys, "status", "--env", "prod") == (
        0,
        "Target   prod  postgresql://app:***@db/shop  (PostgreSQL 15.18)\n"
        "Current  a1b2c3\n"
        "Heads    d4e5f6\n"
        "Pending  1 revision\n"
        "Unknown  fff  (recorded in the database, but no file has this revision)\n"
        "         erm history restore fff --env prod   writes a lost file back\n"
        "Last     run 7  2025-03-01 12:30:00 UTC  apply done  prod, ann (deployer)@ci-4, erm 0.1.0,"
        " commit 0123456789ab\n",
        "",
    )


def test_status_of_a_new_database(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A database without history and a project without revisions have their own words."""
    facts = Facts(current=(), heads=(), pending=(), unknown=(), last_run=None)
    install(monkeypatch, FakePipeline(status_facts=facts))
    assert erm(capsys, "status")[1].splitlines()[1:] == [
        "Current  none: no revision is recorded",
        "Heads    none: the project has no revisions",
        "Pending  none: the database is at its heads",
        "Last     none in the ledger",
    ]


def test_status_tells_a_run_without_an_end_apart(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """One whose server process holds the deploy lock is running; another one ended without a word."""
    run = replace(RUN, outcome=None, finished_at=None, backend_pid=4711)
    install(monkeypatch, FakePipeline(status_facts=Facts(last_run=run, run_state="running")))
    assert erm(capsys, "status")[1].splitlines()[-1] == (
        "Running  run 7 is running since 2025-03-01 12:30:00 UTC, pid 4711, on host ci-4:"
        " apply of prod by ann (deployer)"
    )
    install(monkeypatch, FakePipeline(status_facts=Facts(last_run=run, run_state="died")))
    assert erm(capsys, "status")[1].splitlines()[-1] == (
        "Last     run 7  2025-03-01 12:30:00 UTC  apply ended without a word after 2025-03-01 12:30:00 UTC"
        "  prod, ann (deployer)@ci-4, erm 0.1.0, commit 0123456789ab"
    )


HALF = HalfDoneRevision(
    "d4e5f6",
    "upgrade",
    "versions/d4e5f6.py",
    7,
    START,
    2,
    14,
    "CREATE INDEX CONCURRENTLY i ON t (c)",
    None,
    18,
    "DROP x",
)


def test_status_shows_a_half_done_revision_and_what_comes_next(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """What stays, what comes next, and the commands that go on."""
    install(monkeypatch, FakePipeline(status_facts=Facts(unknown=(), half_done=(HALF,))))
    assert erm(capsys, "status")[1].splitlines()[5:] == [
        "",
        "Revision d4e5f6 is half done (since 2025-03-01 12:30:00 UTC, run 7): 2 statements committed"
        "  versions/d4e5f6.py",
        "  last        14  CREATE INDEX CONCURRENTLY i ON t (c)",
        "  next        18  DROP x",
        "  erm migrate --env prod         goes on there",
        "  erm repair d4e5f6 --env prod   shows what else can be done",
    ]
    document = json.loads(erm(capsys, "status", "--format", "json")[1])
    assert document["half_done"][0]["next_line"] == 18


def test_status_names_invalid_indexes(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Each with what becomes of it: somebody builds it, the next run does, or nobody will."""
    indexes = (
        InvalidIndex("public.i", "t", builder=4711),
        InvalidIndex("public.j", "t", revision="d4e5f6"),
        InvalidIndex("public.k", "t"),
    )
    install(monkeypatch, FakePipeline(status_facts=Facts(unknown=(), invalid_indexes=indexes)))
    assert erm(capsys, "status")[1].splitlines()[5:] == [
        "Invalid  index public.i on t is INVALID: pid 4711 is building it",
        "Invalid  index public.j on t is INVALID; the next run of revision d4e5f6 removes it and builds it again",
        "Invalid  index public.k on t is INVALID: queries do not use it; drop it, or REINDEX INDEX CONCURRENTLY",
    ]


def test_status_says_why_a_half_done_revision_cannot_go_on(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Then only the repair is offered; where nothing was recorded, the next statement comes after the last one."""
    cut = replace(HALF, interrupted="CREATE INDEX CONCURRENTLY j ON t (c)", obstacle="edited")
    unknown = replace(HALF, next_line=None, next_sql=None, direction="downgrade")
    install(monkeypatch, FakePipeline(status_facts=Facts(unknown=(), half_done=(cut, unknown))))
    lines = erm(capsys, "status")[1].splitlines()
    assert lines[8:11] == [
        "  cut off      -  CREATE INDEX CONCURRENTLY j ON t (c)",
        "  cannot go on: its code was edited since, so that nobody knows which of its statements are done",
        "  erm repair d4e5f6 --env prod   shows what can be done",
    ]
    assert lines[12].startswith("Revision d4e5f6 is half rolled back (since")
    assert lines[14:] == ["  next     after line 14", "  erm repair d4e5f6 --env prod   shows what can be done"]


def test_a_half_done_revision_cannot_forge_a_line(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Names and statements are shown harmless."""
    half = replace(HALF, revision=HOSTILE, path=HOSTILE, last_sql=HOSTILE, interrupted=HOSTILE, next_sql=HOSTILE)
    install(monkeypatch, FakePipeline(status_facts=Facts(unknown=(), half_done=(half,), environment=HOSTILE)))
    _, out, _ = erm(capsys, "status")
    assert len(out.splitlines()) == 12
    assert "\x1b" not in out


def test_status_as_json(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Status as JSON is one object with the same facts."""
    install(monkeypatch, FakePipeline(status_facts=Facts(), prints="noise"))
    document = json.loads(erm(capsys, "status", "--format", "json")[1])
    assert document["pending"] == ["d4e5f6"]
    assert document["last_run"]["started_at"] == "2025-03-01T12:30:00+00:00"


def test_history_in_words(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Each run has a line, each of its revisions another, errors under them and not a second time under the run."""
    failed = replace(
        RUN,
        overrides=("data-loss: it is only a cache",),
        id=8,
        outcome="failed",
        error="boom",
        git_commit=None,
        revisions=(replace(RECORD, outcome="failed", error="boom"),),
    )
    cut_off = replace(RUN, id=9, outcome=None, finished_at=None, revisions=())
    pipeline = install(monkeypatch, FakePipeline(runs=(cut_off, failed, RUN)))
    assert erm(capsys, "history", "-v", "--env", "prod", "--limit", "3") == (
        0,
        "run 9  2025-03-01 12:30:00 UTC  apply did not end  prod, ann (deployer)@ci-4, erm 0.1.0,"
        " commit 0123456789ab\n"
        "\n"
        "run 8  2025-03-01 12:30:00 UTC  apply failed  prod, ann (deployer)@ci-4, erm 0.1.0\n"
        "  overridden  data-loss: it is only a cache\n"
        "  up    a1b2c3  add orders  (failed, 1.2 s, 3 statements)\n"
        "        boom\n"
        "\n"
        "run 7  2025-03-01 12:30:00 UTC  apply done  prod, ann (deployer)@ci-4, erm 0.1.0,"
        " commit 0123456789ab\n"
        "  up    a1b2c3  add orders  (done, 1.2 s, 3 statements)\n",
        "",
    )
    assert pipeline.calls == [("full_history", ("prod",), {"config": None, "limit": 3})]


def test_smoke_tests_stand_between_the_runs(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Each at its time, on a line of its own, with what came of them below; their names act as little as others."""
    later = RUN.started_at + timedelta(minutes=5)
    ended, counts = later + timedelta(seconds=3), (5, 1, 2, 1)
    smoke = SmokeRun(4, later, ended, "prod", "repl\x1bica", "ann", "ci-4", "0.1.0", None, "failed", *counts)
    install(monkeypatch, FakePipeline(runs=(replace(RUN, revisions=()),), smoke=(smoke,)))
    assert erm(capsys, "history")[1] == (
        "smoke 4  2025-03-01 12:35:00 UTC  smoke tests on repl\\x1bica failed  prod, ann@ci-4, erm 0.1.0\n"
        "  5 passed, 1 failed, 2 skipped, 1 escape refused  (3.0 s)\n"
        "\n"
        "run 7  2025-03-01 12:30:00 UTC  apply done  prod, ann (deployer)@ci-4, erm 0.1.0, commit 0123456789ab\n"
    )


def test_an_empty_ledger_says_so(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A database that erm never ran on has a sentence, and as JSON an empty list."""
    install(monkeypatch, FakePipeline())
    assert erm(capsys, "history")[1] == "The ledger has no run of this database yet.\n"
    assert json.loads(erm(capsys, "history", "--format", "json")[1]) == {"schema_version": 1, "runs": [], "smoke": []}


def test_history_cannot_be_forged(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Names in the ledger cannot add a line or move the cursor."""
    record = replace(RECORD, revision=HOSTILE, message=HOSTILE, outcome=HOSTILE, error=HOSTILE)
    run = replace(RUN, who=HOSTILE, host=HOSTILE, environment=HOSTILE, outcome=HOSTILE, revisions=(record,))
    install(monkeypatch, FakePipeline(runs=(run,)))
    _, out, _ = erm(capsys, "history")
    assert len(out.splitlines()) == 3
    assert "\x1b" not in out


def test_limit_counts_from_one(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """--limit 0 is a usage error."""
    install(monkeypatch, FakePipeline())
    assert erm(capsys, "history", "--limit", "0")[0] == 2


@pytest.mark.parametrize(
    "typed", ["history restore a1 --env prod --out x.py", "history --env prod restore a1 --out x.py"]
)
def test_restore_hands_everything_on(typed: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A restore says which file it wrote; --env may stand before `restore` too."""
    pipeline = install(monkeypatch, FakePipeline())
    code, out, _ = erm(capsys, *typed.split())
    assert (code, out) == (0, "Wrote migrations/versions/a1.py\n")
    assert pipeline.calls == [("restore", ("prod", "a1"), {"config": None, "out": Path("x.py")})]
