"""`erm repair --take-back`: what is done is undone, what never was is passed over, and nothing is guessed."""

from __future__ import annotations

import signal
from typing import Any

from tests.faults.deploying import Project, until
from tests.repair.halves import (
    ALTER,
    DOWN,
    UP,
    YES,
    current,
    execute,
    half_done,
    last_run,
    mend,
    present,
    progress,
    repaired,
    report,
    status,
)


def test_take_back_undoes_what_is_done_and_passes_over_the_rest(project: Project) -> None:
    """Alembic's version table is left alone, the notes are gone, and the corrected revision applies from its start."""
    half_done(project)
    document = repaired(project.erm("repair", "--take-back", *YES))
    assert [each.split(": ", 1)[1] for each in document["passed_over"]] == ['table "last" does not exist']
    assert (current(project), progress(project), present(project, "part", "part_id")) == (["a1"], 0, [])
    run = last_run(project)
    assert (run["mode"], [(each["revision"], each["direction"]) for each in run["revisions"]]) == (
        "repair",
        [("b2", "downgrade")],
    )
    mend(project)
    project.revision("b2", UP.replace("last", "other"), DOWN.replace("last", "other"), down="a1")
    assert project.apply().returncode == 0
    assert present(project, "part_id", "other") == ["part_id", "other"]


def test_what_was_never_dropped_is_not_made_again(project: Project) -> None:
    """A part that never ran may have dropped something: it is there still, and stays as it is."""
    up = """
    with op.get_context().autocommit_block():
        op.execute("CREATE TABLE part (id int)")
    op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
    op.execute("ALTER TABLE orders DROP COLUMN id")
    """
    down = 'op.add_column("orders", sa.Column("id", sa.Integer))\nop.drop_table("part")'
    half_done(project, up, down)
    document = repaired(project.erm("repair", "--take-back", *YES))
    assert document["passed_over"][0].endswith('column "id" of relation "orders" already exists')
    assert execute(project, "SELECT id FROM orders") == [(1,)]
    assert present(project, "part") == []


def test_an_index_that_somebody_else_made_stays(project: Project) -> None:
    """That it was there is why the revision failed; the downgrade() does not drop it, and drops the revision's own."""
    execute(project, "CREATE INDEX theirs ON orders (note)")
    up = """
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY ours ON orders (id)")
        op.execute("CREATE INDEX CONCURRENTLY theirs ON orders (note)")
    """
    half_done(project, up, 'op.execute("DROP INDEX theirs")\nop.execute("DROP INDEX ours")')
    document = repaired(project.erm("repair", "--take-back", *YES))
    assert document["passed_over"][0].endswith("index theirs was not made by this revision")
    assert present(project, "ours", "theirs") == ["theirs"]


def test_what_was_never_renamed_is_not_renamed(project: Project) -> None:
    """Two tables that were to change their names stay as they are: the way is closed, and says why."""
    up = """
    with op.get_context().autocommit_block():
        op.execute("CREATE TABLE part (id int)")
        op.execute("ALTER TABLE part RENAME id TO number")
    op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
    op.execute("ALTER TABLE orders RENAME TO old_orders")
    """
    back = 'op.execute("ALTER TABLE part RENAME COLUMN number TO id")\nop.drop_table("part")'
    half_done(project, up, 'op.execute("ALTER TABLE old_orders RENAME TO orders")\n' + back)
    refused = project.erm("repair", "--take-back", *YES)
    assert refused.returncode == 1
    assert "renames or moves what its upgrade() has not renamed or moved so far" in refused.stdout + refused.stderr
    assert present(project, "part") == ["part"]


def test_what_was_renamed_is_taken_back(project: Project) -> None:
    """A rename that is among what is done has its inverse."""
    up = """
    with op.get_context().autocommit_block():
        op.execute("CREATE TABLE part (id int)")
        op.execute("ALTER TABLE part RENAME id TO number")
    op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
    """
    half_done(project, up, 'op.execute("ALTER TABLE part RENAME COLUMN number TO id")\nop.drop_table("part")')
    repaired(project.erm("repair", "--take-back", *YES))
    assert present(project, "part") == []


def test_what_cannot_be_made_again_is_not_passed_over(project: Project) -> None:
    """A view that upgrade() has dropped and that downgrade() cannot make again is a failure, as in a rollback."""
    execute(project, "CREATE VIEW notes AS SELECT note FROM orders")
    up = """
    with op.get_context().autocommit_block():
        op.execute("DROP VIEW notes")
    op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
    """
    half_done(project, up, 'op.execute("CREATE VIEW notes AS SELECT remark FROM orders")')
    failed = project.erm("repair", "--take-back", "--yes")
    assert (failed.returncode, 'column "remark" does not exist' in failed.stdout) == (1, True)
    project.revision("b2", up, 'op.execute("CREATE VIEW notes AS SELECT note FROM orders")', down="a1")
    assert project.erm("repair", "--take-back", "--yes").returncode == 1
    project.revision("b2", up, 'op.execute("CREATE VIEW notes AS SELECT remark FROM orders")', down="a1")
    execute(project, "ALTER TABLE orders ADD remark text")
    assert repaired(project.erm("repair", "--take-back", *YES))["passed_over"] == []


def test_what_a_trigger_misses_is_not_passed_over(project: Project) -> None:
    """An object that a function asks for is not the one that is taken back."""
    execute(
        project,
        "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO gone VALUES (1); END $$",
    )
    up = """
    with op.get_context().autocommit_block():
        op.execute("INSERT INTO orders VALUES (2, 'made')")
        op.execute("CREATE TRIGGER audited BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION audit()")
    op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
    """
    half_done(project, up, 'op.execute("DELETE FROM orders WHERE id = 2")')
    failed = project.erm("repair", "--take-back", "--yes", "--allow-data-loss")
    assert (failed.returncode, 'relation "gone" does not exist' in failed.stdout) == (1, True)


def test_a_take_back_in_one_transaction_is_whole_or_not_at_all(project: Project) -> None:
    """Where downgrade() fails for another reason than a missing object, nothing of it is done."""
    up = UP.replace(", postgresql_concurrently=True", "")
    half_done(
        project, up, 'op.drop_table("part")\nop.execute("ALTER TABLE orders DROP COLUMN note, DROP COLUMN nothing")'
    )
    failed = project.erm("repair", "--take-back", "--yes", "--allow-data-loss")
    assert failed.returncode == 1
    assert 'column "nothing" of relation "orders" does not exist' in failed.stdout
    half = status(project)["half_done"][0]
    assert (half["obstacle"], half["committed"], present(project, "part")) == (None, 2, ["part"])


def test_a_take_back_that_stops_in_the_middle_is_gone_on_with_by_itself_only(project: Project) -> None:
    """Once a part of it is committed, no apply goes on with the revision; the same command again ends it."""
    half_done(project, down=f"{DOWN}\nop.execute('ALTER TABLE orders ADD CHECK (note IS NOT NULL)')")
    failed = project.erm("repair", "--take-back", "--yes")
    assert failed.returncode == 1
    half = status(project)["half_done"][0]
    assert (half["obstacle"], present(project, "part", "part_id")) == ("taking-back", ["part"])
    mend(project)
    refused = project.apply()
    assert refused.returncode == 1
    assert "`erm repair --take-back` has begun to undo it" in refused.stdout
    forced = project.apply("--override", "half-done-revision", "--reason", "I know")
    assert (forced.returncode, current(project)) == (1, ["a1"])
    assert {action for action, way in report(project)["half_done"][0]["ways"].items() if way["closed"] is None} == {
        "mark-done",
        "take-back",
        "forget",
    }
    project.revision("b2", UP, DOWN, down="a1")
    closed = project.erm("repair", "--take-back", "--yes")
    assert (closed.returncode, "more than its upgrade() was edited since" in closed.stderr) == (1, True)
    repaired(project.erm("repair", "--forget", "--reason", "the rest was dropped by hand", *YES))
    assert (progress(project), status(project)["half_done"]) == (0, [])


def test_a_take_back_that_commits_by_itself_is_known_for_begun(project: Project) -> None:
    """Where downgrade() drops, commits and fails, no apply goes on over what it has undone; a take-back ends it."""
    down = """
    op.drop_index("part_id")
    op.get_bind().connection.commit()
    op.execute("ALTER TABLE orders ADD CHECK (note IS NOT NULL)")
    op.drop_table("part")
    """
    half_done(project, down=down)
    assert project.erm("repair", "--take-back", "--yes").returncode == 1
    assert (status(project)["half_done"][0]["obstacle"], present(project, "part", "part_id")) == (
        "taking-back",
        ["part"],
    )
    mend(project)
    assert project.apply("--override", "half-done-revision", "--reason", "I know").returncode == 1
    assert current(project) == ["a1"]
    repaired(project.erm("repair", "--take-back", *YES))
    assert (present(project, "part"), progress(project)) == ([], 0)
    project.revision("b2", UP, down, down="a1")
    assert project.apply().returncode == 0
    assert present(project, "part", "part_id", "last") == ["part", "part_id", "last"]


def test_an_index_that_a_take_back_left_broken_is_built_again(project: Project) -> None:
    """Where downgrade() builds an index again and is cut off, the INVALID one is not taken for one never dropped."""
    execute(project, "CREATE UNIQUE INDEX orders_id ON orders (id)")
    up = """
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY orders_id")
    op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
    """
    down = """
    with op.get_context().autocommit_block():
        op.execute("CREATE UNIQUE INDEX CONCURRENTLY orders_id ON orders (id)")
    """
    half_done(project, up, down)
    execute(project, "INSERT INTO orders VALUES (1, 'twice')")
    failed = project.erm("repair", "--take-back", "--yes")
    assert (failed.returncode, "could not create unique index" in failed.stdout) == (1, True)
    execute(project, "DELETE FROM orders WHERE note = 'twice'")
    assert repaired(project.erm("repair", "--take-back", *YES))["passed_over"] == []
    assert execute(project, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_id'::regclass") == [(True,)]


def test_a_killed_take_back_is_ended_by_the_same_command(project: Project) -> None:
    """kill -9 in the middle of a take-back: the ledger knows, apply refuses, and a second take-back ends it."""
    down = """
    with op.get_context().autocommit_block():
        op.drop_index("part_id", postgresql_concurrently=True)
    op.execute("ALTER TABLE orders ALTER COLUMN note DROP NOT NULL")
    op.drop_table("part")
    """
    half_done(project, down=down)
    assert project.database is not None
    holder = project.database.connect()
    with holder.cursor() as cursor, project.running("repair", "--take-back", "--yes") as repairer:
        cursor.execute("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE")
        until(lambda: waiting(project))
        repairer.kill()
    until(lambda: gone(project))
    holder.close()
    assert present(project, "part", "part_id") == ["part"]
    assert status(project)["half_done"][0]["obstacle"] == "taking-back"
    assert project.apply().returncode == 1
    document = repaired(project.erm("repair", "--take-back", *YES))
    assert [each.split(": ", 1)[1] for each in document["passed_over"]] == ['index "part_id" does not exist']
    assert (present(project, "part"), progress(project)) == ([], 0)
    assert [run["outcome"] for run in project.runs()][-2:] == ["died", "done"]


def test_a_signal_ends_a_take_back_in_words(project: Project) -> None:
    """Ctrl-C cancels it, rolls back what can be, and is in the ledger; the same command again ends it."""
    half_done(project, UP.replace(", postgresql_concurrently=True", ""), f"{ALTER}\nop.drop_table('part')")
    assert project.database is not None
    holder = project.database.connect()
    with holder.cursor() as cursor, project.running("repair", "--take-back", "--yes") as repairer:
        cursor.execute("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE")
        until(lambda: waiting(project))
        repairer.signal(signal.SIGINT)
        code, out, _ = repairer.ended()
    holder.close()
    assert (code, "Interrupted: revision b2 is half done yet" in out) == (130, True)
    assert (status(project)["half_done"][0]["obstacle"], last_run(project)["outcome"]) == (None, "interrupted")
    repaired(project.erm("repair", "--take-back", *YES))
    assert present(project, "part") == []


def sessions(project: Project) -> list[tuple[Any, ...]]:
    """The sessions of repairs that have looked and go on, or wait to go on."""
    return execute(
        project,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'erm repair'",
    )


def waiting(project: Project) -> list[tuple[Any, ...]]:
    """The repairs that wait for a lock."""
    return execute(
        project,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'erm repair' AND wait_event_type = 'Lock'",
    )


def gone(project: Project) -> bool:
    """Whether nothing is left in the server of a repair that was killed; what is, is ended."""
    for (pid,) in waiting(project):
        execute(project, "SELECT pg_terminate_backend(%s)", pid)
    return not sessions(project)


def test_rows_are_not_changed_back_that_were_never_changed(project: Project) -> None:
    """Where downgrade() changes rows and its counterpart in upgrade() never ran, take-back is closed and says so."""
    up = f"{UP}\nop.execute('UPDATE orders SET id = id * 100')"
    half_done(project, up, f"op.execute('UPDATE orders SET id = id / 100')\n{DOWN}")
    refused = project.erm("repair", "--take-back", "--yes")
    assert refused.returncode == 1
    assert "of its downgrade() changes rows, and it is not certain" in refused.stderr
    assert execute(project, "SELECT id FROM orders") == [(1,)]


def test_rows_that_were_changed_are_changed_back(project: Project) -> None:
    """Where all that changes rows in upgrade() is done, downgrade() takes it back like everything else."""
    up = UP.replace("op.create_index", 'op.execute("UPDATE orders SET id = id * 100")\n    op.create_index')
    half_done(project, up, f"op.execute('UPDATE orders SET id = id / 100')\n{DOWN}")
    repaired(project.erm("repair", "--take-back", *YES))
    assert execute(project, "SELECT id FROM orders") == [(1,)]


def test_a_take_back_counts_what_it_would_lose(project: Project) -> None:
    """Rows in what upgrade() has made are lost only when somebody says so."""
    half_done(project)
    execute(project, "INSERT INTO part VALUES (1), (2)")
    shown = project.erm("repair")
    assert "loses 2 rows of table part" in shown.stdout
    refused = project.erm("repair", "--take-back", "--yes")
    assert refused.returncode == 1
    assert "would lose rows or values: table part (2)" in refused.stderr
    assert progress(project) == 2
    repaired(project.erm("repair", "--take-back", "--allow-data-loss", *YES))
    assert present(project, "part") == []


def test_a_revision_without_a_way_down_cannot_be_taken_back(project: Project) -> None:
    """An empty downgrade() takes nothing back."""
    project.revision("b2", UP, "pass", down="a1")
    failed = project.apply("--override", "missing-downgrade", "--reason", "for the test")
    assert failed.returncode == 1
    refused = project.erm("repair", "--take-back", "--yes")
    assert refused.returncode == 1
    assert "its downgrade is empty: there is nothing that takes it back" in refused.stderr
    assert "--resume, --mark-done, --forget" in refused.stderr


def test_two_repairs_at_once_do_not_both_repair(project: Project) -> None:
    """The one that has waited for the deploy lock looks again, and leaves alone what is not as it was shown."""
    half_done(project)
    assert project.database is not None
    holder = project.database.connect()
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, 1)", [0x65726D])
        with project.running("repair", "--take-back", "--yes", "--wait", "1m") as repairer:
            until(lambda: sessions(project))
            execute(project, "DELETE FROM erm.progress")
            holder.close()
            code, _, err = repairer.ended()
    assert (code, err.splitlines()[-3]) == (
        1,
        "error:  Somebody else has worked on revision b2 since it was looked at.",
    )
    assert (present(project, "part", "part_id"), last_run(project)["outcome"]) == (["part", "part_id"], "failed")
