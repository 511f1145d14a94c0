"""`erm doctor`: each check, on real servers where one can be brought into that state."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from erm_alembic.config.loader import load_settings
from erm_alembic.doctor.evidence import Evidence, Runs, gather
from erm_alembic.doctor.examination import conclude, examine
from erm_alembic.doctor.files import tracked_files
from erm_alembic.doctor.model import Diagnosis, Examination, Examined
from erm_alembic.doctor.registry import CHECKS
from erm_alembic.errors import ErmError
from erm_alembic.ledger.tables import create_tables
from erm_alembic.postgres.server_facts import ServerFacts, Slot
from erm_alembic.render.doctor import doctor_json, doctor_text
from erm_alembic.revisions.project import find_project
from erm_alembic.routing.configured import cluster_of
from erm_alembic.routing.watching.state import Trouble
from tests.routing.servers import EAST, WEST, Servers, until
from tests.support.cli import REPOSITORY, run_erm
from tests.support.poolers import pgbouncer
from tests.support.servers import PrivateServer

ROUTING = "fallback_budget: {share: 0.2}, policies: {reporting: {read_only: true, max_follower_lag: 60s}}"


def url_of(server: PrivateServer, role: str = "postgres", dbname: str = "postgres") -> str:
    return server.url(dbname).replace("postgres@", f"{role}@")


def project(
    folder: Path, primary: str, replicas: dict[str, str] | None = None, *, routing: str = ROUTING, more: str = ""
) -> Path:
    """A folder whose erm.yaml describes some servers, with an Alembic project."""
    if not (folder / "alembic.ini").exists():
        (folder / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
        (folder / "migrations").mkdir(exist_ok=True)
        (folder / "migrations" / "env.py").write_text("")
    listed = ", ".join(f"{{name: {name}, url: {json.dumps(url)}}}" for name, url in (replicas or {}).items())
    (folder / "erm.yaml").write_text(
        f"database:\n  environments: {{prod: {{url: {json.dumps(primary)}}}}}\n"
        f"  replicas: [{listed}]\n  routing: {{{routing}}}\n{more}"
    )
    return folder


def examined(folder: Path, env: str = "prod") -> Examination:
    return examine(load_settings(env, cwd=folder))


def of(found: Examination, check: str) -> Examined:
    (one,) = [each for each in found.examined if each.check == check]
    return one


def told(found: Examination, check: str, level: str) -> list[Diagnosis]:
    return [each for each in of(found, check).diagnoses if each.level == level]


def names(servers: Servers, role: str = "postgres") -> dict[str, str]:
    return {name: url_of(each, role) for name, each in servers.standbys.items()}


@pytest.fixture(scope="module")
def gathered() -> dict[Path, Evidence]:
    """What was gathered of healthy servers, by the folder of their primary: a value, which tests may share."""
    return {}


@pytest.fixture
def evidence(newest_servers: Servers, tmp_path: Path, gathered: dict[Path, Evidence]) -> Evidence:
    """All that there is to see of healthy servers, to be bent by a test into what no server here can be."""
    primary = newest_servers.primary
    if primary.folder not in gathered:
        settings = load_settings("prod", cwd=project(tmp_path, primary.url(), names(newest_servers)))
        with cluster_of(settings) as cluster:
            gathered[primary.folder] = gather(settings, cluster)
    return gathered[primary.folder]


def with_facts(evidence: Evidence, name: str, **facts: Any) -> Evidence:
    """The same, where a server said something else of itself."""
    overview = evidence.overview
    if name == "primary":
        assert overview.primary.facts is not None
        primary = replace(overview.primary, facts=replace(overview.primary.facts, **facts))
        return replace(evidence, overview=replace(overview, primary=primary))
    replicas = tuple(
        replace(each, facts=replace(each.facts, **facts)) if each.name == name and each.facts else each
        for each in overview.replicas
    )
    return replace(evidence, overview=replace(overview, replicas=replicas))


def with_state(evidence: Evidence, name: str, **state: Any) -> Evidence:
    """The same, where the monitor knows something else of a replica."""
    replicas = tuple(
        replace(each, state=replace(each.state, **state)) if each.name == name else each
        for each in evidence.overview.replicas
    )
    return replace(evidence, overview=replace(evidence.overview, replicas=replicas))


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


def test_a_server_of_another_cluster_is_told_as_such(evidence: Evidence) -> None:
    """A primary and a standby of another one: their url is wrong, and nobody is told to rebuild them."""
    primary = with_facts(with_state(evidence, EAST, system=5), EAST, in_recovery=False)
    found = conclude(primary)
    (wrong,) = told(found, "replica-is-standby", "error")
    assert (wrong.server, wrong.what) == (EAST, "It is the primary of another cluster.")
    assert wrong.cure == "It is of another cluster; correct its url."
    assert {of(found, check).verdict for check in ("replica-follows", "replica-receives")} == {"unknown"}
    (wrong,) = told(conclude(with_state(evidence, EAST, system=5, follows=False)), "replica-follows", "error")
    assert wrong.cure == "It is of another cluster; correct its url."


def test_a_server_is_told_of_once_and_counted_as_it_is_shown(evidence: Evidence) -> None:
    """Where two addresses lead to it; and what is so of two servers is one finding."""
    both = with_facts(with_facts(evidence, EAST, version="9"), WEST, version="9")
    assert [each.server for each in told(conclude(both), "versions", "info")] == [EAST, WEST]
    twins = with_facts(with_facts(both, EAST, started=1.0), WEST, started=1.0)
    assert [each.server for each in told(conclude(twins), "versions", "info")] == [EAST]
    late = with_facts(with_facts(evidence, EAST, clock=1.0), WEST, clock=1.0)
    text = doctor_text(conclude(late))
    assert "warning     clocks  east, west\n" in text
    assert "nothing must be mended, 2 warnings." in text  # and migrations as a superuser


def test_without_an_alembic_project_nothing_is_said_of_migrations(evidence: Evidence) -> None:
    """Not that their rights are in order either; one that is named and not there is another matter."""
    found = conclude(replace(evidence, project=ErmError("There is none.")))
    assert {each.check for each in found.examined if each.skipped == "there is no Alembic project"} == {
        "database-for-migrations",
        "migration-role",
        "migration-rights",
        "ledger-rights",
    }


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


@pytest.mark.parametrize(
    ("routing", "check", "level", "words"),
    [
        ("policies: {p: {read_only: true, max_follower_lag: 0s}}", "limits", "error", "allows 0s of lag"),
        ("policies: {p: {read_only: true, max_follower_lag: 1s}}", "limits", "warning", "allows 1s of lag"),
        (
            "policies: {p: {read_only: true, max_follower_lag: 1s, disable_fallback: true}}",
            "limits",
            "error",
            "allows 1s of lag, and the servers are looked at every 1s (monitor_interval)",
        ),
        ("policies: {p: {max_follower_lag: 1s, max_wait: 1s}}", "policies", "warning", "max_follower_lag, max_wait"),
        ("policies: {p: {}}", "policies", "info", "no policy that reads from them"),
        ("policies: {p: {read_only: true}}", "fallback", "info", "no bound"),
    ],
)
def test_what_the_file_asks_is_held_against_what_can_be(
    evidence: Evidence, tmp_path: Path, routing: str, check: str, level: str, words: str
) -> None:
    """Limits that nobody can meet, settings without effect."""
    replica = evidence.settings.replicas[0].url.text
    project(tmp_path, evidence.overview.primary.url, {EAST: replica}, routing=routing)
    found = conclude(replace(evidence, settings=load_settings("prod", cwd=tmp_path)))
    assert words in told(found, check, level)[0].what


def test_a_heartbeat_that_cannot_be_written_is_an_error(evidence: Evidence, tmp_path: Path) -> None:
    """Said once for all replicas, with the statement that lets the role write it."""
    overview, routing = evidence.overview, "heartbeat: {schema: our beats}"
    project(tmp_path, overview.primary.url, {EAST: evidence.settings.replicas[0].url.text}, routing=routing)
    problem = "no heartbeat can be written: permission denied for schema our beats"
    state = {"problem": problem, "trouble": Trouble.NO_HEARTBEAT}
    replicas = tuple(replace(each, state=replace(each.state, **state)) for each in overview.replicas)
    settings = load_settings("prod", cwd=tmp_path)
    found = conclude(replace(evidence, settings=settings, overview=replace(overview, replicas=replicas)))
    (one,) = told(found, "heartbeat", "error")
    assert problem in one.what
    assert 'CREATE SCHEMA "our beats" AUTHORIZATION "postgres"' in one.cure
    assert of(found, "positions").skipped == "a heartbeat stands in for them"


def test_a_heartbeat_that_arrives_is_healthy(evidence: Evidence, tmp_path: Path) -> None:
    """Drift leaves its table out by itself."""
    replica = evidence.settings.replicas[0].url.text
    project(tmp_path, evidence.overview.primary.url, {EAST: replica}, routing="heartbeat: {schema: beats}")
    found = conclude(replace(evidence, settings=load_settings("prod", cwd=tmp_path)))
    assert of(found, "heartbeat").verdict == "healthy"


@pytest.mark.parametrize(
    ("server", "facts", "check", "level", "words"),
    [
        ("primary", {"is_local": False}, "encryption", "error", "not encrypted (sslmode=prefer)"),
        (EAST, {"is_local": False, "encrypted": True}, "encryption", "warning", "nobody makes sure to whom"),
        (EAST, {"clock": 0.0}, "clocks", "warning", "behind the primary's"),
        ("primary", {"connection_limit": 2, "is_superuser": False}, "connection-limits", "warning", "10 connections"),
        (EAST, {"receiver": None}, "replica-receives", "warning", "It receives no log"),
        (EAST, {"conflicts": {"snapshot": 3, "lock": 0}}, "replay-and-queries", "warning", "cancelled 3 queries"),
        (
            "primary",
            {"slots": (Slot("gone", "physical", False, wal_status="lost", invalidation_reason="wal_removed"),)},
            "slots",
            "error",
            "The slot 'gone' is lost (wal_removed)",
        ),
        (
            "primary",
            {"slots": (Slot("late", "logical", True, held_bytes=1, wal_status="unreserved"),)},
            "slots",
            "error",
            "about to be lost",
        ),
        (
            "primary",
            {"slots": (Slot("big", "logical", False, held_bytes=12 << 30, wal_status="extended"),)},
            "slots",
            "error",
            "holds back 12.0 GB of log",
        ),
    ],
)
def test_what_no_server_here_can_be_is_told_all_the_same(
    evidence: Evidence, server: str, facts: dict[str, Any], check: str, level: str, words: str
) -> None:
    """Servers that are as healthy as can be, but for one thing that they say of themselves."""
    found = conclude(with_facts(evidence, server, **facts))
    (one,) = told(found, check, level)
    assert (one.server, words in one.what) == (server, True)
    others = {each.check for each in found.examined if each.verdict == "error"}
    assert others <= {check}


@pytest.mark.parametrize(
    ("name", "value", "level", "words"),
    [
        ("max_standby_streaming_delay", "-1", "warning", "waits for a query without end"),
        ("max_standby_streaming_delay", "300000", "warning", "waits 5m for a query"),
        ("hot_standby_feedback", "on", "info", "hot_standby_feedback is on"),
    ],
)
def test_how_a_standby_deals_with_queries_is_told(
    evidence: Evidence, name: str, value: str, level: str, words: str
) -> None:
    """Set against the smallest limit of lag."""
    east = evidence.servers[EAST]
    assert isinstance(east, ServerFacts)
    found = conclude(with_facts(evidence, EAST, settings={**east.settings, name: value}))
    assert any(words in each.what and each.server == EAST for each in told(found, "replay-and-queries", level))


def test_a_delay_beyond_every_limit_is_an_error(evidence: Evidence) -> None:
    """A standby that replays an hour late never answers a read that allows a minute."""
    settings = {**evidence.servers[EAST].settings, "recovery_min_apply_delay": "3600000"}
    (late,) = told(conclude(with_facts(evidence, EAST, settings=settings)), "replay-goes-on", "error")
    assert late.what == "It replays on purpose 1h late (recovery_min_apply_delay)."


def test_addresses_with_several_hosts_say_which_one_is_meant(evidence: Evidence) -> None:
    """A primary's may lead to a standby; with target_session_attrs it does not."""
    overview = evidence.overview
    for url, count in (("postgresql://a,b/shop", 1), ("postgresql://a,b/shop?target_session_attrs=read-write", 0)):
        bent = replace(evidence, overview=replace(overview, primary=replace(overview.primary, url=url)))
        assert len(told(conclude(bent), "several-hosts", "warning")) == count


def test_secrets_in_git_are_errors(evidence: Evidence, tmp_path: Path, secret: str) -> None:
    """A typed password, a tracked file of an address, a password in alembic.ini; none of them is shown."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "dsn").write_text(f"postgresql://app:{secret}@db/shop")
    (tmp_path / "dsn").chmod(0o644)
    (tmp_path / "alembic.ini").write_text(
        f"[alembic]\nscript_location = migrations\nsqlalchemy.url = postgresql://app:{secret}@db/shop\n"
    )
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "env.py").write_text("")
    project(tmp_path, f"postgresql://app:{secret}@db/shop", {EAST: "file:dsn"})
    subprocess.run([*git, "add", "-f", "erm.yaml", "dsn"], cwd=tmp_path, check=True)
    settings = load_settings("prod", cwd=tmp_path)
    ini = tmp_path / "alembic.ini"
    tracked = tracked_files(settings, ini)
    assert tracked == {tmp_path / "erm.yaml", tmp_path / "dsn"}
    found = conclude(
        replace(evidence, settings=settings, tracked=tracked, ini_has_password=True, project=find_project(settings))
    )
    (typed,) = told(found, "typed-passwords", "error")
    assert (typed.path, typed.line) == ("erm.yaml", 2)
    assert typed.effect.startswith("git keeps the file")
    assert told(found, "typed-passwords", "warning")[0].path == "alembic.ini"
    assert "git tracks dsn" in told(found, "secret-files", "error")[0].what
    assert told(found, "secret-files", "warning")[0].cure == f"chmod 600 {tmp_path / 'dsn'}"
    assert secret not in doctor_text(found) + doctor_json(found)
    assert tracked_files(
        load_settings("prod", cwd=project(Path(tmp_path / "migrations"), "postgresql://db/a")), None
    ) == (frozenset())


def test_what_deployments_left_behind_is_told(evidence: Evidence) -> None:
    """A half-done revision, and a database that belongs to another environment, with what to type."""
    found = conclude(replace(evidence, runs=Runs(None, ("3f9a; x",), frozenset({"staging"}))))
    half, other = told(found, "runs", "error")
    assert half.cure == "erm repair '3f9a; x' --env prod"
    assert other.what == "This database was deployed as staging, and never as prod."


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
