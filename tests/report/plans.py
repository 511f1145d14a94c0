"""Plans of every kind that a report has to show: rehearsed, blocked, failed, long, branched, hostile."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.findings import Finding, Ignored, Override
from erm_alembic.planning.comparison import Comparison, LeftOut
from erm_alembic.planning.graph import GraphRevision
from erm_alembic.planning.model import DataLoss, Drift, Outcome, Plan, Statement, Step, StepOutcome
from erm_alembic.planning.rehearsal import (
    Estimate,
    FailedRevision,
    Observed,
    ObservedLock,
    Prediction,
    Proof,
    Rehearsal,
)
from erm_alembic.planning.sizes import TableSize

ORDERS = "public.orders"


def statement(sql: str, line: int, estimate: Estimate, *locks: str, autocommit: bool = False) -> Statement:
    """A statement that was seen to take locks on orders."""
    seen = Observed(tuple(ObservedLock(ORDERS, f"{mode}Lock", ORDERS) for mode in locks), duration_ms=3.0)
    return Statement(sql, line, autocommit, observed=seen, estimate=estimate)


def blocks(low: float, high: float | None, own: tuple[float, float | None], kind: str = "reads") -> Estimate:
    """Who is blocked for how long, and how long the statement itself takes."""
    return Estimate(kind, (ORDERS,), low, high, "changes the catalog only", Prediction(*own))  # type: ignore[arg-type]


COLUMN = statement("ALTER TABLE orders ADD COLUMN note text", 12, blocks(21, 4050, (1, 50)), "AccessExclusive")
FILL = statement("UPDATE orders SET note = ''", 13, blocks(20, 4000, (20, 4000)), "RowExclusive")
INDEX = statement(
    "CREATE INDEX CONCURRENTLY i ON orders (note)",
    9,
    Estimate("nothing", (), 5000, None, "builds an index on public.orders", Prediction(5000, 60_000)),
    "ShareUpdateExclusive",
    autocommit=True,
)
GRAPH = (
    GraphRevision("b2", ("b1",), "index of notes"),
    GraphRevision("b1", ("m",), "notes on orders"),
    GraphRevision("m", ("l", "r"), "merge"),
    GraphRevision("l", ("base",), "left"),
    GraphRevision("r", ("base",), "right"),
    GraphRevision("base", (), "begin"),
)

REHEARSED = Plan(
    environment="prod",
    database_url="postgresql://app:***@db/shop",
    server_version="18.1",
    direction="upgrade",
    current=("m",),
    heads=("b2",),
    steps=(
        Step(
            "b1",
            ("m",),
            "notes on orders",
            "migrations/versions/b1_notes.py",
            "upgrade",
            "ok",
            statements=(COLUMN, FILL),
            proof=Proof("same", "lossy", lost=("public.orders.note",)),
            predicted=Prediction(21, 4050),
        ),
        Step(
            "b2",
            ("b1",),
            "index of notes",
            "migrations/versions/b2_index.py",
            "upgrade",
            "ok",
            transactional=False,
            statements=(INDEX,),
            proof=Proof("same", "lossless"),
            predicted=Prediction(5000, 60_000),
        ),
    ),
    findings=(
        Finding(
            "work-after-exclusive-lock",
            "warning",
            "This goes through all of `public.orders` while nobody reads it.",
            help="Move it into a revision of its own.",
            revision="b1",
            path="migrations/versions/b1_notes.py",
            line=13,
        ),
    ),
    rehearsal=Rehearsal("done", notes=("The shadow has no extension postgis.",), server_version="18.1"),
    tables=(TableSize(ORDERS, 1_200_000, 62_000_000, 75_000_000, 12.5), TableSize("public.users", None, None)),
    graph=GRAPH,
)
BLOCKED = replace(
    REHEARSED,
    findings=(
        *REHEARSED.findings,
        Finding("missing-downgrade", "error", "Revision b2 cannot go down.", help="Write it.", revision="b2"),
    ),
    overrides=(Override("models-drift", "known since spring"),),
    ignored=(Ignored("squawk/ban-drop-column", "unused", "b1", "migrations/versions/b1_notes.py", 12),),
    drift=(Drift("index", "public.ix_old", "database", "absent", "CREATE INDEX ix_old ON orders (id)"),),
    comparisons=(Comparison("models", "unknown", "The models cannot be imported."),),
    left_out=(LeftOut("table public.tmp_*", 3),),
)
NOT_REHEARSED = replace(
    REHEARSED,
    steps=tuple(
        replace(
            step,
            proof=None,
            predicted=None,
            rendered="partial",
            reason="line 14 needs what line 13 writes",
            statements=tuple(replace(each, estimate=None, observed=None) for each in step.statements),
        )
        for step in REHEARSED.steps
    ),
    rehearsal=Rehearsal("unknown", "There is no PostgreSQL for a shadow."),
)
FAILED_THERE = replace(
    REHEARSED, rehearsal=Rehearsal("done", "revision b2 failed", failed=FailedRevision("b2", "b2.py", 9, "no"))
)
UP_TO_DATE = Plan("dev", "postgresql://localhost/shop", "18.1", "upgrade", ("b2",), ("b2",), (), graph=GRAPH)
WITHOUT_ANYTHING = Plan("dev", "", "18.1", "upgrade", (), (), ())
ROLLBACK = replace(
    REHEARSED,
    direction="downgrade",
    current=("b2",),
    findings=(),
    steps=(replace(REHEARSED.steps[1], direction="downgrade"),),
    data_loss=(DataLoss("table", "public.orders", 120, "b2", 20), DataLoss("column", "public.users.name", 0, "b2")),
)
FAILED = Outcome(
    "failed",
    8,
    (StepOutcome("b1", "done", 40, 2), StepOutcome("b2", "failed", 900, 1, "canceling statement due to lock timeout")),
    current=("b1",),
    duration_ms=1300,
    effect="Revision b2 was rolled back.",
    cure="Run it again: erm migrate --env prod",
)
DONE = Outcome(
    "done", 9, (StepOutcome("b1", "done", 40, 2), StepOutcome("b2", "done", 900, 1)), current=("b2",), duration_ms=950
)


def chain(count: int, current: int, *, plan: Plan = UP_TO_DATE) -> Plan:
    """A history without branches, of which the first so many revisions are applied."""
    names = [f"r{number:04}" for number in range(count)]
    graph = tuple(
        GraphRevision(name, (names[number - 1],) if number else (), f"change {number}")
        for number, name in enumerate(names)
    )
    steps = tuple(
        replace(REHEARSED.steps[0], revision=name, message=f"change {number}", down_revisions=graph[number].parents)
        for number, name in enumerate(names)
        if number >= current
    )
    there = (names[current - 1],) if current else ()
    return replace(plan, current=there, heads=(names[-1],), steps=steps, graph=graph, rehearsal=REHEARSED.rehearsal)


def ladder(rungs: int) -> Plan:
    """A history in which two branches part and meet again at every step."""
    graph = [GraphRevision("m0", (), "begin")]
    for number in range(1, rungs + 1):
        graph += [GraphRevision(f"{side}{number}", (f"m{number - 1}",), side) for side in ("a", "b")]
        graph.append(GraphRevision(f"m{number}", (f"a{number}", f"b{number}"), "merge"))
    return replace(UP_TO_DATE, current=(f"m{rungs // 2}",), heads=(f"m{rungs}",), graph=tuple(reversed(graph)))


def fan(branches: int) -> Plan:
    """A history with so many heads, of which half are applied."""
    names = [f"head{number:03}" for number in range(branches)]
    graph = (*(GraphRevision(name, ("base",), "one of many") for name in names), GraphRevision("base", (), "begin"))
    return replace(UP_TO_DATE, current=tuple(names[::2]), heads=tuple(names), graph=graph)


HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "</code></pre></details>\"'`|@everyone &amp; \x1b[2J\u202egnp\u2028\x00 ]]>--><style>*{display:none}</style>"
)


def hostile(text: str = HOSTILE) -> Plan:
    """A plan in which whatever somebody else wrote is an attack, or another text."""
    lock = ObservedLock(text, "AccessExclusiveLock", text)
    seen = Observed((lock,), rewrites=(text,), scans=(text,))
    estimate = Estimate("reads", (text,), 1, 2000, text, Prediction(1, 2000))
    step = Step(
        text,
        (text + "1",),
        text,
        text,
        "upgrade",
        "irreversible",
        irreversible_reason=text,
        statements=(Statement(text, 1, observed=seen, estimate=estimate), Statement(text, None, path=text)),
        rendered="partial",
        reason=text,
        proof=Proof("differs", "lossy", (text,), (text,), (text,), text),
        predicted=Prediction(1, 2),
    )
    return Plan(
        environment=text,
        database_url=text,
        server_version=text,
        direction="upgrade",
        current=(text + "1", text + "2"),
        heads=(text,),
        steps=(step,),
        drift=(Drift(text, text, "database", text, text, text, adopted=True),),
        findings=(Finding(text, "error", text, text, text, text, 1, overridden=text),),
        data_loss=(DataLoss("table", text, 5, text, 1, text),),
        cannot_run=text,
        overrides=(Override(text, text),),
        rehearsal=Rehearsal("done", text, (text,), text),
        comparisons=(Comparison("models", "unknown", text),),
        left_out=(LeftOut(text, 1),),
        ignored=(Ignored(text, text, text, text, 1),),
        tables=(TableSize(text, 1, 1, 1, 5.0),),
        graph=(GraphRevision(text, (text + "1",), text), GraphRevision(text + "1", (), text)),
    )


def hostile_outcome(text: str = HOSTILE) -> Outcome:
    """How its run ended."""
    steps = (StepOutcome(text, "failed", 1, 1, text),)
    return Outcome("failed", 1, steps, current=(text + "1",), error=text, effect=text, cure=text)
