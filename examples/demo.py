"""The demo: a small shop deploys its schema, changes it, deploys the change and takes it back.

It works on a scratch copy of examples/shop with a private PostgreSQL server of its own, prints every command
before it runs it, and removes everything at the end. Exits with 0 only when every step did what it should.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

import psycopg2

from erm_alembic.errors import ErmError
from erm_alembic.postgres.embedded.server import EmbeddedServer

HERE = Path(__file__).resolve().parent
SHOP = HERE / "shop"
DATABASE = "shop"
FIRST_HEAD = "f1a85d3c60e9"
CHANGE = "2e6d94b0f7a3_reviews.py"

# What of the caller's environment would send the demo to another database, or change what it shows.
FOREIGN = ("ERM_", "PG", "ALEMBIC_")


class StepFailed(Exception):
    """A command of the demo did not end as it should."""


def main() -> int:
    erm = shutil.which("erm", path=str(Path(sys.executable).parent))
    if erm is None:
        print(f"There is no erm beside {sys.executable}. Type: make demo", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _stop)
    scratch = Path(tempfile.mkdtemp(prefix="erm-demo-"))
    project = scratch / "shop"
    status = 1
    try:
        shutil.copytree(SHOP, project, ignore=shutil.ignore_patterns("__pycache__", ".erm", "next"))
        walk_through(erm, project)
        status = 0
    except StepFailed as failure:
        print(f"\nThe demo failed: {failure}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nThe demo was interrupted.", file=sys.stderr)
        status = 130
    finally:
        status = clean_up(scratch, project) or status
    if status == 0:
        print("\nDone. Nothing is left behind. Your own project: see the README.")
    return status


def walk_through(erm: str, project: Path) -> None:
    """The story, one command after the other."""
    say(f"A small shop on Alembic, copied to {project}. Its erm.yaml says: dev is embedded://shop.")
    say(
        "1. What would run? The first plan starts a private PostgreSQL; it writes nothing to the database. "
        "Every revision is tried out in a scratch database first: up, down and up again."
    )
    run(erm, project, "migrate", "--mode", "plan", "--env", "dev")
    say("2. Apply it: one transaction a revision, each recorded in the ledger.")
    run(erm, project, "migrate", "--mode", "apply", "--env", "dev")
    expect_head(project, FIRST_HEAD)
    say("3. Somebody adds a revision: customers may write reviews.")
    change = project / "migrations" / "versions" / CHANGE
    shutil.copy(SHOP / "next" / CHANGE, change)
    print(indented(change.read_text(encoding="utf-8")))
    say(
        "4. Plan again: only the change is pending, so --check ends with exit code 3. "
        "The plan says what it locks, and that it can be taken back."
    )
    run(erm, project, "migrate", "--mode", "plan", "--env", "dev", "--check", exit_code=3)
    say("5. Apply the change.")
    run(erm, project, "migrate", "--mode", "apply", "--env", "dev")
    expect_head(project, CHANGE.split("_")[0])
    say("6. Take it back: the new table is empty, so nothing would be lost.")
    run(erm, project, "migrate", "--mode", "rollback", "--env", "dev")
    expect_head(project, FIRST_HEAD)


def run(erm: str, project: Path, *arguments: str, exit_code: int = 0) -> None:
    """Show a command, run it, and insist on how it ends."""
    print(f"$ erm {shlex.join(arguments)}", flush=True)
    result = subprocess.run([erm, *arguments], cwd=project, env=environment(), check=False)
    if result.returncode != exit_code:
        raise StepFailed(f"`erm {shlex.join(arguments)}` ended with {result.returncode}, not {exit_code}.")


def expect_head(project: Path, revision: str) -> None:
    """Ask the database itself, past all of erm's migration code: does it stand where the story says?"""
    connection = psycopg2.connect(EmbeddedServer(project).dsn(DATABASE))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version_num FROM alembic_version ORDER BY version_num")
            found = [row[0] for row in cursor.fetchall()]
    finally:
        connection.close()
    if found != [revision]:
        raise StepFailed(f"the database stands at {found}, not at {revision}.")
    print(f"(alembic_version says {revision}, as it should)", flush=True)


def clean_up(scratch: Path, project: Path) -> int:
    """Stop the private server and remove the scratch copy; 0 when both are gone."""
    if (project / ".erm").exists():
        try:
            EmbeddedServer(project).stop()
        except ErmError as error:
            print(f"The private server could not be stopped: {error} It is in {project}.", file=sys.stderr)
            return error.exit_code
    shutil.rmtree(scratch, ignore_errors=True)
    if scratch.exists():
        print(f"{scratch} could not be removed.", file=sys.stderr)
        return 1
    return 0


def environment() -> dict[str, str]:
    """The caller's environment without what points at other databases (ERM_PG_BIN points at none)."""
    return {name: value for name, value in os.environ.items() if name == "ERM_PG_BIN" or not name.startswith(FOREIGN)}


def say(text: str) -> None:
    print(f"\n== {text}\n", flush=True)


def indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.strip().splitlines())


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
