"""What is given to routing wrongly is refused, or warned of, in words that name what is meant."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing import (
    Cluster,
    ReplicaConfig,
    ReplicaReadOptions,
    connect_cluster,
    connect_cluster_from_config,
    primary,
    replica_policy,
    replica_read,
)
from erm_alembic.routing.blocks import innermost_block

URL = "postgresql://app:secret@db/shop"
# What type checkers refuse as well.
read: Any = replica_read
policy: Any = replica_policy
on_primary: Any = primary


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster that nobody connects."""
    with connect_cluster(URL, [ReplicaConfig("east", "postgresql://app:secret@east/shop")]) as cluster:
        yield cluster


def report() -> None: ...


@pytest.mark.parametrize(
    ("misuse", "words"),
    [
        (lambda: read(report), "write @replica_read()"),
        (lambda: policy(report), 'write @replica_policy("reporting")'),
        (lambda: on_primary(report), "write @primary()"),
        (lambda: read("reporting"), 'replica_policy("reporting")'),
        (lambda: read(5), "It takes max_lag, max_wait"),
        (lambda: policy(5), "It takes the name of a policy"),
        (lambda: read(max_follower_lag="5s"), "Did you mean max_lag?"),
        (lambda: read(max_lagg="5s"), "Did you mean max_lag?"),
        (lambda: connect_cluster(URL, ["postgresql://app:secret@east/shop"]), "ReplicaConfig("),  # type: ignore[list-item]
        (lambda: connect_cluster(URL, "postgresql://app:secret@east/shop"), "ReplicaConfig("),  # type: ignore[arg-type]
        (lambda: connect_cluster(URL, ReplicaConfig("east", URL)), "ReplicaConfig("),  # type: ignore[arg-type]
        (lambda: connect_cluster(URL, discovery="dns"), "DnsReplicas("),  # type: ignore[arg-type]
    ],
)
def test_what_is_meant_is_named(misuse: Any, words: str) -> None:
    """In the message itself, which ends the traceback of an application; no address is in it."""
    with pytest.raises(ConfigurationError) as told:
        misuse()
    assert words in str(told.value)
    assert "secret" not in f"{told.value}{told.value.cure}"


def test_a_policy_is_options_and_those_of_a_cluster_are_taken(cluster: Cluster) -> None:
    """A dict is refused with what to write; what a cluster has can be given back to it."""
    with pytest.raises(ConfigurationError, match=r"ReplicaReadOptions\(max_lag"):
        cluster.use_replica_policies("r", {"r": {"max_lag": 5}})  # type: ignore[dict-item]
    cluster.use_replica_policies("reporting", {"reporting": ReplicaReadOptions(max_lag="20s"), "never": None})
    modes = dict(cluster.policies)
    assert dict(cluster.use_replica_policies("reporting", cluster.policies).policies) == modes
    assert cluster.default_mode == modes["reporting"]


def test_the_other_name_of_a_lag_is_suggested() -> None:
    """A replica has max_follower_lag, a read max_lag."""
    with pytest.raises(TypeError, match="did you mean 'max_follower_lag'"):
        ReplicaConfig("east", URL, max_lag="5s")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="did you mean 'max_lag'"):
        ReplicaReadOptions(max_follower_lag="5s")  # type: ignore[call-arg]


def test_a_block_is_entered_asynchronously_too() -> None:
    """As with `with`, and no longer."""

    async def scenario() -> None:
        async with replica_read(max_lag=5) as block:
            assert innermost_block() is block
        assert innermost_block() is None

    asyncio.run(scenario())


def test_an_execution_option_that_looks_like_ours_is_warned_of(cluster: Cluster) -> None:
    """Of a statement and of a call; other options, and the right one, are nobody's business."""
    statement = select(1).execution_options(replica_policy="reporting")
    with cluster.sessionmaker()() as session:
        with pytest.warns(UserWarning, match="'replica_policy' is unknown"):
            session.explain(statement)
        with pytest.warns(UserWarning, match="'replica_reads' is unknown"), pytest.raises(Exception, match="db"):
            session.execute(select(1), execution_options={"replica_reads": True})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            session.explain(select(1).execution_options(replica_read=False, yield_per=5))


def test_a_cluster_shows_its_servers_and_policies_without_a_password(cluster: Cluster) -> None:
    """In a log or a debugger."""
    cluster.use_replica_policies(None, {"reporting": ReplicaReadOptions()})
    assert repr(cluster) == "<Cluster of postgresql://app:***@db/shop; replicas: east; policies: reporting>"


@pytest.mark.parametrize("env", ["prd", "else"])
def test_an_environment_that_is_not_declared_names_the_file_and_those_that_are(env: str, tmp_path: Path) -> None:
    """Which file was read stands in the message, and what may be asked for."""
    path = tmp_path / "erm.yaml"
    path.write_text(f"database: {{environments: {{prod: {{url: {URL!r}}}, staging: {{url: {URL!r}}}}}}}")
    with pytest.raises(ConfigurationError) as told:
        connect_cluster_from_config(env, path)
    assert repr(env) in str(told.value)
    assert str(told.value).endswith(f"{path} declares prod, staging.")
    assert "secret" not in str(told.value)
