"""A project whose hooks note what they were told."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.faults.deploying import Project
from tests.support.databases import Database

NOTE = """
import json, os, sys
told = json.load(sys.stdin)
names = ("ERM_HOOK", "ERM_ENV", "ERM_RUN_ID", "ERM_REVISION", "ERM_DATABASE_URL")
seen = {"args": sys.argv[1:], "cwd": os.getcwd(), "told": told, "env": {n: os.environ.get(n) for n in names}}
with open("notes.jsonl", "a") as file:
    file.write(json.dumps(seen) + "\\n")
"""
EVENTS = ("before_run", "after_run", "before_revision", "after_revision", "on_failure")


@dataclass
class Hooked:
    """A project with hooks, of three revisions that make a table each."""

    project: Project

    @property
    def root(self) -> Path:
        return self.project.root

    def script(self, name: str, body: str) -> str:
        """Write a Python program; the command that runs it."""
        (self.root / name).write_text(dedent(body), encoding="utf-8")
        return f"'{sys.executable}' {name}"

    def hooks(self, timeout: str = "60s", **events: str | list[str]) -> None:
        """Write erm.yaml with these commands; the database comes from ERM_DATABASE_URL."""
        section = {event: [one] if isinstance(one, str) else one for event, one in events.items()}
        (self.root / "erm.yaml").write_text(json.dumps({"hooks": {**section, "timeout": timeout}}), encoding="utf-8")

    def note_everything(self) -> None:
        """Let every event be noted."""
        note = self.script("note.py", NOTE)
        self.hooks(**dict.fromkeys(EVENTS, f"{note} 'two words'"))

    def notes(self) -> list[dict[str, Any]]:
        """What was noted, in order; nothing twice."""
        path = self.root / "notes.jsonl"
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines()
        path.unlink()
        return [json.loads(line) for line in lines]

    def kept(self) -> list[tuple[Any, ...]]:
        """The ledger's rows of the last run that had any: event, outcome, exit status, output."""
        assert self.project.database is not None
        return self.project.database.execute(
            "SELECT event, outcome, exit_status, output FROM erm.hook"
            " WHERE run_id = (SELECT max(run_id) FROM erm.hook) ORDER BY id"
        )


@pytest.fixture
def hooked(one_database: Database, tmp_path: Path) -> Hooked:
    """A project of three revisions, not deployed yet."""
    project = Project(tmp_path, one_database)
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    project.table("c3", "third", down="b2")
    return Hooked(project)
