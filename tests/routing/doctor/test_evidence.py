"""`erm doctor` on what was gathered of real servers, bent into what no server here can be."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.config.loader import load_settings
from erm_alembic.doctor.evidence import Evidence, Runs
from erm_alembic.doctor.examination import conclude
from erm_alembic.doctor.files import tracked_files
from erm_alembic.errors import ErmError
from erm_alembic.postgres.server_facts import ServerFacts, Slot
from erm_alembic.render.doctor import doctor_json, doctor_text
from erm_alembic.revisions.project import find_project
from erm_alembic.routing.watching.state import Trouble
from tests.routing.doctor.examining import of, project, told, with_facts, with_state
from tests.routing.servers import EAST, WEST


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
        "login-owner",
        "login-lasts",
        "migration-rights",
        "ledger-rights",
    }


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
