"""What Patroni's REST API says of a cluster, and what it is not believed."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ConfigurationError
from erm_alembic.routing import PatroniReplicas
from erm_alembic.routing.discovery import DiscoveryFailed, Found
from tests.routing.discovery.rest import Rest, certificates, rest
from tests.support.secrecy import issue_secret

PASSWORD = issue_secret()
PRIMARY = DatabaseUrl.parse(f"postgresql://app:{PASSWORD}@db/shop?target_session_attrs=read-write&sslmode=require")


def member(name: str, role: str = "replica", state: str = "streaming", **others: Any) -> dict[str, Any]:
    """A member as Patroni 4 tells it."""
    told = {"name": name, "role": role, "state": state, "api_url": f"http://{name}:8008/patroni", "host": name}
    return {**told, "port": 5432, "timeline": 1, "lag": 0, **others}


LEADER = member("pg1", "leader", "running")


@pytest.fixture
def api() -> Iterator[Rest]:
    """One member's REST API."""
    with rest({"members": [LEADER, member("pg2"), member("pg3", "sync_standby")], "scope": "shop"}) as api:
        yield api


def found(api: Rest, **options: Any) -> Found:
    """What is discovered there."""
    return PatroniReplicas([api.address], **options).find(PRIMARY)


def names(api: Rest, *members: object) -> list[str]:
    """Which of these members are replicas that somebody could read from."""
    api.answer = {"members": list(members)}
    return [replica.name for replica in found(api).replicas]


def test_the_leader_is_the_primary_and_the_others_are_replicas(api: Rest) -> None:
    """By the user, database and parameters of the cluster's address; what that asks of a session is for the primary."""
    seen = found(api, max_follower_lag="15s", weight=3)
    assert seen.primary is not None
    assert seen.primary.dsn() == PRIMARY.dsn().replace("@db/", "@pg1:5432/")
    assert [(each.name, each.limit.seconds, each.weight) for each in seen.replicas] == [("pg2", 15, 3), ("pg3", 15, 3)]
    assert isinstance(seen.replicas[0].url, DatabaseUrl)
    assert seen.replicas[0].url.dsn() == f"postgresql://app:{PASSWORD}@pg2:5432/shop?sslmode=require"
    assert api.requests[0]["path"] == "/cluster"


def test_the_primary_may_stay_where_the_address_says(api: Rest) -> None:
    """As where a balancer stands in front of it."""
    discovery = PatroniReplicas([api.address], find_primary=False)
    assert (discovery.finds_primary, discovery.find(PRIMARY).primary) == (False, None)


def test_a_cluster_without_a_leader_leaves_the_primary_where_it_was(api: Rest) -> None:
    """So does one that is itself a standby of another."""
    api.answer = {"members": [member("pg1", "standby_leader"), member("pg2")]}
    assert found(api).primary is None
    assert names(api, member("pg1", "standby_leader"), member("pg2")) == ["pg2"]


def test_who_balances_no_load_or_does_not_run_is_left_out(api: Rest) -> None:
    """Who must not become leader may be read all the same; how far each is, Patroni is not asked."""
    balanced = member("a", tags={"noloadbalance": True}), member("b", tags={"noloadbalance": "false"})
    assert names(api, LEADER, *balanced) == ["b"]
    late = member("a", tags={"nofailover": True}), member("b", lag="unknown"), member("c", lag=10**12)
    assert names(api, *late) == ["a", "b", "c"]
    states = ("running", "in archive recovery", "streaming", "stopped", "starting", "crashed", "creating replica", None)
    assert names(api, *(member(f"{state}", state=state, host="x") for state in states)) == list(states[:3])
    assert names(api, member("q", "quorum_standby"), member("w", "witness"), member("d", "demoted")) == ["q"]


@pytest.mark.parametrize(
    "odd",
    [
        {"host": "a,b"},
        {"host": "/run/postgresql"},
        {"host": "@abstract"},
        {"host": ""},
        {"host": None},
        {"host": "-x"},
        {"port": 0},
        {"port": 65536},
        {"port": True},
        {"port": "5432"},
        {"name": "a\nb"},
        {"name": ""},
        {"name": 5},
        {"role": ["replica"]},
    ],
)
def test_a_member_that_is_no_address_is_left_out(api: Rest, odd: dict[str, Any]) -> None:
    """The answer comes from outside: what would lead elsewhere leads nowhere."""
    assert names(api, member("odd") | odd, "member", member("pg2")) == ["pg2"]


def test_addresses_of_ipv6_are_understood(api: Rest) -> None:
    """And so is a member without a port."""
    told = member("pg2", host="fd00::7")
    del told["port"]
    api.answer = {"members": [told]}
    (replica,) = found(api).replicas
    assert isinstance(replica.url, DatabaseUrl)
    assert "@[fd00::7]:5432/" in replica.url.dsn()


def test_the_first_member_that_answers_is_asked_again(api: Rest) -> None:
    """The others wait until it does not."""
    with rest(api.answer) as third, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = f"127.0.0.1:{closed.getsockname()[1]}"
        discovery = PatroniReplicas([away, api.address, third.address])
        for _ in range(3):
            assert len(discovery.find(PRIMARY).replicas) == 2
        assert (len(api.requests), len(third.requests)) == (3, 0)
        api.status = 503
        discovery.find(PRIMARY)
        discovery.find(PRIMARY)
        assert (len(api.requests), len(third.requests)) == (4, 2)
        third.status = 503
        with pytest.raises(DiscoveryFailed) as failed:
            discovery.find(PRIMARY)
    assert str(failed.value) == (
        "no member of Patroni answered; 127.0.0.1: it answers with status 503; 127.0.0.1: Connection refused; "
        "127.0.0.1: it answers with status 503"
    )


def test_a_member_that_does_not_answer_is_not_waited_for(api: Rest) -> None:
    """One that accepts a connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        discovery = PatroniReplicas([f"127.0.0.1:{silent.getsockname()[1]}", api.address], timeout="50ms")
        assert len(discovery.find(PRIMARY).replicas) == 2
        with pytest.raises(DiscoveryFailed, match="it did not answer in time"):
            PatroniReplicas([f"127.0.0.1:{silent.getsockname()[1]}"], timeout="50ms").find(PRIMARY)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("<html>", "not JSON"),
        ("\ufffe", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ([], "not that of Patroni"),
        ({"members": {}}, "not that of Patroni"),
    ],
)
def test_an_answer_that_is_none_counts_as_no_answer(api: Rest, answer: Any, said: str) -> None:
    """Whatever listens there."""
    api.answer = answer
    with pytest.raises(DiscoveryFailed, match=said):
        found(api)


def test_an_answer_has_an_end(api: Rest) -> None:
    """A stream without one fills no memory."""
    api.answer = " " * 5_000_000
    with pytest.raises(DiscoveryFailed, match="its answer is too long"):
        found(api)


def test_a_redirection_is_not_followed(api: Rest) -> None:
    """It would take credentials elsewhere."""
    api.status = 302
    with pytest.raises(DiscoveryFailed, match="it answers with status 302"):
        found(api, username="monitor", password=PASSWORD)
    assert len(api.requests) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["members", "name", "role", "state", "host", "port", "tags"]), inner, max_size=5
        )
    ),
    max_leaves=15,
)


MEMBERS = st.lists(st.fixed_dictionaries({name: st.just(value) | JSON for name, value in member("x").items()}) | JSON)


def test_no_answer_breaks_a_search(api: Rest) -> None:
    """It gives what there is, or says that it cannot be known."""

    @settings(deadline=None, max_examples=60)
    @given(answer=st.fixed_dictionaries({"members": MEMBERS}) | JSON)
    def holds(answer: Any) -> None:
        api.answer = answer
        try:
            seen = found(api)
        except DiscoveryFailed:
            return
        assert all(replica.name.isprintable() for replica in seen.replicas)

    holds()


def test_tls_takes_the_authority_and_shows_a_certificate(api: Rest, tmp_path: Path) -> None:
    """Where one of the two is missing, nobody is asked and nothing is told."""
    files = certificates(tmp_path)
    with rest(api.answer, files) as guarded:
        shown = {"certfile": files.certificate, "keyfile": files.key}
        assert len(found(guarded, cacert=files.certificate, **shown).replicas) == 2
        with pytest.raises(DiscoveryFailed, match="certificate verify failed"):
            found(guarded, **shown)
        with pytest.raises(DiscoveryFailed, match="no member of Patroni answered"):
            found(guarded, cacert=files.certificate)
        assert len(guarded.requests) == 1


def test_basic_authentication_is_sent_where_it_is_asked_for(api: Rest) -> None:
    """And shown nowhere."""
    discovery = PatroniReplicas([api.address], username="monitor", password=PASSWORD)
    discovery.find(PRIMARY)
    expected = base64.b64encode(f"monitor:{PASSWORD}".encode()).decode()
    assert api.requests[0]["authorization"] == f"Basic {expected}"
    assert PASSWORD not in repr(discovery)
    api.status = 401
    with pytest.raises(DiscoveryFailed, match="it answers with status 401") as failed:
        discovery.find(PRIMARY)
    assert PASSWORD not in str(failed.value)


def test_a_password_is_not_sent_where_others_can_read_it() -> None:
    """One address without TLS is enough."""
    with pytest.raises(ConfigurationError, match="would be sent over a connection without TLS"):
        PatroniReplicas(["https://pg1:8008", "http://pg2:8008"], username="monitor", password=PASSWORD)


@pytest.mark.parametrize(
    "address", ["", "ftp://pg1", "http://", "http://monitor:{}@pg1", "http://pg1:99999", "http://pg1?x=1"]
)
def test_an_address_that_is_none_is_refused_and_not_repeated(address: str) -> None:
    """It may hold a password."""
    with pytest.raises(ConfigurationError, match="An address of Patroni's REST API is none") as refused:
        PatroniReplicas([address.format(PASSWORD)])
    assert PASSWORD not in str(refused.value)


def test_settings_that_make_no_sense_are_refused_when_they_are_written(tmp_path: Path) -> None:
    """So are files that are not there, before anybody searches."""
    with pytest.raises(ConfigurationError, match="has no address"):
        PatroniReplicas([])
    with pytest.raises(ConfigurationError, match="certificates for Patroni's REST API cannot be read: No such file"):
        PatroniReplicas(["https://pg1"], cacert=tmp_path / "nothing")
    for wrong in ({"interval": 0}, {"timeout": 0}, {"weight": -1}, {"max_follower_lag": "far"}, {"keep_for": "x"}):
        with pytest.raises(ValueError, match=r"\w"):
            PatroniReplicas("pg1", **wrong)
