"""The plan's statements are the ones that apply sends, with their lines; and planning wrote nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from erm_alembic import migrate
from erm_alembic.execute.progress import SilentProgress
from erm_alembic.planning.model import Plan, Step
from tests.adoption.sample import Sample
from tests.adoption.server_log import statements_sent
from tests.adoption.untouched import dump, nothing_written
from tests.support.cli import REPOSITORY
from tests.support.databases import Database

Prepare = Callable[[str, Database], Sample]

# What a run sends besides its revisions: transactions, the session's settings, the deploy lock, the books.
BOOKKEEPING = re.compile(
    r"BEGIN|COMMIT|ROLLBACK|SET |SHOW |WITH held "
    r"|SELECT (pg_catalog\.|current_schema|t\.oid|name, setting|s\.name|tablename|classid|l\.pid|1 FROM pg_catalog)"
    r"|SELECT (c\.oid|i\.indexrelid)"
    r"|SELECT EXISTS \( SELECT l\.pid|SELECT CASE WHEN pg_catalog\.pg_try_advisory_lock"
    r"|SELECT setting, pg_catalog\.set_config|SELECT '[^']*'::text::name::text"
    r"|.*\balembic_version\b|.*\"erm\"",
    re.DOTALL | re.IGNORECASE,
)


class Watched(SilentProgress):
    """Keeps each statement that apply is about to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, int | None]] = []

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        self.sent.append((step.revision, sql, line))


def planned_statements(plan: Plan) -> list[tuple[str, str, int | None]]:
    return [(step.revision, each.sql, each.line) for step in plan.steps for each in step.statements]


def normalised(text: str) -> str:
    return " ".join(text.split())


def test_the_plan_shows_what_apply_sends_whatever_a_revision_does(sample: Prepare, database: Database) -> None:
    """Text, order and lines of a plan are those of apply; the server's log holds them too; a plan writes nothing."""
    project = sample("every_kind", database)
    before = dump(database)
    with nothing_written(database):
        plan = migrate.plan()
    assert dump(database) == before
    assert [(step.revision, step.rendered, step.reason) for step in plan.steps] == [
        (f"e{number}", "full", None) for number in range(1, 7)
    ]

    watched = Watched()
    with statements_sent(database) as logged:
        assert migrate.apply(progress=watched).outcome.error is None
    assert watched.sent == planned_statements(plan)
    assert_logged(plan, [normalised(text) for text in logged])
    assert_lines(plan, project.path)
    assert {step.revision for step in plan.steps if not step.transactional} == {"e5", "e6"}

    down = migrate.plan_rollback(to="base")
    watched = Watched()
    migrate.rollback(to="base", allow_data_loss=True, progress=watched)
    assert watched.sent == planned_statements(down)


def assert_logged(plan: Plan, logged: list[str]) -> None:
    """Every planned text, with its values, is in the server's log in this order, and the rest is bookkeeping."""
    rest = iter(logged)
    for step in plan.steps:
        for each in step.statements:
            for text in (each.literal or each.sql).split(";\n"):
                skipped = []
                for found in rest:
                    if found == normalised(text):
                        break
                    skipped.append(found)
                else:
                    raise AssertionError(f"{step.revision}:{each.line} was not sent: {text}\nbut: {skipped}")
                unplanned = [found for found in skipped if not BOOKKEEPING.match(found)]
                assert not unplanned, unplanned


def assert_lines(plan: Plan, project: Path) -> None:
    """Each statement's line is inside the function that sends it, where the file says so."""
    for step in plan.steps:
        source = (project / step.path).read_text().splitlines()
        begins = source.index("def upgrade() -> None:") + 1
        ends = source.index("def downgrade() -> None:") + 1
        lines = [each.line for each in step.statements]
        assert all(line is not None and begins < line < ends for line in lines)
        assert lines == sorted(lines, key=lambda line: line or 0) or step.revision in ("e3", "e4")  # a loop, a with
    by_text = {normalised(each.sql): each.line for step in plan.steps for each in step.statements}
    assert by_text["ALTER TABLE city ADD COLUMN touched_at TIMESTAMP WITH TIME ZONE DEFAULT now()"] == 21


def test_values_of_a_driver_s_batch_are_in_no_plan(sample: Prepare, one_database: Database) -> None:
    """execute_values() and execute_batch() put values into the text; the plan keeps the placeholders."""
    sample("every_kind", one_database)
    texts = [each.sql for step in migrate.plan().steps if step.revision == "e2" for each in step.statements]
    assert "INSERT INTO city (name, people) VALUES %s" in texts
    assert "UPDATE city SET people = %s WHERE name = %s" in texts
    assert not any("Lima" in text or "Oslo" in text for text in texts)


def test_the_sample_shop_is_recorded_whole_but_for_the_data_that_it_moves(
    one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_state: None
) -> None:
    """On an empty database one revision of the shop is partial: it reads the table that an earlier one makes."""
    shutil.copytree(REPOSITORY / "examples" / "shop", tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    plan = migrate.plan()
    assert {step.revision: step.reason for step in plan.steps if step.rendered == "partial"} == {
        "5f28e6d09b7c": 'line 45 reads what an earlier pending statement makes (relation "products" does not exist)'
    }
    watched = Watched()
    migrate.apply(progress=watched)
    whole = {step.revision for step in plan.steps if step.rendered == "full"}
    assert [each for each in watched.sent if each[0] in whole] == [
        each for each in planned_statements(plan) if each[0] in whole
    ]
