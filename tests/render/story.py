"""What happens to the sample projects, as plans and outcomes of a real database: what the snapshots are of."""

from __future__ import annotations

import json
import logging
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from erm_alembic import migrate
from erm_alembic.findings import Finding
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.render.json import dump
from erm_alembic.render.places import Places
from erm_alembic.render.presentation import Presentation, Typed
from tests.support.cli import REPOSITORY
from tests.support.databases import Database, RunningServer, fresh_database

__all__ = ["Told", "normalised", "tell"]

SHOP = REPOSITORY / "examples" / "shop"
REVIEWS = SHOP / "next" / "2e6d94b0f7a3_reviews.py"
PROJECTS = REPOSITORY / "tests" / "projects"


@dataclass(frozen=True)
class Told:
    """A plan, and how it ended.

    Args:
        name: the folder of its snapshots.
        plan: the plan.
        outcome: how it ended, or None.
        how: how it is shown.
    """

    name: str
    plan: Plan
    outcome: Outcome | None
    how: Presentation

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.plan.findings


def tell(server: RunningServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    """Plan, apply and roll back the sample projects.

    Args:
        server: where their databases are.
        folder: where copies of them are made.
        monkeypatch: goes to the copies' folders.
    """
    told = []
    for name, source, story in (
        ("shop", SHOP, _shop),
        ("branches", PROJECTS / "branches", _planned),
        ("every_kind", PROJECTS / "every_kind", _planned),
    ):
        project = folder / name / "deploy"
        shutil.copytree(source, project, ignore=shutil.ignore_patterns("__pycache__", ".erm", "next"))
        with fresh_database(server) as database, _process_kept(project), monkeypatch.context() as patched:
            patched.chdir(project)
            _configure(project, database)
            told += [*story(name, project, database)]
    return told


def _configure(project: Path, database: Database) -> None:
    (project / "erm.yaml").write_text(
        "database:\n  environments:\n"
        f'    prod: {{url: "{database.url}"}}\n'
        f'shadow: {{url: "{database.server.url("postgres")}"}}\n'
        "migrations: {alembic_ini: alembic.ini}\n",
        encoding="utf-8",
    )
    before = project / "before.sql"
    if before.is_file():
        database.execute(before.read_text(encoding="utf-8"))


def _how(project: Path, *typed: str) -> Presentation:
    return Presentation(typed=Typed(typed), places=Places(project, project.parent))


def _planned(name: str, project: Path, database: Database) -> Iterator[Told]:
    yield Told(name, migrate.plan("prod", rehearse=False), None, _how(project))


def _rehearsed() -> Plan:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("ERM_NO_SHADOW", raising=False)
        return migrate.plan("prod")


def _shop(name: str, project: Path, database: Database) -> Iterator[Told]:
    yield Told("shop-first", migrate.plan("prod", rehearse=False), None, _how(project))
    applied = migrate.apply("prod", rehearse=False)
    yield Told("shop-applied", applied.plan, applied.outcome, _how(project))
    shutil.copy(REVIEWS, project / "migrations" / "versions")
    yield Told("shop-change", _rehearsed(), None, _how(project))

    database.execute("CREATE TABLE reviews (x int)")
    failed = migrate.apply("prod", rehearse=False, overrides=(migrate.Override("schema-drift", "made for a test"),))
    yield Told("shop-failed", failed.plan, failed.outcome, _how(project))
    database.execute("DROP TABLE reviews")

    assert migrate.apply("prod", rehearse=False).outcome.result == "done"
    database.execute("INSERT INTO products (sku, title, price_cents, stock) VALUES ('a', 'a', 1, 1)")
    database.execute("INSERT INTO customers (email, full_name) VALUES ('a@b.example', 'a')")
    database.execute("INSERT INTO reviews (product_id, customer_id, stars) VALUES (1, 1, 5)")
    yield Told("shop-rollback-blocked", migrate.plan_rollback("prod", rehearse=False), None, _how(project))
    refused = migrate.rollback("prod", rehearse=False)
    yield Told("shop-rollback-refused", refused.plan, refused.outcome, _how(project))
    reason = migrate.Override("data-loss", "the review is a test")
    undone = migrate.rollback("prod", rehearse=False, overrides=(reason,))
    yield Told("shop-rolled-back", undone.plan, undone.outcome, _how(project))


@contextmanager
def _process_kept(project: Path) -> Iterator[None]:
    """Undo what an env.py leaves behind: modules of the project, and the settings of loggers."""
    modules = set(sys.modules)
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        for name in set(sys.modules) - modules:
            if str(project) in (getattr(sys.modules[name], "__file__", None) or ""):
                del sys.modules[name]
        root.setLevel(level)
        root.handlers[:] = handlers
        for logger in logging.Logger.manager.loggerDict.values():
            if isinstance(logger, logging.Logger):
                logger.disabled = False
                logger.setLevel(logging.NOTSET)


def normalised(text: str, told: Told) -> str:
    """A report without what differs from run to run: addresses, versions, digests of plans, times and sizes."""
    plan = told.plan
    text = _without_weak_locks(text)
    known = {
        plan.database_url: "postgresql://app@db/shop",
        f"PostgreSQL {plan.server_version}": "PostgreSQL 18.1",
        str(told.how.places.project): "/srv/mono/deploy",
    }
    for found, shown in known.items():
        text = text.replace(found, shown)
    text = re.sub(r"(?<=[Dd]igest)(\W{1,4}|.*?)[0-9a-f]{64}", r"\1<digest>", text)
    text = re.sub(r"\b\d[\d.,]* (?:ms|s|min)\b(?: \d+ s\b)?", "N ms", text)
    text = re.sub(r'("[a-z_]*(?:_ms|bytes|rows|oid|run_id|server_version|since)": )[^,\n]+', r"\1null", text)
    text = re.sub(r'("semanticVersion": )"[^"]+"', r'\1"1.0"', text)
    text = re.sub(r"(\*\*Run\*\*: |run )\d+( in the ledger)", r"\g<1>7\2", text)
    # The page of a rule is pinned where it is written.
    return re.sub(r'("(?:text|markdown)": )"# .*"', r'\1"<the page of docs/checks>"', text)


def _without_weak_locks(text: str) -> str:
    """The plan's JSON without the locks that a reader takes, of which each major of PostgreSQL takes others."""
    if not text.startswith('{\n  "schema_version"'):
        return text
    document = json.loads(text)
    for step in document["pending"]:
        for statement in step["statements"]:
            locks = statement["locks"] or []
            statement["locks"] = [each for each in locks if each["mode"] != "AccessShareLock"]
    return dump(document)
