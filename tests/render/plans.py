"""Plans that the tests of rendering and of the command line share."""

from __future__ import annotations

from erm_alembic.findings import Finding
from erm_alembic.planning.model import DataLoss, Drift, Outcome, Plan, Statement, Step, StepOutcome

ORDERS = Step(
    revision="a1b2c3",
    down_revisions=("000111",),
    message="add orders",
    path="migrations/versions/a1b2c3_add_orders.py",
    direction="upgrade",
    downgrade="ok",
    statements=(
        Statement("CREATE TABLE orders (\n    id int PRIMARY KEY\n)", line=12),
        Statement(
            "INSERT INTO orders VALUES (%(id)s)",
            line=14,
            parameter_sets=3,
            literal="INSERT INTO orders VALUES (41), (42), (43)",
        ),
    ),
    source_hash="ab" * 32,
)

INDEX = Step(
    revision="d4e5f6",
    down_revisions=("a1b2c3",),
    message="index orders",
    path="migrations/versions/d4e5f6_index_orders.py",
    direction="upgrade",
    downgrade="empty",
    transactional=False,
    statements=(Statement("CREATE INDEX CONCURRENTLY i ON orders (id)", line=9, autocommit=True, raw=True),),
    rendered="partial",
    reason="the revision reads what it wrote before",
    source_hash="cd" * 32,
)

PLAN = Plan(
    environment="prod",
    database_url="postgresql://app:***@db/shop",
    server_version="15.18",
    direction="upgrade",
    current=("000111",),
    heads=("d4e5f6",),
    steps=(ORDERS, INDEX),
    version_statements=(
        ("UPDATE alembic_version SET version_num='a1b2c3' WHERE version_num = '000111'",),
        ("UPDATE alembic_version SET version_num='d4e5f6' WHERE version_num = 'a1b2c3'",),
    ),
)

BLOCKED = Plan(
    environment="prod",
    database_url="postgresql://app:***@db/shop",
    server_version="15.18",
    direction="upgrade",
    current=("000111",),
    heads=("d4e5f6",),
    steps=(ORDERS,),
    drift=(Drift("missing-revision", "000111", "history", "a file of revision 000111", "no such file"),),
    findings=(
        Finding(
            "missing-revision",
            "error",
            "Revision 000111 is recorded, but its file is gone.",
            help="Write it back: erm history restore 000111",
            revision="000111",
            path="migrations/versions",
            line=3,
        ),
    ),
    exempted=2,
)

ROLLBACK = Plan(
    environment="prod",
    database_url="postgresql://app:***@db/shop",
    server_version="15.18",
    direction="downgrade",
    current=("a1b2c3",),
    heads=("a1b2c3",),
    steps=(
        Step(
            revision="a1b2c3",
            down_revisions=("000111",),
            message="add orders",
            path="migrations/versions/a1b2c3_add_orders.py",
            direction="downgrade",
            downgrade="ok",
            statements=(Statement("DROP TABLE orders", line=20),),
        ),
    ),
    data_loss=(
        DataLoss("table", "public.orders", 120, "a1b2c3", 20),
        DataLoss("column", "public.users.name", 1, "a1b2c3"),
        DataLoss("statement", "DO $$ BEGIN", None, "a1b2c3", 21),
    ),
)

EMPTY = Plan("dev", "postgresql://localhost/shop", "18.1", "upgrade", ("d4e5f6",), ("d4e5f6",), ())

DONE = Outcome(
    result="done",
    run_id=7,
    steps=(StepOutcome("a1b2c3", "done", 40, 2), StepOutcome("d4e5f6", "done", 1250, 1)),
    current=("d4e5f6",),
    duration_ms=1300,
)

FAILED = Outcome(
    result="failed",
    run_id=8,
    steps=(
        StepOutcome("a1b2c3", "failed", 40, 1, 'relation "orders" already exists\nat line 12'),
        StepOutcome("d4e5f6", "not-run"),
    ),
    current=("000111",),
    duration_ms=65_000,
    error='relation "orders" already exists',
)

# An ANSI clear-screen, a newline that forges a line, a right-to-left override, a bell.
HOSTILE = "x\x1b[2J\nNothing objects.\r\u202egnp.exe\x07\u2028"
