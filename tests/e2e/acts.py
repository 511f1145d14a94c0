"""The acts: each types what a team would type, and holds what must be so afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.story import Story
from tests.e2e.traffic import TILLS, Traffic
from tests.e2e.world import DATABASE, World
from tests.forge.github_server import REPOSITORY, GitHubServer
from tests.support.cli import REPOSITORY as ROOT
from tests.support.waiting import until

__all__ = [
    "Team",
    "approve",
    "bring_back_messages",
    "bring_back_references",
    "damaged_backup",
    "first_deployment",
    "look_around",
    "look_back",
    "propose",
    "release",
    "release_that_is_stopped",
    "roll_back",
    "wait_for_messages",
    "wait_for_sales",
]

SAMPLE = ROOT / "examples" / "tills"
PROD = ("--env", "prod")
AUTHOR = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")


@dataclass
class Team:
    """The team: its checkout, its keys, and where it types.

    Args:
        story: what is told.
        world: the servers.
        folder: the checkout.
        key: the private key by which plans are signed.
        github: the platform.
        token: of the pipeline there.
    """

    story: Story
    world: World
    folder: Path
    key: Path
    github: GitHubServer
    token: str = field(repr=False)

    def erm(self, *words: str | Path, exits: int = 0, shown: int = 24, **environ: str) -> str:
        """Type something in the checkout."""
        return self.story.erm(*words, cwd=self.folder, exits=exits, shown=shown, environ=environ)

    def git(self, *words: str) -> None:
        """Run git in the checkout."""
        done = subprocess.run(["git", *AUTHOR, *words], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def execute(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Look into the database, past the product."""
        return self.world.primary.execute(statement, *parameters, dbname=DATABASE)

    def value(self, statement: str, *parameters: object) -> object:
        """The one value of a query."""
        return self.execute(statement, *parameters)[0][0]

    def columns(self) -> set[str]:
        """The columns of the sales."""
        found = self.execute("SELECT attname::text FROM pg_attribute WHERE attrelid = 'sales'::regclass AND attnum > 0")
        return {str(name) for (name,) in found}

    def current(self) -> list[str]:
        """The revisions that the database records."""
        return [str(row[0]) for row in self.execute("SELECT version_num FROM alembic_version")]


def first_deployment(team: Team, rows: int) -> None:
    """Roles that may do no more than they must, the first tables, and the rows of the years before."""
    team.git("init", "--quiet", "--initial-branch=main")
    team.git("add", "--all")
    team.git("commit", "--quiet", "--message", "the shop")
    # The logins are members of these; what they make belongs to the owner, as whom they may act.
    team.world.administer(
        ["GRANT CONNECT ON DATABASE tills TO migrator", "GRANT app_owner TO migrator WITH INHERIT FALSE"]
    )
    _granted(team, "migrator", "migrate", "backup", "observe")
    team.erm("migrate", "--mode", "plan", *PROD, "--out", "../plan-1.json", "--sign-key", team.key, shown=12)
    team.erm("migrate", *PROD, "--plan", "../plan-1.json", shown=12)
    # Who plans only reads (docs/approved-plans.md).
    team.world.administer(["GRANT CONNECT ON DATABASE tills TO planner", "GRANT pg_read_all_data TO planner"])
    _granted(team, "service", "application")
    # With the application's rights known: smoke tests act as it. One of them writes, which takes what is optional.
    _granted(team, "migrator", "smoke")
    team.world.administer(["GRANT TEMPORARY ON DATABASE tills TO migrator"])
    fill(team, rows)
    supers = "SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname <> 'postgres'"
    team.story.hold(team.value(supers) == 0, "no role of the story is a superuser")
    owners = (
        "SELECT array_agg(DISTINCT pg_get_userbyid(relowner)::text) FROM pg_class"
        " WHERE relnamespace IN ('public'::regnamespace, 'erm'::regnamespace)"
    )
    team.story.hold(team.value(owners) == ["app_owner"], "every table belongs to app_owner, no login owns one")


def _granted(team: Team, role: str, *purposes: str) -> None:
    """What `erm grants` prints, an administrator runs; nothing is missing then."""
    words = ["grants", *PROD, "--role", role, *(word for purpose in purposes for word in ("--purpose", purpose))]
    script = team.erm(*words, "--format", "sql")
    team.world.administer([script])
    team.erm(*words, "--check", shown=3)


def fill(team: Team, rows: int) -> None:
    """Rows of the years before: set-up, by the administrator."""
    customers = max(rows // 20, 10)
    team.world.administer(
        [
            f"INSERT INTO customers (name) SELECT 'customer ' || n FROM generate_series(1, {customers}) n",
            f"INSERT INTO tills (id) SELECT generate_series(1, {TILLS})",
            "INSERT INTO sales (customer_id, cents, old_reference, sold_at)"
            f" SELECT n % {customers} + 1, n % 9973, 'book-' || n, now() - interval '1 day' * (n % 1000)"
            f" FROM generate_series(1, {rows}) n",
            "ANALYZE",
        ]
    )
    size = team.value("SELECT pg_size_pretty(pg_database_size(current_database()))")
    team.story.tell(f"  {rows:,} sales of {customers:,} customers: {size}")


def look_around(team: Team) -> None:
    """What erm says of the servers, and of what is deployed there."""
    team.erm("doctor", *PROD, shown=40)
    team.erm("status", *PROD)
    team.erm("replicas", "--env", "service", **team.world.vault("service"))


def propose(team: Team, change: str, number: int, *, instead_of: str = "") -> Path:
    """A pull request: its revision, the plan as a comment, and the plan that is to be approved, signed.

    Args:
        team: the team.
        change: the folder of the change.
        number: of the pull request.
        instead_of: a change that was rolled back, whose revision goes.

    Returns:
        The plan.
    """
    team.git("checkout", "--quiet", "-b", f"pull-{number}-{change}", "main")
    for gone in revisions(instead_of) if instead_of else []:
        (team.folder / "migrations" / "versions" / gone).unlink()
        team.story.tell(f"  pull request {number} takes {gone} away")
    shutil.copytree(SAMPLE / "next" / change, team.folder, dirs_exist_ok=True)
    team.git("add", "--all")
    team.git("commit", "--quiet", "--message", change)
    for revision in revisions(change):
        team.story.tell(f"  pull request {number} brings {revision}")
    plan, comment = team.folder.parent / f"plan-{change}.json", team.folder.parent / f"comment-{change}.md"
    planner = {"TILLS_LOGIN": "planner", **team.world.vault("planner")}
    kept = ("--out", plan, "--report", comment)
    team.erm("migrate", "--mode", "plan", *PROD, *kept, shown=60, **planner)
    team.github.number = number
    pipeline = {"GITHUB_TOKEN": team.token, "GITHUB_API_URL": team.github.api_url}
    where = ("--provider", "github", "--repository", REPOSITORY, "--number", str(number))
    team.erm("comment", *where, "--body", comment, **pipeline)
    digest = json.loads(plan.read_text())["digest"]
    body = team.github.comments[-1]["body"]
    team.story.hold(digest in body, f"the comment of {len(body):,} characters has the digest {digest[:12]}")
    team.story.hold(not team.github.platform.violations, "the platform was asked documented endpoints only")
    return plan


def revisions(change: str) -> list[str]:
    """The files of the revisions that a change brings."""
    return sorted(path.name for path in (SAMPLE / "next" / change / "migrations" / "versions").glob("*.py"))


def approve(team: Team, change: str, number: int) -> None:
    """Approved, signed and merged: what was shown is what will be run."""
    plan = team.folder.parent / f"plan-{change}.json"
    team.erm("sign", plan, "--sign-key", team.key, "--digest", json.loads(plan.read_text())["digest"][:12], shown=8)
    team.git("checkout", "--quiet", "main")
    team.git("merge", "--quiet", "--no-ff", "--no-edit", f"pull-{number}-{change}")
    team.story.tell(f"  pull request {number} is approved and merged")


def release(team: Team, plan: Path, observe: str, *, outlives: bool = False) -> None:
    """A release that goes well.

    Args:
        team: the team.
        plan: the approved one.
        observe: how long the database is observed afterwards.
        outlives: whether a login is to end in the middle of it.
    """
    with outliving(team) as outlived:
        report = team.folder.parent / f"{plan.stem}-release.md"
        words = ("--plan", plan, "--observe-for", observe, "--report", report)
        team.erm("release", *PROD, *words, shown=60)
    team.story.hold(report.exists(), "its report is written")
    team.git("rev-parse", "--verify", "--quiet", "refs/tags/deployed")
    if outlives:
        team.story.hold(outlived, f"{len(outlived)} of its sessions worked on after their login had ended")


@contextmanager
def outliving(team: Team) -> Iterator[set[int]]:
    """The server processes that worked although OpenBao had dropped the login by which they were opened."""
    found: set[int] = set()
    over = threading.Event()
    gone = (
        "SELECT pid FROM pg_stat_activity a WHERE backend_type = 'client backend' AND state = 'active'"
        " AND NOT EXISTS (SELECT FROM pg_roles WHERE pg_roles.oid = a.usesysid)"
    )

    def look() -> None:
        with closing(team.world.primary.connect(DATABASE)) as connection, connection.cursor() as cursor:
            while not over.wait(0.1):
                cursor.execute(gone)
                found.update(pid for (pid,) in cursor.fetchall())

    thread = threading.Thread(target=look, name="outliving", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join(10)


def damaged_backup(team: Team) -> None:
    """A backup loses a byte on its disk: that is told when somebody looks, not when it is needed."""
    team.erm("backup", *PROD)
    found, *_ = listed(team)
    team.erm("backup", "verify", *PROD)
    archive = max(
        (path for path in Path(str(found["place"])).rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )
    with archive.open("r+b") as file:
        file.seek(archive.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 0xFF]))
    team.story.tell("  one byte in the middle of it changes")
    team.erm("backup", "verify", *PROD, exits=1)


def listed(team: Team) -> list[dict[str, object]]:
    """The backups, the latest one first."""
    found = json.loads(team.erm("backup", "list", *PROD, "--format", "json", shown=0))
    return list(found["backups"])


def release_that_is_stopped(team: Team, plan: Path, observe: str, rows: int) -> None:
    """Smoke tests fail after the apply; to go back would lose something, so that nobody goes back unasked."""
    words = ("--plan", plan, "--observe-for", observe, "--on-failure", "rollback")
    team.erm("release", *PROD, *words, exits=1, shown=80)
    team.story.hold("old_reference" not in team.columns(), f"the column is gone, and {rows:,} references with it")
    pages = sorted((team.folder / ".erm" / "releases").glob("prod-2-post-mortem.*"))
    team.story.hold(len(pages) == 2, f"the post-mortem is written: {', '.join(page.name for page in pages)}")
    team.erm("release", "status", *PROD, shown=40)


def guards(team: Team) -> list[str]:
    """The backups that runs stood behind, in the order of the runs."""
    return [str(name) for (name,) in team.execute("SELECT backup FROM erm.guard ORDER BY run_id")]


def wait_for_messages(messages: Collection[tuple[int, int]]) -> None:
    """Until there are enough that they would be missed."""
    until(lambda: len(messages) >= 50, lambda: f"only {len(messages)} messages on gifts", 120)


def wait_for_sales(used: Traffic) -> None:
    """Until each till has made two more sales: none of them still writes a message."""
    before = used.truth.floors()
    until(lambda: all(number >= before[till] + 2 for till, number in used.truth.floors().items()), seconds=120)


def roll_back(team: Team) -> None:
    """A rollback that loses what was written meanwhile: said, approved, backed up, done."""
    down = team.folder.parent / "down.json"
    why = ("--allow-data-loss", "--reason", "the accountants need the old references")
    kept = ("--out", down, "--sign-key", team.key)
    team.erm("migrate", "--mode", "rollback", *PROD, "--steps", "1", *why, *kept, shown=60)
    team.erm("migrate", "--mode", "rollback", *PROD, "--plan", down, shown=40)
    team.story.hold(
        "old_reference" in team.columns() and "gift_message" not in team.columns(), "the columns are as before"
    )
    team.story.hold(team.value("SELECT count(old_reference) FROM sales") == 0, "but every reference is lost")
    team.erm("release", "abandon", *PROD, "--reason", "rolled back: the accountants need the old references")


def bring_back_references(team: Team, rows: int) -> str:
    """What the release had dropped comes back from the backup that it had taken; the id of the rollback's backup."""
    by_release, by_rollback = guards(team)[-2:]
    restore = ("restore", "--to", by_release, "--data", "public.sales.old_reference", *PROD)
    team.erm(*restore)
    team.erm(*restore, "--yes")
    back = team.value("SELECT count(*) FROM sales WHERE old_reference LIKE 'book-%%'")
    team.story.hold(back == rows, f"{back:,} references are back")
    right = team.value("SELECT count(*) FROM sales WHERE old_reference = 'book-' || id")
    team.story.hold(right == rows, "each in its own row")
    return by_rollback


def bring_back_messages(team: Team, backup: str, messages: Collection[tuple[int, int]]) -> None:
    """What the rollback had lost comes back from the backup that it had taken."""
    restore = ("restore", "--to", backup, "--lost", *PROD)
    team.erm(*restore, "--yes")
    found = team.execute("SELECT till_id, number FROM sales WHERE gift_message = 'from till ' || till_id")
    lost = set(messages) - set(found)
    team.story.hold(not lost, f"{len(messages):,} messages on gifts are back", sorted(lost)[:5])


def look_back(team: Team) -> None:
    """What the ledger knows of all this."""
    team.erm("history", *PROD, shown=60)
    team.erm("release", "list", *PROD)
    team.erm("backup", "list", *PROD)
