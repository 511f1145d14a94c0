"""A cluster as a person wants to see it: each server, what it holds back, and which reads could go where now.

Who is fresh, and who could be taken for a read, is what the monitor and the selection say; nothing is reckoned anew.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from erm_alembic.postgres.server_facts import Sender, ServerFacts, read_server_facts
from erm_alembic.routing.connections.membership import search_first
from erm_alembic.routing.options import ReadMode, ReplicaConfig
from erm_alembic.routing.reporting.inquiry import Inquiry
from erm_alembic.routing.watching.state import ClusterState, PrimaryState, ReplicaState, Trouble

if TYPE_CHECKING:
    from erm_alembic.routing.cluster import Cluster

__all__ = ["Observer", "Overview", "PolicyView", "PrimaryView", "ReplicaView", "Role"]

Role = Literal["primary", "standby", "unknown"]


@dataclass(frozen=True, slots=True)
class PrimaryView:
    """The primary.

    Args:
        url: its address, without its password.
        role: what the server itself says that it is.
        state: what the monitor knows of it.
        facts: what it said of itself; None where it did not.
        silent: why it did not, in words without secrets.
    """

    url: str
    role: Role
    state: PrimaryState
    facts: ServerFacts | None
    silent: str = ""


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """One replica.

    Args:
        config: what was said of it.
        url: its address, without its password.
        role: what the server itself says that it is.
        state: what the monitor knows of it.
        facts: what it said of itself; None where it did not.
        silent: why it did not, in words without secrets.
        sender: how the primary sees it; None where that is not known.
        commit_age: how long ago the last commit that it has replayed was made, by the primary's clock, in seconds.
            While the primary is idle, that grows although nothing is missing.
    """

    config: ReplicaConfig
    url: str
    role: Role
    state: ReplicaState
    facts: ServerFacts | None
    silent: str = ""
    sender: Sender | None = None
    commit_age: float | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.config.name


@dataclass(frozen=True, slots=True)
class PolicyView:
    """What a read may ask for, and who could answer it now.

    Args:
        name: the policy; "" stands for a read that asks for any replica.
        is_default: whether it holds where nothing else is chosen.
        mode: what it asks for.
        objections: by replica why it could not be taken; empty where it could.
    """

    name: str
    is_default: bool
    mode: ReadMode
    objections: Mapping[str, str]

    @property
    def eligible(self) -> tuple[str, ...]:
        """The replicas that could be taken."""
        return tuple(name for name, objection in self.objections.items() if not objection)


@dataclass(frozen=True, slots=True)
class Overview:
    """All of a cluster at one moment.

    Args:
        taken_at: that moment, in seconds since 1970.
        watched_for: for how long the servers were watched, in seconds: no lag is known to be longer.
        primary: the primary.
        replicas: the replicas.
        policies: what reads may ask for.
        has_budget: whether there is a bound to the reads that the primary takes over.
        discovers: whether replicas are looked for.
        undiscovered: why the last look for them failed, in words without secrets; empty where it did not.
    """

    taken_at: float
    watched_for: float
    primary: PrimaryView
    replicas: tuple[ReplicaView, ...]
    policies: tuple[PolicyView, ...]
    has_budget: bool = False
    discovers: bool = False
    undiscovered: str = ""


class Observer:
    """Looks at a cluster again and again; a context manager that closes its own connections at the end.

    Args:
        cluster: the cluster; its monitor is started.
        timeout: how long a server may take to tell of itself, in seconds.
        patience: how long a first look goes on watching a replica that has not replayed yet what the primary had
            written, in seconds.
    """

    def __init__(self, cluster: Cluster, timeout: float = 3.0, patience: float = 3.0) -> None:
        self._cluster, self._patience = cluster, patience
        self._inquiry: Inquiry[ServerFacts] = Inquiry(read_server_facts, timeout)
        self._began_at = time.monotonic()
        self._has_looked = False

    def look(self) -> Overview:
        """What there is to see now; the first time after a moment's watching, so that a lag can be told."""
        cluster = self._cluster
        if not self._has_looked:
            self._has_looked = True
            if search_first(cluster.monitor):
                # The primary may have been asked where it is not.
                cluster.monitor.refresh(self._patience)
            cluster.monitor.wait_for(self._is_settled, self._patience)
        else:
            cluster.monitor.refresh()
        nodes = {node.name: node for node in cluster.replicas}
        addresses = {cluster.primary.name: cluster.primary.url.dsn}
        addresses |= {name: node.url.dsn for name, node in nodes.items()}
        said = self._inquiry.ask(addresses)
        state = cluster.monitor.state
        primary, silent = _told(said[cluster.primary.name])
        return Overview(
            taken_at=time.time(),
            watched_for=time.monotonic() - self._began_at,
            primary=PrimaryView(
                cluster.primary.url.redacted,
                _role(state.primary.seen_at, not state.primary.writable),
                state.primary,
                primary,
                silent,
            ),
            replicas=tuple(
                _replica(node.config, node.url.redacted, state, said[name], primary) for name, node in nodes.items()
            ),
            policies=tuple(_policies(cluster)),
            has_budget=cluster.fallback_budget is not None,
            discovers=(search := cluster.monitor.search) is not None,
            undiscovered="" if search is None else search.problem,
        )

    def close(self) -> None:
        """Close its connections."""
        self._inquiry.close()

    def __enter__(self) -> Observer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _is_settled(self) -> bool:
        """Whether more watching would not tell more soon."""
        state = self._cluster.monitor.state
        if state.primary.trouble is Trouble.NOT_ASKED:
            return False
        return all(_is_judged(state.replicas.get(node.name)) for node in self._cluster.replicas)


def _is_judged(replica: ReplicaState | None) -> bool:
    if replica is None or replica.trouble is Trouble.NOT_ASKED:
        return False
    return not replica.reachable or not replica.follows or replica.fresh_as_of is not None


def _role(seen_at: float | None, in_recovery: bool) -> Role:
    if seen_at is None:
        return "unknown"
    return "standby" if in_recovery else "primary"


def _told(said: ServerFacts | str) -> tuple[ServerFacts | None, str]:
    return (None, said) if isinstance(said, str) else (said, "")


def _replica(
    config: ReplicaConfig, url: str, state: ClusterState, said: ServerFacts | str, primary: ServerFacts | None
) -> ReplicaView:
    known = state.replicas.get(config.name, ReplicaState(config.name))
    facts, silent = _told(said)
    age = None
    if primary is not None and facts is not None and facts.replayed_at is not None:
        age = max(0.0, primary.clock - facts.replayed_at)
    return ReplicaView(
        config,
        url,
        _role(known.seen_at, known.in_recovery),
        known,
        facts,
        silent,
        sender_of(facts, primary) if facts is not None and primary is not None else None,
        age,
    )


def sender_of(replica: ServerFacts, primary: ServerFacts) -> Sender | None:
    """The primary's process that sends its log to a replica, by the slot or the name that the replica says it uses.

    Args:
        replica: what the replica said of itself.
        primary: the same of the primary.
    """
    receiver = replica.receiver
    if receiver is None or receiver.status is None:
        return None
    if receiver.slot:
        found = [sender for sender in primary.senders if sender.slot == receiver.slot]
    else:
        found = [sender for sender in primary.senders if sender.application_name == receiver.application_name]
    if len(found) > 1 and replica.address is not None:
        found = [sender for sender in found if sender.address == replica.address]
    return found[0] if len(found) == 1 else None


def _policies(cluster: Cluster) -> list[PolicyView]:
    any_replica = ReadMode()
    found = [PolicyView("", False, any_replica, cluster.objections(any_replica.need))]
    for name, mode in cluster.policies.items():
        objections = cluster.objections(mode.need) if mode.replicas else {}
        found.append(PolicyView(name, name == cluster.default_mode.policy, mode, objections))
    return found
