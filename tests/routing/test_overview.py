"""`erm replicas`: what a person sees of a primary with its replicas, of real servers in every state."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from erm_alembic.config.loader import load_settings
from erm_alembic.postgres.server_facts import ServerFacts
from erm_alembic.render.replicas import replicas_text
from erm_alembic.render.replicas_json import replicas_json
from erm_alembic.routing import ReplicaConfig, ReplicaReadOptions, connect_cluster
from erm_alembic.routing.configured import cluster_of
from erm_alembic.routing.need import Need
from erm_alembic.routing.reporting.overview import Observer
from tests.routing.servers import EAST, PATIENCE, WEST, Servers, frozen, until
from tests.support.cli import REPOSITORY, erm_environment, run_erm

POLICIES = """\
  routing:
    default_policy: reporting
    monitor_interval: 200ms
    policies:
      reporting: {read_only: true, max_follower_lag: 20s}
      critical: {read_only: true, max_follower_lag: 1s, disable_fallback: true}
      billing: {read_only: false}
"""


def project(folder: Path, servers: Servers, *, role: str = "postgres", replicas: bool = True, more: str = "") -> Path:
    """A folder whose erm.yaml describes the servers."""

    def url(server: Any) -> str:
        return json.dumps(server.url().replace("postgres@", f"{role}@"))

    found = [f"    - {{name: {name}, url: {url(each)}}}\n" for name, each in servers.standbys.items()]
    text = f"database:\n  environments: {{prod: {{url: {url(servers.primary)}}}}}\n{POLICIES}{more}"
    (folder / "erm.yaml").write_text(f"{text}  replicas:\n{''.join(found)}" if replicas else text)
    return folder


def seen(folder: Path, code: int = 0) -> dict[str, Any]:
    """What `erm replicas --format json` says."""
    done = run_erm("replicas", "--env", "prod", "--format", "json", cwd=folder)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def looked(folder: Path, patience: float = 0.5) -> tuple[str, dict[str, Any]]:
    """What is printed, as text and as JSON, of one look that is not patient."""
    with cluster_of(load_settings("prod", cwd=folder)) as cluster, Observer(cluster, patience, patience) as observer:
        overview = observer.look()
    found: dict[str, Any] = json.loads(replicas_json(overview, "prod"))
    return replicas_text(overview, "prod"), found


def replica(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [each for each in found["replicas"] if each["name"] == name]
    return dict(one)


def policy(found: dict[str, Any], name: str | None) -> dict[str, Any]:
    (one,) = [each for each in found["policies"] if each["name"] == name]
    return dict(one)


@pytest.fixture
def slot(newest_servers: Servers) -> Iterator[str]:
    """A slot that nobody uses, and that holds back what is written from now on."""
    newest_servers.primary.execute("SELECT pg_create_physical_replication_slot('forgotten', true)")
    yield "forgotten"
    newest_servers.primary.execute("SELECT pg_drop_replication_slot('forgotten')")


def test_healthy_servers_are_shown_with_who_may_answer_what(servers: Servers, tmp_path: Path) -> None:
    """On every major: roles, positions, sync states, and every replica eligible under every policy of reads."""
    settings = load_settings("prod", cwd=project(tmp_path, servers))
    with cluster_of(settings) as cluster, Observer(cluster) as observer:
        found = observer.look()
    assert (found.primary.role, found.primary.state.reachable) == ("primary", True)
    assert isinstance(found.primary.facts, ServerFacts)
    assert found.primary.facts.refused == ()
    for each in found.replicas:
        assert (each.role, each.state.follows, each.state.timeline) == ("standby", True, 1)
        assert each.state.lag is not None
        assert each.facts is not None
        assert (each.facts.refused, each.facts.replay_paused) == ((), False)
        assert each.facts.conflicts.keys() >= {"lock", "snapshot"}
        assert each.sender is not None
        assert (each.sender.state, each.sender.sync_state) == ("streaming", "async")
    assert found.policies[0].eligible == (EAST, WEST)


def test_a_replica_that_is_behind_is_eligible_where_its_lag_is_allowed(newest_servers: Servers, tmp_path: Path) -> None:
    """Its lag is told in seconds and bytes, and the policy that it is too stale for names the reason."""
    project(tmp_path, newest_servers)
    newest_servers.write()
    newest_servers.catch_up()
    newest_servers.pause(WEST)
    newest_servers.write()
    text, found = looked(tmp_path)
    west = replica(found, WEST)
    assert west["lag_seconds"] > 0
    assert west["lag_is_at_least"]
    assert west["lag_bytes"] > 0
    assert west["last_commit_age_seconds"] >= 0
    assert west["replay_paused"]
    assert policy(found, "critical")["eligible"] == [EAST]
    assert policy(found, "critical")["objections"] == {WEST: "its lag is above the limit"}
    assert policy(found, None)["eligible"] == [EAST, WEST]
    assert policy(found, "reporting")["default"]
    assert not policy(found, "billing")["replicas"]
    assert "west: its replay is paused; SELECT pg_wal_replay_resume() lets it go on" in text
    assert "  critical                 up to 1s   east         not west: its lag is above the limit" in text
    assert "  billing                             the primary" in text


def test_a_replica_that_cannot_be_reached_leaves_the_rest_to_be_seen(newest_servers: Servers, tmp_path: Path) -> None:
    """A stopped one and one that hangs are told as such, and nobody waits for them for long."""
    project(tmp_path, newest_servers)
    newest_servers.east.stop()
    with frozen(newest_servers.west):
        _, found = looked(tmp_path)
    assert [replica(found, name)["reachable"] for name in (EAST, WEST)] == [False, False]
    assert "No such file or directory" in replica(found, EAST)["problem"]
    assert replica(found, WEST)["problem"]
    assert replica(found, WEST)["lag_seconds"] is None
    assert policy(found, "critical")["eligible"] == []
    assert found["primary"]["reachable"]


def test_a_primary_that_cannot_be_reached_is_an_error_beside_the_table(newest_servers: Servers, tmp_path: Path) -> None:
    """What the replicas say is shown; exit 1, because nobody's lag is known without the primary."""
    folder = project(tmp_path, newest_servers)
    newest_servers.primary.stop()
    found = seen(folder, 1)
    assert not found["primary"]["reachable"]
    assert replica(found, EAST)["reachable"]
    assert replica(found, EAST)["lag_seconds"] is None
    done = run_erm("replicas", "--env", "prod", cwd=folder)
    assert done.returncode == 1
    assert "east     standby  yes        yes        ?" in done.stdout
    assert "cannot be reached" in done.stderr


def test_a_replica_of_another_database_is_never_read_from(newest_servers: Servers, tmp_path: Path) -> None:
    """The table, `explain` and the route say why; the other replica is read from."""
    servers = newest_servers
    settings = load_settings("prod", cwd=project(tmp_path, servers))
    replicas = [ReplicaConfig(EAST, servers.east.url("template1")), ReplicaConfig(WEST, servers.west.url())]
    said = "its address leads to the database 'template1', and the primary's to 'postgres'"
    with connect_cluster(servers.primary.url(), replicas) as cluster, Observer(cluster) as observer:
        assert f"east: {said}" in replicas_text(observer.look(), settings.environment)
        assert cluster.explain(select(1), ReplicaReadOptions()).replicas == {EAST: said, WEST: ""}
        assert {cluster.router.choose(Need(), asynchronous=False).name for _ in range(20)} == {WEST}  # type: ignore[union-attr]


def test_slots_tell_what_they_hold_back(newest_servers: Servers, slot: str, tmp_path: Path) -> None:
    """One that nobody uses is shown with the log that is kept for it."""
    (found,) = seen(project(tmp_path, newest_servers))["slots"]
    assert (found["name"], found["kind"], found["active"], found["wal_status"]) == (
        slot,
        "physical",
        False,
        "reserved",
    )
    assert found["held_bytes"] > 0
    text = run_erm("replicas", "--env", "prod", cwd=tmp_path).stdout
    assert "forgotten  physical  no" in text


def test_a_role_without_pg_monitor_is_told_what_it_cannot_see(
    newest_servers: Servers, role: str, tmp_path: Path
) -> None:
    """Lag, positions and policies are there; sync states are not, with the statement that would show them."""
    folder = project(tmp_path, newest_servers, role=role)
    found = seen(folder)
    east = replica(found, EAST)
    assert (east["lag_seconds"], east["sync_state"]) == (0.0, None)
    assert policy(found, "critical")["eligible"] == [EAST, WEST]
    said = f'on the primary: GRANT pg_monitor TO "{role}"'
    assert [said in line for line in found["unseen"]] == [True]
    newest_servers.primary.execute(f"GRANT pg_monitor TO {role}")
    newest_servers.catch_up()
    found = seen(folder)
    assert (replica(found, EAST)["sync_state"], found["unseen"]) == ("async", [])


def test_what_is_revoked_is_named_and_the_rest_is_shown(newest_servers: Servers, role: str, tmp_path: Path) -> None:
    """Where the slots may not be read, they are what is missing, and nothing else."""
    newest_servers.primary.execute(f"GRANT pg_monitor TO {role}")
    newest_servers.primary.execute("REVOKE SELECT ON pg_replication_slots FROM PUBLIC")
    try:
        newest_servers.catch_up()
        found = seen(project(tmp_path, newest_servers, role=role))
    finally:
        newest_servers.primary.execute("GRANT SELECT ON pg_replication_slots TO PUBLIC")
    assert found["primary"]["refused"] == ["pg_stat_replication", "pg_replication_slots"]
    assert replica(found, EAST)["follows"]


def test_a_configured_heartbeat_measures_who_states_no_position(
    newest_servers: Servers, role: str, tmp_path: Path
) -> None:
    """With the keys of erm.yaml alone: lag in seconds and eligibility are known, bytes are not."""
    primary = newest_servers.primary
    functions = ("pg_last_wal_replay_lsn()", "pg_control_system()", "pg_current_wal_insert_lsn()")
    project(tmp_path, newest_servers, role=role, more="    heartbeat: {schema: beats, table: beat}\n")
    try:
        for function in functions:
            primary.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        newest_servers.catch_up()
        _, blind = looked(tmp_path)
        primary.execute(f"CREATE SCHEMA beats AUTHORIZATION {role}")
        text, found = looked(tmp_path, patience=PATIENCE)
    finally:
        primary.execute("DROP SCHEMA IF EXISTS beats CASCADE")
        for function in functions:
            primary.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")
    assert "no heartbeat can be written: permission denied" in replica(blind, EAST)["problem"]
    assert policy(blind, "reporting")["eligible"] == []
    east = replica(found, EAST)
    assert (east["follows"], east["lag_bytes"], east["position"], east["problem"]) == (True, None, None, None)
    assert east["lag_seconds"] is not None
    assert policy(found, "reporting")["eligible"] == [EAST, WEST]
    assert "pg_last_wal_replay_lsn" not in text


def test_without_replicas_it_says_so(newest_servers: Servers, tmp_path: Path) -> None:
    """The primary is shown all the same."""
    folder = project(tmp_path, newest_servers, replicas=False)
    assert seen(folder)["replicas"] == []
    text = run_erm("replicas", cwd=folder, env={"ERM_ENV": "prod"}).stdout
    assert "No replicas are configured for this environment: every read goes to the primary." in text


def test_watching_prints_one_object_a_line_until_a_signal(newest_servers: Servers, tmp_path: Path) -> None:
    """Each line is a whole object; SIGTERM ends it with 143, and without a word."""
    arguments = [sys.executable, "-m", "erm_alembic", "replicas", "--env", "prod", "--watch", "0.1", "--format", "json"]
    folder = project(tmp_path, newest_servers)
    process = subprocess.Popen(
        arguments, cwd=folder, env=erm_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (143, "")
    moments = [line["taken_at"] for line in lines]
    assert moments == sorted(set(moments))


def test_watching_redraws_a_terminal_and_ends_with_ctrl_c(newest_servers: Servers, tmp_path: Path) -> None:
    """Each picture begins in the upper left corner; Ctrl-C ends it with 130, and the terminal wraps lines again."""
    controller, terminal = pty.openpty()
    environ = {**erm_environment(), "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "LINES": "9"}
    process = subprocess.Popen(
        [sys.executable, "-m", "erm_alembic", "replicas", "--watch", "--env", "prod"],
        cwd=project(tmp_path, newest_servers),
        env=environ,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    received = bytearray()

    def pictures() -> list[bytes]:
        try:
            received.extend(os.read(controller, 65536))
        except OSError:  # the terminal's end
            process.wait(30)
        return bytes(received).split(b"\x1b[H")[1:]

    until(lambda: len(pictures()) >= 2, lambda: bytes(received))
    process.send_signal(signal.SIGINT)
    until(lambda: pictures() and process.poll() is not None)
    assert process.returncode == 130
    os.close(controller)
    assert b"more lines: make the terminal higher" in received
    assert bytes(received).rstrip().endswith(b"\x1b[?7h")
    assert b"error" not in received


def test_addresses_that_lead_to_a_server_already_there_are_told(newest_servers: Servers, tmp_path: Path) -> None:
    """The primary itself, one standby twice; and a long list of reasons goes on below itself."""
    servers = newest_servers
    replicas = [ReplicaConfig(name, servers.primary.url()) for name in ("first", "second", "third")]
    replicas += [ReplicaConfig(name, servers.east.url()) for name in (EAST, "twin")]
    with connect_cluster(servers.primary.url(), replicas) as cluster, Observer(cluster) as observer:
        text = replicas_text(observer.look(), "prod")
    assert "\nfirst: it is the primary itself\n" in text
    assert "\ntwin: its address leads to the same server as that of east\n" in text
    indent = " " * len("  any replica  any lag  east, twin  ")
    said = "it is the primary itself"
    assert f"  any replica  any lag  east, twin  not first: {said}; not second: {said};\n" in text
    assert f";\n{indent}not third: {said}\n" in text


def test_watching_tells_once_what_cannot_be_seen(newest_servers: Servers, role: str, tmp_path: Path) -> None:
    """And ends with 130, without a word, however often it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-m", "erm_alembic", "replicas", "--env", "prod", "--watch", "0.1"],
        cwd=project(tmp_path, newest_servers, role=role),
        env=erm_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    lines: list[str] = []
    while sum(line.startswith("Target ") for line in lines) < 4:
        lines.append(process.stdout.readline())
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "")
    assert sum(line.startswith("Not seen: ") for line in lines) == 1


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "inf"])
def test_a_pace_that_is_none_is_refused(tmp_path: Path, seconds: str) -> None:
    """Exit 2, before anything is asked."""
    done = run_erm("replicas", f"--watch={seconds}", cwd=tmp_path)
    assert done.returncode == 2
    assert f"--watch: {seconds!r} is no number of seconds above 0." in done.stderr
