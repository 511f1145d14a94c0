"""The script that `--sql` prints."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg2

from erm_alembic.planning.model import Statement
from erm_alembic.render.sql import STOP, render_sql
from tests.render.plans import EMPTY, HOSTILE, INDEX, ORDERS, PLAN


def test_the_script_of_a_plan() -> None:
    """Each revision in its transaction, autocommit statements outside, the version table after each revision."""
    assert render_sql(PLAN) == (
        "-- erm: upgrade of prod, postgresql://app:***@db/shop\n"
        "-- From 000111.\n"
        "-- Run it with: psql -v ON_ERROR_STOP=1 -f FILE\n"
        "\n"
        "-- upgrade a1b2c3: add orders\n"
        "-- migrations/versions/a1b2c3_add_orders.py\n"
        "BEGIN;\n"
        "CREATE TABLE orders (\n    id int PRIMARY KEY\n);\n"
        "INSERT INTO orders VALUES (41), (42), (43);\n"
        "UPDATE alembic_version SET version_num='a1b2c3' WHERE version_num = '000111';\n"
        "COMMIT;\n"
        "\n"
        "-- upgrade d4e5f6: index orders\n"
        "-- migrations/versions/d4e5f6_index_orders.py\n"
        "-- NOT COMPLETE: the revision reads what it wrote before\n"
        f"{STOP}\n"
        "CREATE INDEX CONCURRENTLY i ON orders (id);\n"
        "BEGIN;\n"
        f"{STOP}\n"
        "UPDATE alembic_version SET version_num='d4e5f6' WHERE version_num = 'a1b2c3';\n"
        "COMMIT;\n"
    )


def test_a_transaction_is_closed_around_autocommit_statements() -> None:
    """Statements before and after an autocommit one stand in two transactions."""
    middle = Statement("VACUUM orders", autocommit=True)
    step = replace(ORDERS, statements=(Statement("SELECT 1"), middle, Statement("SELECT 2")))
    body = render_sql(replace(PLAN, steps=(step,), version_statements=())).split("orders.py\n")[1]
    assert body == "BEGIN;\nSELECT 1;\nCOMMIT;\nVACUUM orders;\nBEGIN;\nSELECT 2;\nCOMMIT;\n"


def test_an_incomplete_revision_stops_the_script(one_database: Any) -> None:
    """A revision that could not be recorded whole is never half done, even where errors are ignored."""
    step = replace(INDEX, statements=(Statement("CREATE TABLE half (id int)"),))
    plan = replace(PLAN, steps=(step,), version_statements=(("CREATE TABLE version AS SELECT 'd4e5f6' AS num",),))
    script = [part.strip() for part in render_sql(plan).replace("; END $$", "\x00").split(";\n")]
    with one_database.connect() as connection, connection.cursor() as cursor:
        for statement in script:
            with contextlib.suppress(psycopg2.Error):
                cursor.execute(statement.replace("\x00", "; END $$"))
    assert one_database.execute("SELECT to_regclass('half'), to_regclass('version')") == [(None, None)]


def test_a_whole_script_runs(one_database: Any) -> None:
    """The script of a complete plan runs as it is, and its version statements with it."""
    plan = replace(PLAN, steps=(ORDERS,), version_statements=(("CREATE TABLE version AS SELECT 1 AS num",),))
    with one_database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(render_sql(plan))
    assert one_database.execute("SELECT (SELECT count(*) FROM orders), (SELECT num FROM version)") == [(3, 1)]


def test_what_only_reads_is_no_part_of_the_script() -> None:
    """A revision's own SELECTs change nothing and are left out."""
    step = replace(ORDERS, statements=(Statement("SELECT count(*) FROM t", read=True), Statement("SELECT 2")))
    body = render_sql(replace(PLAN, steps=(step,), version_statements=())).split("orders.py\n")[1]
    assert body == "BEGIN;\nSELECT 2;\nCOMMIT;\n"


def test_what_an_earlier_run_has_done_is_not_done_again() -> None:
    """The script of a half-done revision begins where that run stopped."""
    step = replace(
        ORDERS,
        statements=(
            Statement("CREATE INDEX CONCURRENTLY i ON orders (id)", line=9, autocommit=True, done=True),
            Statement("VACUUM orders", autocommit=True, done=True),
            Statement("ALTER TABLE orders ADD n int"),
        ),
    )
    body = render_sql(replace(PLAN, steps=(step,), version_statements=())).split("orders.py\n")[1]
    assert body == (
        "-- Done already, by an earlier run: the statement of line 9.\n"
        "-- Done already, by an earlier run: the statement.\n"
        "BEGIN;\nALTER TABLE orders ADD n int;\nCOMMIT;\n"
    )


def test_a_hostile_message_stays_in_its_comment() -> None:
    """A newline in a message, a path, a reason or a profile cannot start a statement."""
    evil = "m\nDROP TABLE orders;\r\u2028DROP TABLE users; " + HOSTILE
    step = replace(ORDERS, revision=evil, message=evil, path=evil, rendered="partial", reason=evil, statements=())
    plan = replace(PLAN, environment=evil, database_url=evil, current=(evil,), steps=(step,), version_statements=())
    lines = render_sql(plan).split("\n")
    assert [line for line in lines if line and not line.startswith("-- ")] == [STOP, STOP]
    assert "\r" not in render_sql(plan)


def test_a_trailing_comment_does_not_swallow_the_semicolon() -> None:
    """A statement that ends in a line comment gets its semicolon on a line of its own."""
    step = replace(ORDERS, statements=(Statement("SELECT 1 -- why"), Statement("SELECT 2; ")))
    text = render_sql(replace(PLAN, steps=(step,), version_statements=()))
    assert "SELECT 1 -- why\n;\nSELECT 2;\nCOMMIT;" in text


def test_values_that_are_not_known_are_said() -> None:
    """A statement whose values could not be rendered keeps its placeholders under a warning."""
    step = replace(ORDERS, statements=(replace(ORDERS.statements[1], literal=None),))
    text = render_sql(replace(PLAN, steps=(step,), version_statements=()))
    assert "-- Needs its values first: 3 sets of parameters.\nINSERT INTO orders VALUES (%(id)s);\n" in text


def test_nothing_to_run_is_a_comment() -> None:
    """An empty plan is a script that does nothing and says so."""
    assert render_sql(EMPTY).endswith("\n\n-- Nothing to run.\n")
    assert INDEX.revision in render_sql(EMPTY)


def test_each_transaction_limits_how_long_it_waits_for_a_lock() -> None:
    """As apply would; a concurrent statement, which is in none, waits as long as it takes."""
    text = render_sql(PLAN, timedelta(seconds=3))
    assert text.count("BEGIN;") == text.count("BEGIN;\nSET LOCAL lock_timeout = '3000ms';") == 2
    assert "\nCREATE INDEX CONCURRENTLY" in text
    assert "lock_timeout" not in render_sql(PLAN)
