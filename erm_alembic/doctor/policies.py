"""What the policies of erm.yaml ask: that it can be met, and that it does what it says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from erm_alembic.config.durations import format_duration
from erm_alembic.config.settings import PolicySettings
from erm_alembic.doctor.evidence import Evidence
from erm_alembic.doctor.model import Diagnosis

__all__ = ["fallback", "limits", "policies"]

# The monitor asks at every interval give or take a fifth, and answers take their time: a limit has to bear that.
LONGEST_ROUND = 1.2


def limits(evidence: Evidence) -> Iterator[Diagnosis]:
    """Every limit of lag is longer than the time between two looks at the servers."""
    settings = evidence.settings
    interval = settings.routing.monitor_interval
    asked: list[tuple[str, object, bool]] = [
        (f"policy {name!r}", policy.max_follower_lag, policy.disable_fallback)
        for name, policy in settings.routing.policies.items()
        if policy.read_only
    ]
    asked += [(f"replica {replica.name!r}", replica.max_follower_lag, False) for replica in settings.replicas]
    for who, limit, disabled in asked:
        if not isinstance(limit, timedelta) or limit > interval * LONGEST_ROUND:
            continue
        yield Diagnosis(
            "error" if not limit or disabled else "warning",
            f"The {who} allows {format_duration(limit)} of lag, and the servers are looked at every "
            f"{format_duration(interval)} (monitor_interval).",
            "No replica can ever be known to be that fresh: none is taken for it."
            if not limit
            else "A replica that has everything is known to be that fresh only for a part of the time: reads swing "
            "between it and the primary"
            + (", and those with disable_fallback fail now and then." if disabled else "."),
            f"Set monitor_interval to a fraction of it (for example {format_duration(limit / 4)}), or allow more lag."
            if limit
            else "Allow some lag; who wants to read what was just written needs no limit: sessions and causal tokens "
            "see to that.",
        )


def policies(evidence: Evidence) -> Iterator[Diagnosis]:
    """Every policy does what it says."""
    settings = evidence.settings
    for name, policy in settings.routing.policies.items():
        unused = _without_effect(policy)
        if not policy.read_only and unused:
            yield Diagnosis(
                "warning",
                f"The policy {name!r} sets {', '.join(unused)}, and not read_only: its reads go to the primary.",
                "What it sets has no effect.",
                f"Add read_only: true to database.routing.policies.{name}, or take the rest away.",
            )
        elif policy.read_only and policy.disable_fallback and not evidence.overview.replicas:
            yield Diagnosis(
                "warning",
                f"The policy {name!r} forbids the primary (disable_fallback), and there are no replicas.",
                "Without any replica the primary answers all the same, as in development.",
                "Configure replicas for this environment.",
            )
    if evidence.overview.replicas and not any(policy.read_only for policy in settings.routing.policies.values()):
        yield Diagnosis(
            "info",
            "There are replicas, and no policy that reads from them.",
            "Only reads go there that ask for it in the program: replica_read(...).",
        )


def _without_effect(policy: PolicySettings) -> list[str]:
    plain = PolicySettings()
    return [
        name
        for name in ("max_follower_lag", "disable_fallback", "max_wait", "snapshot")
        if getattr(policy, name) != getattr(plain, name)
    ]


def fallback(evidence: Evidence) -> Iterator[Diagnosis]:
    """What the primary takes over where replicas are missing has a bound."""
    routing = evidence.settings.routing
    reads = [name for name, policy in routing.policies.items() if policy.read_only and not policy.disable_fallback]
    if evidence.overview.replicas and reads and routing.fallback_budget is None:
        yield Diagnosis(
            "info",
            "There is no bound to the reads that the primary takes over (fallback_budget).",
            "When all replicas are gone, all of their reads go to the primary at once.",
            "database.routing.fallback_budget: {share: 0.2, rate: 100} lets so many through, and refuses the rest.",
        )
