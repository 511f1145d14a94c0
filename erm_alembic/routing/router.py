"""Where reads may go now: what a cluster's sessions ask, and what they tell.

A router puts together what is connected (`Membership`), what is known of that (a `StateSource`), and what decides
between them: which statements are reads, which replicas are fresh enough, what the primary takes over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from sqlalchemy import Engine

from erm_alembic.errors import NoReplicaAvailable
from erm_alembic.routing.blocks import innermost_block
from erm_alembic.routing.connections.membership import Membership
from erm_alembic.routing.connections.nodes import Node, ReplicaNode
from erm_alembic.routing.connections.same_server import is_other
from erm_alembic.routing.deciding.budget import Budget, FallbackBudget
from erm_alembic.routing.deciding.classify import Classifier
from erm_alembic.routing.deciding.policies import Policies
from erm_alembic.routing.deciding.reasons import Reason, Why, why_no_fallback
from erm_alembic.routing.deciding.selection import Judge, Verdict, judged, least_loaded
from erm_alembic.routing.deciding.waiting import wait_for
from erm_alembic.routing.instrumentation import Instrumentation
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReadMode
from erm_alembic.routing.positions import Position
from erm_alembic.routing.watching.source import StateSource
from erm_alembic.routing.watching.state import ClusterState

__all__ = ["Router"]


class Router:
    """Chooses servers for the reads of one cluster.

    Args:
        members: the servers.
        source: says how far they are.
        classifier: tells reads from everything else.
        heard_within: how old the news of a replica may be, in seconds.
        fallback_budget: how many reads the primary takes over where replicas are missing; None sets no bound.
        judge: tells whether a replica can be taken for a read.
    """

    def __init__(
        self,
        members: Membership,
        source: StateSource,
        classifier: Classifier,
        *,
        heard_within: float,
        fallback_budget: FallbackBudget | None = None,
        judge: Judge = judged,
    ) -> None:
        self.primary, self.source, self.classifier = members.primary, source, classifier
        self.policies = Policies()
        self.fallback_budget = fallback_budget
        self.instrumentation: Instrumentation | None = None  # who counts what happens, where somebody does
        self.has_committed = False  # whether a session of this process ever wrote anything
        self._members = members
        self.budget = None if fallback_budget is None else Budget(fallback_budget)
        self._heard_within, self._judge = heard_within, judge
        self.primary.begins_commit = self._begins_commit

    @property
    def replicas(self) -> Sequence[ReplicaNode]:
        """The replicas of this moment."""
        return self._members.nodes

    @property
    def primary_only(self) -> bool:
        """Whether there is no replica, and none can come."""
        return not self._members.nodes and not self._members.can_grow

    def server_of(self, engine: Engine) -> Node | None:
        """The server that an engine leads to; None where it is none of the cluster's engines.

        Args:
            engine: one of the cluster's, or one with options of its own over the same pool.
        """
        return next((node for node in (self.primary, *self.replicas) if node.owns(engine)), None)

    # Which replica can answer a read.

    def watch_for(self, mode: ReadMode, no_read: Reason | None) -> None:
        """Have the servers watched, since somebody wants to read from replicas.

        Args:
            mode: what the read asks.
            no_read: why its statement is not known to be a pure read; None where it is.

        Raises:
            NoReplicaAvailable: that is only because nothing is known yet, and the read may not fall back.
        """
        if not self.primary_only:
            self.source.start()
            if no_read is not None and no_read.why is Why.NOT_KNOWN_YET:
                self.fall_back(mode, no_read)

    def choose(self, need: Need, *, asynchronous: bool, avoid: Collection[str] = ()) -> ReplicaNode | None:
        """A replica for a read; None where none is fresh enough. Reads what is known, asks nobody.

        Args:
            need: what the read needs.
            asynchronous: whether for an `AsyncSession`.
            avoid: the names of those that have failed it already.
        """
        if self.primary_only:
            return None
        self.source.start()
        now = time.monotonic()
        nodes = self._members.nodes  # before the state: see Membership
        state, judge, heard_within = self.source.state, self._judge, self._heard_within
        fit = [
            node for node in nodes if node.name not in avoid and not judge(node, state, need, now, heard_within).why_not
        ]
        return least_loaded(fit, asynchronous) if fit else None

    def choose_in_time(
        self, mode: ReadMode, need: Need, *, asynchronous: bool, avoid: Collection[str] = ()
    ) -> ReplicaNode | None:
        """The same, after waiting for one as long as the read may.

        Args:
            mode: what the read asks.
            need: what it needs where it stands.
            asynchronous: whether for an `AsyncSession`.
            avoid: the names of those that have failed it already.
        """
        node = self.choose(need, asynchronous=asynchronous, avoid=avoid)
        if node is None and mode.max_wait > 0 and not self.primary_only:
            choose = partial(self.choose, need, asynchronous=asynchronous, avoid=avoid)
            node = wait_for(self.source, choose, mode.max_wait, self.instrumentation, need.after)
        return node

    def judged(self, node: ReplicaNode, need: Need, now: float, state: ClusterState) -> Verdict:
        """Whether a replica can be taken for a read.

        Args:
            node: the replica.
            need: what the read needs.
            now: `time.monotonic()`.
            state: what is known of the servers.
        """
        return self._judge(node, state, need, now, self._heard_within)

    def fits(self, node: ReplicaNode, need: Need) -> bool:
        """Whether a replica can be taken for a read now.

        Args:
            node: the replica.
            need: what the read needs.
        """
        return not self.judged(node, need, time.monotonic(), self.source.state).why_not

    def start_of(self, node: ReplicaNode) -> float | None:
        """When the server was started that is known by a replica's name; None while that is not known.

        Args:
            node: the replica.
        """
        return self.source.state.start_of(node.name)

    def has_moved(self, node: ReplicaNode, started: float | None) -> bool:
        """Whether another server goes by a replica's name than the one that was chosen: what is known is of that one.

        Args:
            node: the replica.
            started: when the one that was chosen was started.
        """
        return is_other(started, self.start_of(node))

    def objections(self, need: Need) -> Mapping[str, str]:
        """Of each replica why it cannot be taken now; empty where it can.

        Args:
            need: what a read needs.
        """
        now, nodes, state = time.monotonic(), self.replicas, self.source.state
        return {node.name: self.judged(node, need, now, state).why_not for node in nodes}

    # What the primary takes over.

    def fall_back(self, mode: ReadMode, why: Reason) -> None:
        """Let the primary answer a read that no replica can.

        Args:
            mode: what holds for the read.
            why: why none can.

        Raises:
            NoReplicaAvailable: the read forbids it, or the budget for this is used up.
        """
        if self.primary_only:
            return
        budget = None if mode.disable_fallback else self.budget
        refused = why_no_fallback(mode, within_budget=budget is None or budget.take())
        if self.instrumentation is not None:
            self.instrumentation.fell_back(mode, why.why.value, refused=refused != "")
        if refused:
            asked = f"policy {mode.policy!r}" if mode.policy else "read"
            raise NoReplicaAvailable(
                f"No replica can answer the {asked}: {why}.",
                effect=f"Nothing was read; {refused}.",
                cure="`erm replicas` shows how far each one is; allow more lag, or the primary.",
            )

    def why_no_fallback(self, mode: ReadMode) -> str:
        """Why `fall_back` would raise now; empty where it would not. Nothing is counted.

        Args:
            mode: what holds for the read.
        """
        if self.primary_only:
            return ""
        return why_no_fallback(mode, within_budget=self.budget is None or self.budget.allows())

    def count_read(self) -> None:
        """Note that a replica answers a read, of which a share may fall back."""
        if self.budget is not None:
            self.budget.read()

    def position(self) -> Position:
        """How far the primary has written at this moment, asked over a connection of the monitor's.

        Raises:
            TargetError: the primary cannot be reached.
        """
        return self.source.primary_position()

    def _begins_commit(self) -> Callable[[], None] | None:
        """Note that something is about to be committed, which no session of this router's says; returns how it ends."""
        self.has_committed, block = True, innermost_block()
        blocks = [each for each in block.chain() if each.entered.collects] if block else []
        for each in blocks:
            each.commits[self] = float("inf")  # no replica can have it yet

        def over() -> None:
            for each in blocks:
                each.commits[self] = time.monotonic()

        return over if blocks else None

    def begin_in_child(self) -> None:
        """After a fork: the lock of the budget may be that of a thread that is not here."""
        if self.budget is not None:
            self.budget.begin_in_child()
