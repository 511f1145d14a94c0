"""`database.replicas` and `database.routing` of erm.yaml: what a cluster can be told, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from erm_alembic.config.document import InvalidConfiguration
from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import FallbackBudgetSettings, HeartbeatSettings, PolicySettings, Settings
from erm_alembic.routing import FallbackBudget, HeartbeatTable
from erm_alembic.routing.configured import cluster_of
from erm_alembic.routing.limits import LagLimit
from tests.support.cli import run_erm

WHOLE = """\
database:
  url: postgresql://db/app
  replicas:
    - {name: east, url: "postgresql://east/app", max_follower_lag: 16MB, weight: 2.5}
    - {name: west, url: "postgresql://west/app"}
  routing:
    default_policy: reporting
    monitor_interval: 250ms
    on_stale: refetch
    fallback_budget: {share: 0.2, rate: 100}
    heartbeat: {schema: monitoring}
    policies:
      reporting: {read_only: true, max_follower_lag: 20s, max_wait: 200ms, prevent_writes: true, snapshot: true}
      billing: {read_only: false}
  environments:
    staging:
      routing:
        monitor_interval: 2s
        fallback_budget: {share: 0.5, at_least: 3}
        heartbeat: {table: beats}
        policies: {reporting: {max_wait: 1s}}
    dev: {routing: {fallback_budget: "off", heartbeat: off}}
"""


def load(folder: Path, text: str, env: str = "prod") -> Settings:
    (folder / "erm.yaml").write_text(text)
    return load_settings(env, environ={}, cwd=folder)


def problems(folder: Path, routing: str, replica: str = "") -> list[str]:
    """What is said of one line of routing, and of a replica with some keys more."""
    text = (
        f"database:\n  url: postgresql://db/app\n  routing: {routing}\n"
        f'  replicas: [{{name: east, url: "postgresql://east/app"{replica}}}]\n'
    )
    with pytest.raises(InvalidConfiguration) as caught:
        load(folder, text)
    return [str(problem) for problem in caught.value.problems]


def test_every_key_is_in_force(tmp_path: Path) -> None:
    """The file says all that a program can say of its cluster, with the same words."""
    settings = load(tmp_path, WHOLE)
    routing = settings.routing
    assert routing.monitor_interval == timedelta(milliseconds=250)
    assert routing.on_stale == "refetch"
    assert routing.fallback_budget == FallbackBudgetSettings(0.2, 100, 20)
    assert routing.heartbeat == HeartbeatSettings("monitoring", "erm_heartbeat")
    assert routing.policies["reporting"] == PolicySettings(
        True, timedelta(seconds=20), False, timedelta(milliseconds=200), True, True
    )
    assert [(replica.max_follower_lag, replica.weight) for replica in settings.replicas] == [(16 << 20, 2.5), (None, 1)]


def test_a_profile_wins_key_by_key(tmp_path: Path) -> None:
    """Also within the budget, the heartbeat and a policy; `off` takes away what the base has."""
    staging, dev = load(tmp_path, WHOLE, "staging").routing, load(tmp_path, WHOLE, "dev").routing
    assert staging.fallback_budget == FallbackBudgetSettings(0.5, 100, 3)
    assert staging.heartbeat == HeartbeatSettings("monitoring", "beats")
    assert staging.monitor_interval == timedelta(seconds=2)
    assert staging.policies["reporting"].max_wait == timedelta(seconds=1)
    assert staging.policies["reporting"].max_follower_lag == timedelta(seconds=20)
    assert (dev.fallback_budget, dev.heartbeat) == (None, None)


def test_a_cluster_is_what_the_file_says(tmp_path: Path) -> None:
    """All of it reaches the cluster that is made of it; what the program says wins."""
    with cluster_of(load(tmp_path, WHOLE)) as cluster:
        policy = cluster.policies["reporting"]
        assert (policy.max_wait, policy.prevent_writes, policy.snapshot) == (0.2, True, True)
        assert cluster.on_stale == "refetch"
        assert [node.limit for node in cluster.replicas] == [LagLimit(bytes=16 << 20), LagLimit()]
        assert [node.config.weight for node in cluster.replicas] == [2.5, 1]
        assert cluster.monitor.interval == 0.25
        assert cluster.monitor.heartbeat == HeartbeatTable("monitoring")
        assert cluster.fallback_budget == FallbackBudget(0.2, 100)
    options = {"monitor_interval": "5s", "heartbeat": None, "on_stale": "warn"}
    with cluster_of(load(tmp_path, WHOLE), **options) as cluster:
        assert (cluster.monitor.interval, cluster.monitor.heartbeat, cluster.on_stale) == (5, None, "warn")


@pytest.mark.parametrize(
    ("routing", "said"),
    [
        ("{fallback_budget: {share: 1.5}}", "fallback_budget.share: the number must be 1 or less"),
        ("{fallback_budget: {share: -1}}", "fallback_budget.share: the number must be 0 or more"),
        ("{fallback_budget: {share: 20%}}", "fallback_budget.share: a number is expected here"),
        ("{fallback_budget: {share: nan}}", "fallback_budget.share: a number is expected here"),
        ("{fallback_budget: {rate: 0}}", "fallback_budget.rate: the number must be more than 0"),
        (
            "{fallback_budget: {at_least: 3}}",
            "fallback_budget: share or rate is expected here: this would bound nothing",
        ),
        (
            "{fallback_budget: {shares: 0.5, rate: 1}}",
            "fallback_budget.shares: unknown key; did you mean share?",
        ),
        ("{fallback_budget: no}", "fallback_budget: keys and values are expected here, or off"),
        ("{heartbeat: {table: beats}}", "heartbeat: its schema is missing, in which the table is made"),
        ("{monitor_interval: 0s}", "monitor_interval: the interval must be longer than nothing"),
        (
            "{monitor_interval: 5}",
            "monitor_interval: '5' is not a duration; write a number and its unit, as 500ms, 15s, 45m or 1h",
        ),
        ("{on_stale: ignore}", "on_stale: one of 'raise', 'refetch' or 'warn' is expected here"),
        (
            "{policies: {p: {max_follower_lag: 16 megs}}}",
            "policies.p.max_follower_lag: '16 megs' is no lag; write a time, as 500ms or 15s, or bytes of log, as 16MB",
        ),
        ("{policies: {p: {max_lag: 5s}}}", "policies.p.max_lag: unknown key; did you mean max_follower_lag?"),
        ("{policies: {p: {max_weight: 1s}}}", "policies.p.max_weight: unknown key; did you mean max_wait?"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(tmp_path: Path, routing: str, said: str) -> None:
    """Each problem names its key and line, and says what is expected there."""
    assert problems(tmp_path, routing) == [f"line 3: database.routing.{said}"]


@pytest.mark.parametrize(
    ("weight", "said"),
    [("0", "the number must be more than 0"), ("inf", "a number is expected here"), ("x", "a number is expected here")],
)
def test_a_weight_is_a_positive_number(tmp_path: Path, weight: str, said: str) -> None:
    """A replica without weight would be none."""
    found = problems(tmp_path, "{}", f", weight: {weight}")
    assert found == [f"line 4: database.replicas[0].weight: {said}"]


def test_config_show_has_every_key_with_its_origin(tmp_path: Path) -> None:
    """Sizes and durations are shown as they are written, what is off as nothing, with the line that says so."""
    (tmp_path / "erm.yaml").write_text(WHOLE)
    shown = json.loads(run_erm("config", "show", "--env", "staging", "--format", "json", cwd=tmp_path).stdout)
    found = {key.removeprefix("database."): (row["value"], row["origin"]) for key, row in shown["settings"].items()}
    assert found["replicas[0].max_follower_lag"] == ("16MB", "erm.yaml:4")
    assert found["replicas[0].weight"] == (2.5, "erm.yaml:4")
    assert found["routing.fallback_budget.share"] == (0.5, "erm.yaml:19")
    assert found["routing.fallback_budget.rate"] == (100.0, "erm.yaml:10")
    assert found["routing.heartbeat.schema"] == ("monitoring", "erm.yaml:11")
    assert found["routing.monitor_interval"] == ("2s", "erm.yaml:18")
    assert found["routing.policies.reporting.max_wait"] == ("1s", "erm.yaml:21")
    assert found["routing.policies.billing.max_wait"] == ("0s", "default")
    shown = json.loads(run_erm("config", "show", "--env", "dev", "--format", "json", cwd=tmp_path).stdout)
    assert shown["settings"]["database.routing.heartbeat"] == {"value": None, "origin": "erm.yaml:22"}
    assert shown["settings"]["database.routing.fallback_budget"] == {"value": None, "origin": "erm.yaml:22"}
