"""From what each server says of itself to what is known of the cluster: nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

from erm_alembic.postgres.replication import ServerSample
from erm_alembic.routing.positions import PAGE, SEGMENT, normalised
from erm_alembic.routing.watching.lsn_history import LsnHistory
from erm_alembic.routing.watching.state import ClusterState, PrimaryState, ReplicaState, Trouble

__all__ = ["Picture"]


@dataclass(frozen=True, slots=True)
class _Objection:
    """Why a replica cannot be read from."""

    trouble: Trouble
    words: str


@dataclass(slots=True)
class _Replica:
    """What was heard of one replica, beside its state."""

    state: ReplicaState
    sample: ServerSample | None = None
    answered_at: float = 0.0
    # What is evident of one run of its server; a rebuilt one has been started anew.
    timeline: int | None = None
    diverged: bool = False
    beat: int | None = None
    no_beat: str = ""


class Picture:
    """What was heard of a cluster's servers, set against each other.

    Args:
        replicas: their names.
    """

    def __init__(self, replicas: Iterable[str]) -> None:
        self._primary = PrimaryState()
        self._primary_started: float | None = None
        self._replicas = {name: _Replica(ReplicaState(name)) for name in replicas}
        # Whose positions the ring holds: a cluster and a timeline.
        self._history: tuple[int | None, int | None] | None = None
        self._answered_at = 0.0
        self._lsns = LsnHistory()
        self._beats = LsnHistory()
        self._no_beat = ""

    @property
    def primary_reachable(self) -> bool:
        """Whether the primary answered the last time."""
        return self._primary.reachable

    def primary_answered(self, sample: ServerSample, asked_at: float, answered_at: float) -> None:
        """Take what the primary said, unless later news is known already.

        Args:
            sample: that.
            asked_at: a moment before it was asked.
            answered_at: a moment after it answered.
        """
        if self._primary.seen_at is not None and asked_at < self._primary.seen_at:
            return
        before, lsn = self._primary.lsn, position(sample)
        self._primary_started = sample.started or self._primary_started  # who asks for a position only is not told
        self._primary = PrimaryState(
            seen_at=asked_at,
            reachable=True,
            writable=not sample.in_recovery,
            system=sample.system,
            timeline=None if sample.in_recovery else sample.timeline,
            lsn=lsn,
            problem="it is in recovery: a standby, not a primary" if sample.in_recovery else "",
            database=sample.database,
            trouble=Trouble.DEMOTED if sample.in_recovery else Trouble.NONE,
        )
        if sample.in_recovery:
            return
        history = sample.system, sample.timeline
        if history != self._history:
            self._history = history
            self._lsns.clear()
            for replica in self._replicas.values():
                replica.diverged = False
        if lsn is None:
            return
        if before is not None and lsn < before and asked_at > self._answered_at:
            # It has lost what was not on its disk yet, and writes other things in its place.
            self._lsns.clear()
        self._answered_at = max(answered_at, self._answered_at)
        self._lsns.add(asked_at, lsn)
        for replica in self._replicas.values():
            heard = replica.sample
            if heard is not None and heard.replayed is not None and replica.answered_at <= asked_at:
                # A primary never stands behind what its own standby has.
                replica.diverged |= heard.replayed > lsn and self._is_of(replica, history)

    def primary_failed(self, problem: str) -> None:
        """Note that the primary cannot be reached: what is known of replicas grows old, and no truer."""
        self._primary = replace(self._primary, reachable=False, problem=problem, trouble=Trouble.UNREACHABLE)

    def beat_written(self, beat: int, asked_at: float) -> None:
        """Note a heartbeat that is committed on the primary.

        Args:
            beat: its number.
            asked_at: a moment before it was written.
        """
        self._beats.add(asked_at, beat)
        self._no_beat = ""

    def beat_failed(self, problem: str) -> None:
        """Note that no heartbeat can be written."""
        self._no_beat = problem

    def replica_answered(
        self,
        name: str,
        sample: ServerSample,
        asked_at: float,
        answered_at: float,
        beat: int | None = None,
        no_beat: str = "",
    ) -> None:
        """Take what a replica said.

        Args:
            name: which one.
            sample: what it said of itself.
            asked_at: a moment before it was asked.
            answered_at: a moment after it answered.
            beat: the last heartbeat that it has.
            no_beat: why that cannot be read.
        """
        replica = self._replicas[name]
        before = replica.sample
        if before is None or (before.started, before.system) != (sample.started, sample.system):
            replica.timeline, replica.diverged, replica.beat = None, False, None
        replica.sample, replica.answered_at = sample, answered_at
        if sample.timeline is not None:
            replica.timeline = max(sample.timeline, replica.timeline or 0)
        replica.beat, replica.no_beat = beat, no_beat
        replica.state = replace(
            replica.state,
            seen_at=asked_at,
            reachable=True,
            in_recovery=sample.in_recovery,
            problem="",
            trouble=Trouble.NONE,
            started=sample.started,
        )

    def replica_failed(self, name: str, problem: str) -> None:
        """Note that a replica cannot be reached."""
        replica = self._replicas[name]
        replica.state = replace(replica.state, reachable=False, problem=problem, trouble=Trouble.UNREACHABLE)

    def add(self, name: str) -> None:
        """Let a replica come, of which nothing is known."""
        self._replicas[name] = _Replica(ReplicaState(name))

    def forget(self, name: str) -> None:
        """Let a replica go."""
        del self._replicas[name]

    def behind(self) -> Iterator[str]:
        """The replicas that had not replayed yet what the primary had last written."""
        for name, replica in self._replicas.items():
            sample, lsn = replica.sample, self._primary.lsn
            if sample is not None and sample.replayed is not None and lsn is not None and sample.replayed < lsn:
                yield name

    def state(self, now: float) -> ClusterState:
        """All of it at one moment.

        Args:
            now: that moment.
        """
        replicas = {name: self._seen(replica, now) for name, replica in self._replicas.items()}
        return ClusterState(now, self._primary, MappingProxyType(replicas))

    def _seen(self, replica: _Replica, now: float) -> ReplicaState:
        sample = replica.sample
        if sample is None:
            return replica.state
        objection = self._objection(replica, sample)
        known = replace(
            replica.state,
            follows=objection is None,
            replay_lsn=sample.replayed,
            timeline=replica.timeline,
            system=sample.system,
            fresh_as_of=None,
            lag=None,
            at_least=False,
            lag_bytes=None,
        )
        if objection is None:
            known = self._measured(known, replica, now)
            if known.fresh_as_of is None and known.lag is None:
                unknown = _Objection(Trouble.NO_POSITION, "how far it has replayed is not known")
                objection = self._without_beat(replica) or unknown
        if objection is not None and replica.state.reachable:
            known = replace(known, problem=objection.words, trouble=objection.trouble)
        return known

    def _measured(self, known: ReplicaState, replica: _Replica, now: float) -> ReplicaState:
        """How far behind it is, by its position in the log where it states one, and by the heartbeat that it has."""
        fresh, lag, missing = [], None, None
        if known.replay_lsn is not None and self._is_of(replica, self._history):
            fresh.append(self._lsns.fresh_as_of(known.replay_lsn))
            lag = self._lsns.lag(known.replay_lsn, now)
            if self._primary.lsn is not None:
                missing = max(0, self._primary.lsn - known.replay_lsn)
        if replica.beat is not None:
            fresh.append(self._beats.fresh_as_of(replica.beat))
            lag = lag or self._beats.lag(replica.beat, now)
        seconds, at_least = lag or (None, False)
        as_of = max((moment for moment in fresh if moment is not None), default=None)
        return replace(known, fresh_as_of=as_of, lag=seconds, at_least=at_least, lag_bytes=missing)

    def _objection(self, replica: _Replica, sample: ServerSample) -> _Objection | None:
        """Why it does not follow the primary, as far as is known; None when it does."""
        if not sample.in_recovery:
            return _Objection(Trouble.NO_STANDBY, self._why_no_standby(sample))
        if self._history is None:
            return _Objection(Trouble.PRIMARY_UNKNOWN, "the primary is not known yet")
        if replica.diverged:
            parted = "it has replayed what the primary never wrote: their histories have parted"
            return _Objection(Trouble.OTHER_HISTORY, parted)
        system, timeline = self._history
        if None not in (system, sample.system) and sample.system != system:
            return _Objection(Trouble.OTHER_CLUSTER, "it is of another cluster than the primary")
        if None not in (timeline, replica.timeline) and replica.timeline != timeline:
            timelines = f"it follows timeline {replica.timeline}, and the primary writes timeline {timeline}"
            return _Objection(Trouble.OTHER_HISTORY, timelines)
        if self._has_twin():
            twins = "another server writes the timeline of the primary too: whose standby this is cannot be told"
            return _Objection(Trouble.OTHER_HISTORY, twins)
        named = self._primary.database
        if None not in (named, sample.database) and sample.database != named:
            databases = f"its address leads to the database {sample.database!r}, and the primary's to {named!r}"
            return _Objection(Trouble.OTHER_DATABASE, databases)
        if self._is_of(replica, self._history) or replica.beat is not None:
            return None
        refused = "whom it follows is not known: its role may not read pg_control_system() and pg_stat_wal_receiver"
        return self._without_beat(replica) or _Objection(Trouble.NOT_TOLD, refused)

    def _has_twin(self) -> bool:
        """Whether a server that was named a replica has been promoted to what the primary takes itself for.

        Two standbys that are promoted at once give their histories the same number, and nothing that a standby says
        of itself tells which of both it follows.
        """
        if self._history is None or None in self._history or self._primary_started is None:
            return False
        written = (heard.sample for heard in self._replicas.values() if heard.state.reachable)
        return any(
            sample is not None
            and not sample.in_recovery
            and (sample.system, sample.timeline) == self._history
            and sample.started not in (None, self._primary_started)
            for sample in written
        )

    def _without_beat(self, replica: _Replica) -> _Objection | None:
        """Why the heartbeat says nothing of it; None where it does, or there is none."""
        said = self._no_beat or replica.no_beat
        return _Objection(Trouble.NO_HEARTBEAT, said) if said else None

    def _why_no_standby(self, sample: ServerSample) -> str:
        # No two servers are started within the same microsecond.
        if sample.started is not None and sample.started == self._primary_started:
            return "it is the primary itself"
        if None not in (self._primary.system, sample.system) and sample.system != self._primary.system:
            return "it is the primary of another cluster"
        return "it is not a standby, or no longer one"

    def _is_of(self, replica: _Replica, history: tuple[int | None, int | None] | None) -> bool:
        if replica.sample is None or history is None or None in history:
            return False
        return (replica.sample.system, replica.timeline) == history


def position(sample: ServerSample) -> int | None:
    """Where a primary stands, as a replica that has everything states it; None where it does not say.

    Args:
        sample: what it said of itself.
    """
    if sample.written is None:
        return None
    return normalised(sample.written, page=sample.page or PAGE, segment=sample.segment or SEGMENT)
