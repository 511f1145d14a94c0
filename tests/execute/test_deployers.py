"""Several deployers at once: one works, the others wait, are told for whom, and repeat nothing."""

from __future__ import annotations

import contextlib
import json
import re
import signal

from tests.faults.deploying import SLEEPS, Project, sleeping, tables, told, until
from tests.support.databases import Database

HELD = re.compile(
    r"held by pid (\d+) \(erm apply, postgres\) since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC;"
    r" its last statement: DO \$\$\.\.\.\$\$"
)


def test_who_waits_in_vain_is_told_the_holder(project: Project, one_database: Database) -> None:
    """Whoever does not get the lock in time exits 1, names the holder and how to end it, and changes nothing."""
    project.table("a1", "first")
    project.revision("b2", SLEEPS, down="a1")
    with project.deploying() as holder:
        until(lambda: sleeping(one_database))
        done = project.apply("--wait", "300ms")
        code, lines = told(done)
        assert code == 1
        assert lines[0].startswith(
            "error:  The deploy lock of this database was not had within 0.3 s: it is held by pid "
        )
        assert lines[1] == "effect: Nothing was changed."
        found = HELD.search(lines[0])
        assert found is not None, lines[0]
        assert int(found[1]) == sleeping(one_database)[0][0]
        assert lines[2].endswith(f"SELECT pg_terminate_backend({found[1]});")
        assert done.stderr.count("Waiting for the deploy lock") == 1
        assert holder.still_runs()
        holder.signal(signal.SIGINT)
        holder.ended()
    assert len(project.runs()) == 1


def test_a_plan_waits_for_nobody(project: Project, one_database: Database) -> None:
    """A plan takes no lock: while somebody deploys, it says what is pending."""
    project.table("a1", "first")
    project.revision("b2", f'op.execute("CREATE TABLE t (id int)")\n{SLEEPS}', 'op.drop_table("t")', down="a1")
    with project.deploying() as holder:
        until(lambda: sleeping(one_database))
        done = project.apply("--mode", "plan", "--check")
        assert (done.returncode, "1 revision to apply:" in done.stdout) == (3, True), done.stderr + done.stdout
        holder.signal(signal.SIGINT)
        holder.ended()


def test_the_lock_holder_s_password_is_not_told(project: Project, one_database: Database, secret: str) -> None:
    """The holder's statement is shown without its literals: a password or a person's name may be one."""
    connection = one_database.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, 1)", [0x65726D])
        cursor.execute(f"SELECT '{secret}' AS \"it's\", E'\\'{secret}', $x${secret}$x$, '{secret} {'x' * 300}'")
    project.table("a1", "first")
    code, lines = told(project.apply("--wait", "0s"))
    connection.close()
    assert code == 1
    assert "its last statement: SELECT '...' AS \"it's\", '...', $$...$$, '...'" in lines[0]


def test_three_at_once(project: Project, one_database: Database) -> None:
    """Three deployers with a concurrent index among the revisions: no deadlock, and each revision runs exactly once."""
    project.table("a1", "first")
    project.revision(
        "b2",
        'with op.get_context().autocommit_block():\n    op.execute("CREATE INDEX CONCURRENTLY first_id ON first (id)")',
        'op.drop_index("first_id")',
        down="a1",
    )
    project.table("c3", "third", down="b2")
    with (
        project.deploying("--wait", "1m") as one,
        project.deploying("--wait", "1m") as two,
        project.deploying("--wait", "1m") as three,
    ):
        ends = [deployer.ended(50) for deployer in (one, two, three)]
    assert [code for code, _, _ in ends] == [0, 0, 0], ends
    assert one_database.execute("SELECT revision, count(*) FROM erm.revision GROUP BY 1 ORDER BY 1") == [
        ("a1", 1),
        ("b2", 1),
        ("c3", 1),
    ]
    assert one_database.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'first_id'::regclass") == [(True,)]
    assert tables(one_database) == {"first", "third", "alembic_version"}


def test_the_plan_is_checked_again_under_the_lock(project: Project, one_database: Database) -> None:
    """A rollback that waited while somebody else rolled back does not take back one revision more."""
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    project.revision("c3", 'op.execute("CREATE TABLE third (id int)")', f"op.drop_table('third')\n{SLEEPS}", down="b2")
    assert project.apply().returncode == 0
    with project.deploying("--mode", "rollback", "--allow-data-loss") as first:
        until(lambda: sleeping(one_database))
        with project.deploying("--mode", "rollback", "--allow-data-loss", "--wait", "1m") as second:
            assert second.process.stderr is not None
            assert second.process.stderr.readline().startswith("Waiting for the deploy lock")
            # The first one is done all the same: its statement ends, as if the sleep were over.
            one_database.execute("UPDATE alembic_version SET version_num = 'b2'")
            first.signal(signal.SIGINT)
            first.ended()
            code, _, err = second.ended()
    assert code == 1
    assert "error:  The database changed after it was planned: it now records b2." in err
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}


def test_another_environment_is_refused_until_accepted(project: Project, one_database: Database) -> None:
    """A database deployed as staging is not deployed as prod by mistake; --accept-environment says it is meant."""
    project.config("database:\n  environments:\n    staging: {}\n    prod: {}\n")
    project.table("a1", "first")
    assert project.apply("--env", "staging").returncode == 0
    project.table("b2", "second", down="a1")
    for mode in ("apply", "plan"):
        refused = project.erm("migrate", "--mode", mode, "--env", "prod")
        assert refused.returncode == 1
        assert "error other-environment" in refused.stdout
        assert "This database was deployed as staging; you asked for --env prod." in refused.stdout
        assert "  erm migrate --env prod --accept-environment\n" in refused.stdout
    assert "Deployed as staging: apply needs --accept-environment" in project.erm("status", "--env", "prod").stdout
    planned = project.erm("migrate", "--mode", "plan", "--env", "prod", "--accept-environment")
    assert (planned.returncode, planned.stdout.splitlines()[-1]) == (
        0,
        "To run it: erm migrate --env prod --accept-environment",
    )
    assert tables(one_database) == {"first", "alembic_version"}
    assert project.apply("--env", "prod", "--accept-environment").returncode == 0
    project.table("c3", "third", down="b2")
    assert project.apply("--env", "prod").returncode == 0
    assert [run["environment"] for run in project.runs()] == ["staging", "prod", "prod"]


def test_another_one_did_a_branch_meanwhile(project: Project, one_database: Database) -> None:
    """Who waited while somebody deployed one of two branches does the rest, though it is not the end of its plan."""
    project.table("a1", "first")
    assert project.apply().returncode == 0
    project.table("b2", "second", down="a1")
    project.table("c3", "third", down="a1")
    project.revision("d4", 'op.execute("CREATE TABLE fourth (id int)")', 'op.drop_table("fourth")', down=("b2", "c3"))
    plan = json.loads(project.apply("--mode", "plan", "--format", "json").stdout)
    planned = [each["revision"] for each in plan["pending"]]
    later = planned[1]
    with contextlib.closing(one_database.connect()) as other:
        cursor = other.cursor()
        cursor.execute("SELECT pg_advisory_lock(%s, 1)", [0x65726D])
        with project.deploying("--wait", "1m") as waiter:
            assert waiter.process.stderr is not None
            assert waiter.process.stderr.readline().startswith("Waiting for the deploy lock, held by pid ")
            cursor.execute(f"CREATE TABLE {'second' if later == 'b2' else 'third'} (id int PRIMARY KEY)")
            cursor.execute("UPDATE alembic_version SET version_num = %s", [later])
            cursor.execute("SELECT pg_advisory_unlock_all()")
            code, out, err = waiter.ended()
    assert code == 0, out + err
    assert tables(one_database) == {"first", "second", "third", "fourth", "alembic_version"}
    assert [each["revision"] for each in project.runs()[-1]["revisions"]] == [planned[0], "d4"]


def test_another_one_left_a_part_of_other_code_meanwhile(project: Project, one_database: Database) -> None:
    """Who waited while somebody with other code left a part of a revision does not go on with it by its own code."""
    halves = 'with op.get_context().autocommit_block():\n    op.execute("CREATE TABLE {0} (id int)")\n'
    project.revision("a1", halves.format("theirs") + "op.execute('SELECT 1 / 0')", 'op.drop_table("theirs")')
    assert project.apply().returncode == 1
    one_database.execute("CREATE TABLE kept AS SELECT * FROM erm.progress")
    one_database.execute("DELETE FROM erm.progress")
    project.revision("a1", halves.format("ours"), 'op.drop_table("ours")')
    with contextlib.closing(one_database.connect()) as other:
        cursor = other.cursor()
        cursor.execute("SELECT pg_advisory_lock(%s, 1)", [0x65726D])
        with project.deploying("--wait", "1m") as waiter:
            assert waiter.process.stderr is not None
            assert waiter.process.stderr.readline().startswith("Waiting for the deploy lock, held by pid ")
            cursor.execute("INSERT INTO erm.progress OVERRIDING SYSTEM VALUE SELECT * FROM kept")
            cursor.execute("SELECT pg_advisory_unlock_all()")
            code, out, err = waiter.ended()
    assert code == 1, out + err
    assert "error:  Since it was planned, run 1 has left a part of revision a1; its code was edited since" in err
    assert "cure:   Plan again, to see how far it came; `erm repair a1` shows the ways out." in err
    assert tables(one_database) == {"theirs", "kept", "alembic_version"}
