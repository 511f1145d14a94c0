"""A plan of the whole history on an empty database, rehearsed and proven: what the ready-made migration tests look at.

It is made by the command that a person would type, in a process of its own, whose environment names no other database.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.redaction import redact
from erm_alembic.errors import ProjectError
from erm_alembic.postgres.snapshot import differences, take_snapshot
from erm_alembic.shadow.ahead import AsItWas
from erm_alembic.shadow.child.clean_environment import clean_environment
from erm_alembic.shadow.rehearsal.when import OFF
from erm_alembic.testing.options import Chosen
from erm_alembic.testing.sandbox.importing import standard_library_first
from erm_alembic.testing.sandbox.sandbox import Sandbox

__all__ = ["Reports"]

PACKAGES = str(Path(__file__).parents[3])
PLAN = ("migrate", "--mode", "plan", "--rehearse", "--format", "json")
# The command's own entry, with the import path of the tests.
START = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from erm_alembic.cli.main import run; run()"
DRIFT = ("drift", "--source", "database", "--format", "json")


@dataclass(frozen=True)
class Reports:
    """What erm says of a project; each is asked for once in a run, whichever of its processes needs it first.

    Args:
        sandbox: makes the databases that it is about.
        chosen: what was chosen for this run.
        folder: a folder that the processes of this run share.
    """

    sandbox: Sandbox
    chosen: Chosen
    folder: Path

    @cached_property
    def plan(self) -> Mapping[str, Any]:
        """The plan from an empty database to the heads, as `erm migrate --mode plan --rehearse --format json` has it.

        Raises:
            ProjectError: there is none, with the words of the command.
        """
        return self._once("plan", PLAN, empty=True)

    @cached_property
    def drift(self) -> Mapping[str, Any]:
        """The drift of a test's database from what the revisions make, as `erm drift --format json` has it.

        Raises:
            ProjectError: it cannot be looked for, with the words of the command.
        """
        found = self._once("drift", DRIFT, empty=False)
        beforehand = self._prepared()
        return {**found, "drift": [each for each in found["drift"] if (each["kind"], each["object"]) not in beforehand]}

    def _prepared(self) -> frozenset[tuple[str, str]]:
        """What `erm_prepare` makes, as an administrator does: it is in no revision, and is not meant to be."""
        if not self.sandbox.is_prepared:
            return frozenset()
        with self.sandbox.database(empty=True) as database, closing(psycopg2.connect(database.dsn)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                before = take_snapshot(cursor)
                self.sandbox.prepare(database)
                return frozenset((each.kind, each.object) for each in differences(before, take_snapshot(cursor)))

    def _once(self, name: str, command: tuple[str, ...], *, empty: bool) -> Mapping[str, Any]:
        kept = self.folder / f"erm-{name}.json"
        with _alone(self.folder / f"erm-{name}.lock"):
            if not kept.exists():
                with self.sandbox.database(empty=empty) as database:
                    if empty:
                        self.sandbox.prepare(database)
                    told = self._asked(command, database.address)
                _write_privately(kept, told)
            found: Mapping[str, Any] = json.loads(kept.read_text("utf-8"))
        return found

    def _asked(self, command: tuple[str, ...], address: DatabaseUrl) -> str:
        chosen = self.chosen
        further = [*_option("--env", chosen.env), *_option("--config", chosen.config), "--name", chosen.name]
        further += [word for argument in chosen.x for word in ("-x", argument)]
        path = [*standard_library_first(AsItWas.now()), PACKAGES]
        done = subprocess.run(
            [sys.executable, "-P", "-c", START, json.dumps(path), *command, *further],
            cwd=chosen.root,
            env=self._environment(address),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            error = json.loads(done.stdout).get("error")
        except ValueError:
            said = redact(done.stderr.strip()) or f"it ended with code {done.returncode} and said nothing"
            raise ProjectError(f"erm {' '.join(command[:3])} failed:\n{said}") from None
        if error is not None:
            raise ProjectError(error["what"], effect=error["effect"], cure=error["cure"])
        return done.stdout

    def _environment(self, address: DatabaseUrl) -> dict[str, str]:
        """The variables of this process, in which every address is that of the test database."""
        found = clean_environment(os.environ, address, address)
        shadow = self.sandbox.settings.shadow.url
        for name in (OFF, "ERM_SHADOW_URL"):
            found.pop(name, None)
        if shadow is not None:
            found["ERM_SHADOW_URL"] = shadow.reveal()
        return {**found, "ERM_DATABASE_URL": address.dsn(), "NO_COLOR": "1"}


def _option(name: str, value: object) -> list[str]:
    return [] if value is None else [name, str(value)]


def _write_privately(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; the lock ends with its process, however that ends."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
