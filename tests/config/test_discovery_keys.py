"""`database.routing.discovery` of erm.yaml: how replicas are found, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from erm_alembic.config.document import InvalidConfiguration
from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.loader import check_file, load_settings
from erm_alembic.config.review import Surroundings
from erm_alembic.config.settings import DnsSettings, PatroniSettings, SealedUrl, Settings
from erm_alembic.errors import ConfigurationError
from erm_alembic.routing import DnsReplicas, PatroniReplicas
from erm_alembic.routing.configured import cluster_of
from erm_alembic.routing.discovery import Found
from tests.config.test_routing_keys import problems

WHOLE = """\
database:
  url: postgresql://db/app
  routing:
    discovery:
      dns:
        url: postgresql://app:${PASSWORD}@replicas/app
        name: east
        family: ipv4
        interval: 1s
        max_follower_lag: 16MB
  environments:
    prod: {}
    staging:
      routing:
        discovery:
          dns: off
          patroni:
            addresses: ["https://pg1:8008", "${SECOND}"]
            cacert: tls/ca.pem
            certfile: /etc/erm/client.pem
            keep_for: 5m
            weight: 2
    dev: {routing: {discovery: off}}
"""


def settings_of(folder: Path, env: str) -> Settings:
    (folder / "erm.yaml").write_text(WHOLE)
    return load_settings(env, environ={"PASSWORD": "5ecret", "SECOND": "https://pg2:8008"}, cwd=folder)


def test_every_key_is_in_force(tmp_path: Path) -> None:
    """A profile may have the one way instead of the other, or none; its paths are those of the file's folder."""
    dns, patroni = settings_of(tmp_path, "prod").routing.discovery, settings_of(tmp_path, "staging").routing.discovery
    assert dns is not None
    assert dns.patroni is None
    assert dns.dns is not None
    assert (dns.dns.name, dns.dns.family, dns.dns.interval) == ("east", "ipv4", timedelta(seconds=1))
    assert dns.dns.url.database_url().parameters["password"] == "5ecret"
    assert patroni is not None
    assert patroni.dns is None
    assert patroni.patroni == PatroniSettings(
        ("https://pg1:8008", "https://pg2:8008"),
        cacert=tmp_path / "tls/ca.pem",
        certfile=Path("/etc/erm/client.pem"),
        keep_for=timedelta(minutes=5),
        weight=2,
    )
    assert settings_of(tmp_path, "dev").routing.discovery is None


def test_a_cluster_discovers_as_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what the file leaves out is as where a program says nothing; nothing is looked up before somebody reads."""
    asked: list[DnsReplicas] = []

    def find(discovery: DnsReplicas, _: DatabaseUrl) -> Found:
        asked.append(discovery)
        return Found()

    monkeypatch.setattr(DnsReplicas, "find", find)
    with cluster_of(settings_of(tmp_path, "prod")) as cluster:
        assert not cluster.router.primary_only
        assert not asked
        cluster.status()
        assert cluster.monitor.search is not None
        assert cluster.monitor.search.searched.wait(30)
    url = DatabaseUrl.parse("postgresql://app:5ecret@replicas/app")
    lag, interval, keep_for = "16MB", timedelta(seconds=1), timedelta(hours=1)
    expected = DnsReplicas("east", url, "ipv4", max_follower_lag=lag, interval=interval, keep_for=keep_for)
    assert asked[0] == expected


def test_the_same_holds_where_nothing_is_said() -> None:
    """Of the file and of a program."""
    plain = DnsReplicas("dns", "postgresql://replicas")
    patroni = PatroniReplicas(["pg1:8008"])
    dns = DnsSettings(SealedUrl("", ""))
    assert (plain.search_interval, plain.kept_for) == (dns.interval.total_seconds(), dns.keep_for.total_seconds())
    told = PatroniSettings(())
    assert (patroni.search_interval, patroni.kept_for) == (told.interval.total_seconds(), told.keep_for.total_seconds())
    assert patroni.find_primary == told.find_primary


def test_an_address_of_the_environment_leaves_the_discovery_out(tmp_path: Path) -> None:
    """Its leader would be another database's."""
    (tmp_path / "erm.yaml").write_text(WHOLE)
    settings = load_settings(
        "staging", environ={"ERM_DATABASE_URL": "postgresql://other/app", "SECOND": "x"}, cwd=tmp_path
    )
    assert settings.routing.discovery is None
    assert any("replicas in erm.yaml are left out" in note for note in settings.notes)


@pytest.mark.parametrize(
    ("discovery", "said"),
    [
        ("{}", "discovery: one of dns and patroni is expected here; `off` takes one away"),
        (
            '{dns: {url: "postgresql://replicas/app"}, patroni: {addresses: [pg1]}}',
            "discovery: one of dns and patroni is expected here; `off` takes one away",
        ),
        ("{dns: {}}", "discovery.dns.url: this key is missing"),
        ("{dns: {url: mysql://replicas}}", "discovery.dns.url: The URL is one of mysql://, not of PostgreSQL"),
        ("{patroni: {addresses: []}}", "discovery.patroni.addresses: the list is empty"),
        (
            '{patroni: {addresses: ["https://a:b@pg1"]}}',
            "discovery.patroni.addresses[0]: https://HOST:PORT is expected here, without a user and a password",
        ),
        (
            "{patroni: {addresses: [pg1], interval: 0s}}",
            "discovery.patroni.interval: the interval must be longer than nothing",
        ),
        ("{patroni: {addresses: [pg1], cafile: x}}", "discovery.patroni.cafile: unknown key; did you mean certfile?"),
        ("{consul: {}}", "discovery.consul: unknown key"),
        ("dns", "discovery: keys and values are expected here, or off"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(tmp_path: Path, discovery: str, said: str) -> None:
    """Each problem names its key and line, and repeats no password."""
    assert problems(tmp_path, f"{{discovery: {discovery}}}") == [f"line 3: database.routing.{said}"]


def test_a_password_that_is_typed_into_the_file_is_a_problem_here_too(tmp_path: Path) -> None:
    """As in any other address of it."""
    (tmp_path / "erm.yaml").write_text(
        "database:\n  environments:\n    prod:\n      url: postgresql://db/app\n"
        '      routing: {discovery: {dns: {url: "postgresql://app:hunter2@replicas/app"}}}\n'
    )
    around = Surroundings(rules=(), kinds=(), judge_exemption=lambda *_: "")
    with pytest.raises(InvalidConfiguration) as caught:
        check_file(cwd=tmp_path, environ={}, around=around)
    (problem,) = [str(problem) for problem in caught.value.problems if "password" in str(problem)]
    assert "database.environments.prod.routing.discovery.dns.url: a password is typed" in problem
    assert "hunter2" not in problem


def test_a_file_that_is_not_there_is_told_when_the_cluster_is_made(tmp_path: Path) -> None:
    """The machine that checks the file need not be the one that has the certificates."""
    with pytest.raises(ConfigurationError, match="The certificates for Patroni's REST API cannot be read"):
        cluster_of(settings_of(tmp_path, "staging"))
