"""The primary: that it answers, takes writes, and commits without waiting for a standby that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.doctor.evidence import PRIMARY, Evidence
from erm_alembic.doctor.model import Diagnosis, NotTold

__all__ = ["primary_answers", "primary_takes_writes", "several_hosts", "synchronous_standbys"]

# What leads to a server that takes writes, whichever host that is.
WRITABLE = ("read-write", "primary")


def primary_answers(evidence: Evidence) -> Iterator[Diagnosis]:
    """The server that the address names can be reached."""
    primary = evidence.overview.primary
    if primary.facts is None:
        yield Diagnosis(
            "error",
            f"{primary.url} does not answer: {primary.silent}.",
            "Nothing can be deployed or written, and nobody's lag is known, so that reads with a limit go nowhere.",
            "Check that the server runs and listens there, and the role's password: `psql` with the same URL says the "
            "same.",
            PRIMARY,
        )


def primary_takes_writes(evidence: Evidence) -> Iterator[Diagnosis]:
    """It is out of recovery."""
    facts = evidence.overview.primary.facts
    if facts is not None and facts.in_recovery:
        yield Diagnosis(
            "error",
            "The server that database.url leads to is in recovery: it is a standby.",
            "Every write and every migration fails there (25006), and no replica is known to follow it.",
            "Name the primary's address; where it moves, name several hosts with target_session_attrs=read-write.",
            PRIMARY,
        )


def several_hosts(evidence: Evidence) -> Iterator[Diagnosis]:
    """An address with several hosts says which of them is meant."""
    addresses = [(PRIMARY, evidence.overview.primary.url)]
    addresses += [(replica.name, replica.url) for replica in evidence.overview.replicas]
    for name, text in addresses:
        parameters = DatabaseUrl.parse(text).parameters
        if "," not in parameters.get("host", ""):
            continue
        wanted = parameters.get("target_session_attrs", "any")
        if name == PRIMARY and wanted not in WRITABLE:
            yield Diagnosis(
                "warning",
                f"The address of the primary names several hosts, with target_session_attrs={wanted}.",
                "The first host that answers is taken, a standby too: after a switchover writes fail there.",
                "Add target_session_attrs=read-write to the address.",
                name,
            )
        elif name != PRIMARY:
            yield Diagnosis(
                "warning",
                f"The address of the replica names several hosts, with target_session_attrs={wanted}.",
                "What is known of a replica is known of the host that was reached; a connection of the pool may lead "
                "to another one, which is further behind or is the primary.",
                "Declare each host as a replica of its own.",
                name,
            )


def synchronous_standbys(evidence: Evidence) -> Iterator[Diagnosis | NotTold]:
    """Where commits wait for standbys, these are there."""
    facts = evidence.overview.primary.facts
    assert facts is not None
    names = facts.settings.get("synchronous_standby_names", "")
    waits = facts.settings.get("synchronous_commit", "on") not in ("off", "local")
    if not names or not waits or facts.in_recovery:
        return
    if not facts.sees_statistics:
        yield NotTold(
            f"Commits wait for synchronous standbys ({names}), and {facts.role} may not see whether these are there.",
            f"On the primary: GRANT pg_monitor TO {facts.quoted_role}",
            PRIMARY,
        )
        return
    streaming = [sender for sender in facts.senders if sender.sync_state in ("sync", "quorum")]
    if not streaming:
        yield Diagnosis(
            "error",
            f"Commits wait for synchronous standbys ({names}), and none of these is connected.",
            "Every commit on the primary hangs until one of them is back.",
            "Bring it back, or take its name out of synchronous_standby_names and reload the primary.",
            PRIMARY,
        )
