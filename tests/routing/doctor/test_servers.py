"""`erm doctor` on real servers that were brought into a state."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from erm_alembic.doctor.registry import CHECKS
from erm_alembic.ledger.tables import create_tables
from erm_alembic.render.doctor import doctor_text
from tests.routing.doctor.examining import examined, names, of, project, told, url_of
from tests.routing.servers import EAST, WEST, Servers, until
from tests.support.cli import REPOSITORY, run_erm
from tests.support.poolers import pgbouncer


def test_every_check_stands_on_the_page() -> None:
    """docs/doctor.md has each check of the registry, and no other."""
    page = (REPOSITORY / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == [check.id for check in CHECKS]
    assert len({check.id for check in CHECKS}) == len(CHECKS)


def test_healthy_servers_need_no_mending(servers: Servers, tmp_path: Path) -> None:
    """On every major: nothing is an error, and nothing could not be told; the superuser is told of."""
    found = examined(project(tmp_path, servers.primary.url(), names(servers), more="migrations: {}\n"))
    assert [each for each in found.examined if each.verdict in ("error", "unknown")] == []
    assert found.healthy
    assert told(found, "migration-role", "warning")[0].what == "Migrations run as 'postgres', a superuser."
    assert {each.check for each in found.examined if each.verdict == "warning"} == {"migration-role"}
    assert f"{len(CHECKS) - 2} checks made: nothing must be mended, 1 warning." in doctor_text(found)


def test_a_role_without_rights_is_told_what_deployments_lack(
    newest_servers: Servers, role: str, tmp_path: Path
) -> None:
    """Nothing may be created, somebody else's tables not altered, the ledger not made; each with its grant."""
    newest_servers.primary.execute("CREATE TABLE theirs (id int)")
    try:
        primary = url_of(newest_servers.primary, role)
        found = examined(project(tmp_path, primary, names(newest_servers, role)))
    finally:
        newest_servers.primary.execute("DROP TABLE theirs")
    assert not found.healthy
    (create,) = told(found, "migration-rights", "error")
    assert create.what == f"{role!r} may not create anything in the schema 'public'."
    assert create.cure == f"GRANT CREATE ON SCHEMA public TO {role}"
    assert "'theirs'" in told(found, "migration-rights", "warning")[0].what
    (ledger,) = told(found, "ledger-rights", "error")
    assert ledger.cure == f"CREATE SCHEMA erm AUTHORIZATION {role}"
    assert of(found, "migration-role").verdict == "healthy"
    assert of(found, "positions").verdict == "healthy"
    assert told(found, "statistics", "info")[0].cure == f'On the primary: GRANT pg_monitor TO "{role}"'


def test_the_cures_are_enough(newest_servers: Servers, role: str, tmp_path: Path) -> None:
    """What was told to be granted, once it is granted, leaves nothing to be told."""
    newest_servers.primary.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    newest_servers.primary.execute(f"CREATE SCHEMA erm AUTHORIZATION {role}")
    newest_servers.primary.execute(f"GRANT pg_monitor TO {role}")
    newest_servers.catch_up()
    primary = url_of(newest_servers.primary, role)
    found = examined(project(tmp_path, primary, names(newest_servers, role)))
    assert found.healthy
    assert [of(found, check).verdict for check in ("migration-rights", "ledger-rights", "statistics")] == [
        "healthy"
    ] * 3
    newest_servers.primary.execute("GRANT USAGE ON SCHEMA erm TO PUBLIC; ALTER SCHEMA erm OWNER TO postgres")
    newest_servers.primary.execute("CREATE TABLE erm.run (id int)")
    found = examined(tmp_path)
    newest_servers.primary.execute("DROP SCHEMA erm CASCADE")
    assert "'run'" in told(found, "ledger-rights", "error")[0].what


def test_positions_that_are_not_told_are_an_error(newest_servers: Servers, role: str, tmp_path: Path) -> None:
    """Without them nobody is fresh; the grants that are named make it healthy again."""
    primary = newest_servers.primary
    functions = ("pg_last_wal_replay_lsn()", "pg_control_system()")
    for function in functions:
        primary.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    try:
        newest_servers.catch_up()
        folder = project(tmp_path, url_of(primary, role), names(newest_servers, role))
        found = examined(folder)
        assert [each.server for each in told(found, "positions", "error")] == ["primary", EAST, WEST]
        assert [each.server for each in of(found, "replica-follows").not_told] == [EAST, WEST]
        for function in functions:
            primary.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {role}")
        newest_servers.catch_up()
        assert of(examined(folder), "positions").verdict == "healthy"
    finally:
        for function in functions:
            primary.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")


def test_servers_that_do_not_answer_hide_nothing_of_the_others(newest_servers: Servers, tmp_path: Path) -> None:
    """A replica that is down is an error; what is said of all replicas says that it leaves this one out."""
    folder = project(tmp_path, newest_servers.primary.url(), names(newest_servers))
    newest_servers.east.stop()
    found = examined(folder)
    assert [each.server for each in told(found, "replica-answers", "error")] == [EAST]
    assert (of(found, "same-database").verdict, of(found, "same-database").note) == ("healthy", "east left out")
    newest_servers.primary.stop()
    done = run_erm("doctor", "--env", "prod", cwd=folder)
    assert done.returncode == 1
    assert "error       primary-answers  primary" in done.stdout
    assert "ledger-rights" in done.stdout.partition("(the primary does not answer)")[0]
    document = json.loads(run_erm("doctor", "--env", "prod", "--format", "json", cwd=folder).stdout)
    assert not document["healthy"]
    verdicts = {each["check"]: each["verdict"] for each in document["checks"]}
    assert (verdicts["primary-answers"], verdicts["slots"], verdicts["limits"]) == ("error", "unknown", "healthy")
    assert {each["check"] for each in document["findings"] if each["level"] == "error"} == {
        "primary-answers",
        "replica-answers",
    }


def test_a_promoted_replica_and_who_follows_it_are_errors(fresh_servers: Servers, tmp_path: Path) -> None:
    """The one is no standby, the other one is none of this primary; a primary's address of a standby is told too."""
    fresh_servers.east.promote()
    fresh_servers.follow(WEST, fresh_servers.east)
    until(lambda: fresh_servers.west.execute("SELECT received_tli = 2 FROM pg_stat_wal_receiver") == [(True,)])
    folder = project(tmp_path, fresh_servers.primary.url(), names(fresh_servers))
    found = examined(folder)
    assert [each.server for each in told(found, "replica-is-standby", "error")] == [EAST]
    (west,) = told(found, "replica-follows", "error")
    assert (west.server, "it follows timeline 2, and the primary writes timeline 1" in west.what) == (WEST, True)
    shown = json.loads(run_erm("replicas", "--env", "prod", "--format", "json", cwd=folder).stdout)
    (promoted,) = [each for each in shown["replicas"] if each["name"] == EAST]
    assert (promoted["role"], promoted["read_only"], promoted["follows"]) == ("primary", False, False)
    assert promoted["problem"] == "it is not a standby, or no longer one"
    project(tmp_path, fresh_servers.west.url(), {EAST: fresh_servers.east.url()})
    found = examined(folder)
    assert "in recovery" in told(found, "primary-takes-writes", "error")[0].what


def test_addresses_that_lead_to_the_wrong_place_are_told(newest_servers: Servers, tmp_path: Path) -> None:
    """Another database, the primary itself, one server twice."""
    east = newest_servers.east
    replicas = {
        "other": url_of(east, dbname="template1"),
        "self": newest_servers.primary.url(),
        EAST: east.url(),
        "twin": east.url(),
    }
    found = examined(project(tmp_path, newest_servers.primary.url(), replicas))
    assert [each.server for each in told(found, "same-database", "error")] == ["other"]
    assert [each.server for each in told(found, "distinct-servers", "error")] == ["self"]
    assert [each.server for each in told(found, "distinct-servers", "warning")] == [EAST, "twin"]
    assert of(found, "replica-is-standby").verdict == "healthy"
    assert of(found, "replica-follows").verdict == "unknown"
    assert [each.server for each in of(found, "replica-receives").not_told] == ["self"]


def test_a_held_replay_and_a_forgotten_slot_are_told(newest_servers: Servers, tmp_path: Path) -> None:
    """With what they hold back, and the statements that let go of them."""
    primary = newest_servers.primary
    primary.execute("SELECT pg_create_physical_replication_slot('forgotten', true)")
    newest_servers.pause(WEST)
    newest_servers.write()
    routing = "policies: {critical: {read_only: true, max_follower_lag: 1s, disable_fallback: true}}"
    try:
        folder = project(tmp_path, primary.url(), {WEST: newest_servers.west.url()}, routing=routing)
        found = examined(folder)
    finally:
        primary.execute("SELECT pg_drop_replication_slot('forgotten')")
    assert told(found, "replay-goes-on", "error")[0].what == "Somebody has paused its replay."
    (slot,) = told(found, "slots", "warning")
    assert slot.what.startswith("The slot 'forgotten' is used by nobody and holds back ")
    assert "SELECT pg_drop_replication_slot('forgotten')" in slot.cure
    assert "fail with NoReplicaAvailable" in told(found, "lag", "error")[0].effect
    assert "smallest limit of lag is 1s" in told(found, "replay-and-queries", "warning")[0].what
    assert told(found, "fallback", "info") == []


def test_commits_that_wait_for_nobody_are_an_error(newest_servers: Servers, tmp_path: Path) -> None:
    """A synchronous standby that is not there hangs every commit."""
    primary = newest_servers.primary
    folder = project(tmp_path, primary.url(), names(newest_servers))
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    primary.execute("SELECT pg_reload_conf()")
    try:
        found = examined(folder)
    finally:
        primary.execute("ALTER SYSTEM RESET synchronous_standby_names")
        primary.execute("SELECT pg_reload_conf()")
    (waits,) = told(found, "synchronous-standbys", "error")
    assert waits.what == "Commits wait for synchronous standbys (nobody), and none of these is connected."


@pytest.mark.parametrize(("mode", "words"), [("transaction", "in transaction mode"), ("session", "in session mode")])
def test_a_pooler_is_told_with_its_mode(newest_servers: Servers, tmp_path: Path, mode: str, words: str) -> None:
    """Two sessions that ask in turn find out whether they share a server connection."""
    with pgbouncer(newest_servers.primary.socket_dir, mode, default_pool_size="3") as pooler:
        found = examined(project(tmp_path, pooler.url("postgres"), names(newest_servers)))
    (one,) = told(found, "poolers", "error")
    assert one.what == f"The primary is behind a connection pooler {words}."
    assert of(found, "database-for-migrations").skipped == "a pooler is in the way"
    assert of(found, "migration-rights").verdict == "unknown"


def test_a_database_of_another_environment_is_told(newest_servers: Servers, tmp_path: Path) -> None:
    """As the ledger itself has it, also of a run that died."""
    primary = newest_servers.primary
    primary.execute("CREATE DATABASE deployed")
    try:
        with closing(psycopg2.connect(primary.url("deployed"))) as connection:
            connection.autocommit = True
            create_tables(connection, "erm")
        primary.execute(
            "INSERT INTO erm.run (mode, environment, who, host, backend_pid, erm_version)"
            " VALUES ('apply', 'staging', 'me', 'here', 0, '1')",
            dbname="deployed",
        )
        found = examined(project(tmp_path, primary.url("deployed"), routing=""))
    finally:
        primary.execute("DROP DATABASE deployed WITH (FORCE)")
    assert told(found, "runs", "warning")[0].what == "Run 1 ended without a word."
    assert "was deployed as staging" in told(found, "runs", "error")[0].what


def test_without_replicas_only_the_rest_is_checked(newest_servers: Servers, tmp_path: Path) -> None:
    """What is about replicas is not needed, and says why."""
    found = examined(project(tmp_path, newest_servers.primary.url(), routing=""))
    assert found.healthy
    assert of(found, "lag").skipped == "there are no replicas"
    assert of(found, "slots").verdict == "healthy"
    assert "lag, clocks, positions" in doctor_text(found)
    assert of(found, "discovery").skipped == "no discovery is configured"
