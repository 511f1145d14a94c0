"""How far the replicas of a database are behind: those of erm.yaml by routing's monitor, the others by the primary."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from erm_alembic.config.redaction import redact
from erm_alembic.observing.model import ReplicaLag
from erm_alembic.postgres.server_facts import Sender
from erm_alembic.routing.watching.lsn_history import LsnHistory

if TYPE_CHECKING:
    from erm_alembic.config.settings import Settings
    from erm_alembic.routing.cluster import Cluster
    from erm_alembic.routing.reporting.overview import Observer, Overview, ReplicaView

__all__ = ["ReplicaWatch"]

# How long the first look goes on watching a replica that is behind, in seconds: the next ones know more.
PATIENCE = 1.0


class ReplicaWatch:
    """Watches the replicas of a profile; a context manager.

    Where erm.yaml names replicas, routing's monitor asks each of them, over connections of its own. Those that it does
    not name are seen by the primary alone: their lag is as fine as the samples are apart.

    Args:
        settings: what is in force.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cluster: Cluster | None = None
        self._observer: Observer | None = None
        self._history = LsnHistory()

    def __enter__(self) -> ReplicaWatch:
        if self._settings.replicas or self._settings.routing.discovery is not None:
            from erm_alembic.routing.configured import cluster_of
            from erm_alembic.routing.reporting.overview import Observer

            self._cluster = cluster_of(self._settings)
            self._observer = Observer(self._cluster, patience=PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._observer is not None:
            self._observer.close()
        if self._cluster is not None:
            self._cluster.close()

    def forget(self) -> None:
        """Another server writes the log now: what was known of positions in it does not hold."""
        self._history.clear()

    def look(self, senders: Sequence[Sender], written: int | None, asked_at: float) -> tuple[ReplicaLag, ...]:
        """How far each of them is behind now.

        Args:
            senders: who follows the server, as it says.
            written: its position in the log; None where it is not known.
            asked_at: a moment before it was asked for that, by `time.monotonic()`.
        """
        if written is not None:
            self._history.add(asked_at, written)
        overview = None if self._observer is None else self._observer.look()
        configured = () if overview is None else tuple(_configured(each) for each in overview.replicas)
        ours = _known(overview)
        return (*configured, *self._unconfigured([each for each in senders if _key(each) not in ours], written))

    def _unconfigured(self, senders: Sequence[Sender], written: int | None) -> list[ReplicaLag]:
        found: list[ReplicaLag] = []
        now = time.monotonic()
        for sender in senders:
            if sender.state not in (None, "streaming", "catchup"):
                continue  # a backup that is taken, or one that has not begun
            lag = None if sender.replayed is None else self._history.lag(sender.replayed, now)
            behind = None if sender.replayed is None or written is None else max(0, written - sender.replayed)
            seconds, at_least = lag or (None, False)
            name = sender.application_name or sender.slot or "a standby"
            same = sum(each.name == name or each.name.startswith(f"{name} #") for each in found)
            found.append(ReplicaLag(f"{name} #{same + 1}" if same else name, seconds, at_least, behind))
        return found


def _configured(view: ReplicaView) -> ReplicaLag:
    state, facts = view.state, view.facts
    seen = facts is not None and "pg_stat_database_conflicts" not in facts.refused
    found = ReplicaLag(view.name, state.lag, state.at_least, state.lag_bytes, redact(state.problem))
    return replace(found, conflicts=sum(facts.conflicts.values())) if facts is not None and seen else found


def _known(overview: Overview | None) -> set[tuple[str, str | None, str | None]]:
    """The senders that belong to replicas of erm.yaml."""
    if overview is None:
        return set()
    return {_key(each.sender) for each in overview.replicas if each.sender is not None}


def _key(sender: Sender) -> tuple[str, str | None, str | None]:
    return (sender.application_name, sender.address, sender.slot)
