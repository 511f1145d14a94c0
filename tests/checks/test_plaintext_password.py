"""plaintext-password: a password stands in erm.yaml as it is, for an environment that is not `dev`."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.plaintext_password import CHECK
from erm_alembic.config.sealed import SealedUrl
from erm_alembic.config.settings import DiscoverySettings, DnsSettings, RoutingSettings
from tests.checks.building import settings

TYPED = SealedUrl("postgresql://app:hunter2@db/app", origin="erm.yaml:12", typed_password=True, line=12)


def test_a_typed_password_in_production_is_an_error_that_never_shows_it() -> None:
    """The finding names the place and the three ways to write a reference, and not the password."""
    (finding,) = run_checks(CheckContext(settings=settings("prod", TYPED)), {}, (CHECK,))
    assert (finding.rule, finding.severity) == ("plaintext-password", "error")
    assert (finding.path, finding.line) == ("erm.yaml", 12)
    assert finding.message == (
        "The database URL of environment prod has its password typed into erm.yaml:12: whoever can "
        "read the repository can read the database."
    )
    for way in ("${DB_PASSWORD}", "file:", "cmd:"):
        assert way in finding.help
    assert "hunter2" not in repr(finding)


def test_the_address_by_which_replicas_are_discovered_is_looked_at_too() -> None:
    """Its password is that of the replicas."""
    discovery = DiscoverySettings(dns=DnsSettings(TYPED))
    found = replace(settings("prod"), routing=RoutingSettings(discovery=discovery))
    (finding,) = run_checks(CheckContext(settings=found), {}, (CHECK,))
    assert finding.message.startswith("The URL by which replicas are discovered of environment prod has its password")
    assert finding.line == 12


def test_a_typed_password_in_dev_is_accepted() -> None:
    """A developer's own database may have its password in the file."""
    assert run_checks(CheckContext(settings=settings("dev", TYPED)), {}, (CHECK,)) == ()


def test_a_reference_is_accepted_everywhere() -> None:
    """A password that is not typed is not objected to, nor is the absence of a URL."""
    reference = SealedUrl("postgresql://app:${P}@db/app", origin="erm.yaml:12")
    assert run_checks(CheckContext(settings=settings("prod", reference)), {}, (CHECK,)) == ()
    assert run_checks(CheckContext(settings=settings("prod")), {}, (CHECK,)) == ()
    assert run_checks(CheckContext(), {}, (CHECK,)) == ()
