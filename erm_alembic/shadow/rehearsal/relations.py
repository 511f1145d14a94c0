"""The relations of a shadow from statement to statement: which the target has, and what a statement did to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from erm_alembic.planning.rehearsal import ObservedLock
from erm_alembic.postgres.lock_modes import strongest
from erm_alembic.postgres.observed_locks import Held, Relation

__all__ = ["Change", "Counts", "Relations"]

Counts = Mapping[int, tuple[int, int]]
"""Scans, and changed rows, by OID."""

TABLES, INDEX = ("r", "m"), "i"


@dataclass
class Relations:
    """What there is in the shadow, by OID.

    Args:
        committed: every relation, as the last look at it has found it.
        origins: the names of those that the target has, before anything of the plan has run.
    """

    committed: dict[int, Relation] = field(default_factory=dict)
    origins: dict[int, str] = field(default_factory=dict)

    def name(self, oid: int) -> str | None:
        """What the target calls a relation, or else the shadow."""
        found = self.committed.get(oid)
        return self.origins.get(oid) or (None if found is None else found.name)


class Change:
    """What one statement did, from two looks at the relations that its session has locked.

    Args:
        relations: what there is in the shadow.
        before: the relations as they were when the statement came, as far as the transaction has changed them.
        held: what was locked then.
        after: what is locked afterwards.
        made: those that the transaction under way has made.
        counted: the scans and the changed rows that the statement has added.
    """

    def __init__(
        self,
        relations: Relations,
        before: Mapping[int, Relation],
        held: Held,
        after: Held,
        made: Collection[int] = (),
        counted: Counts | None = None,
    ) -> None:
        self._relations, self._held, self._after, self._made = relations, held, after, made
        self._counted = counted
        self._was = {oid: self._as_it_was(before, oid) for oid in {*after.modes, *after.relations}}

    def _as_it_was(self, before: Mapping[int, Relation], oid: int) -> Relation | None:
        found = before.get(oid) or self._relations.committed.get(oid)
        now = self._after.relations.get(oid)
        if found is not None and now is not None and found.schema_oid == now.schema_oid:
            # An earlier statement may have renamed the schema, which locks no relation.
            return replace(found, schema=now.schema)
        return found

    def locks(self) -> tuple[ObservedLock, ...]:
        """The locks that it added, without those on what its transaction has made."""
        return tuple(sorted(self._locks(), key=lambda lock: (lock.relation, lock.mode)))

    def _locks(self) -> Iterator[ObservedLock]:
        for oid, modes in self._after.modes.items():
            was = self._was[oid]
            if was is None or oid in self._made:
                continue
            table = None if was.table is None else self._relations.name(was.table)
            for mode in strongest(modes) - self._held.modes.get(oid, frozenset()):
                yield ObservedLock(was.name, mode, self._relations.origins.get(oid), table)

    def rewrites(self) -> tuple[str, ...]:
        """The relations that it wrote anew."""
        return self._named(oid for oid, now in self._after.relations.items() if self._moved(oid, now, TABLES))

    def builds(self) -> tuple[str, ...]:
        """The indexes that it built on tables that were there before its transaction."""
        return tuple(sorted(self._after.relations[oid].name for oid in self._built()))

    def scans(self) -> tuple[str, ...]:
        """The relations that it read."""
        if self._counted is not None:
            relations = self._after.relations
            read = (relations[oid].table or oid for oid, (scans, _) in self._counted.items() if scans > 0)
            return self._named(oid for oid in {*read} if oid not in relations or relations[oid].kind in TABLES)
        # It had transactions of its own, whose counts nobody has seen: who builds or rewrites has read.
        rewritten = {oid for oid, now in self._after.relations.items() if self._moved(oid, now, TABLES)}
        indexed = {self._after.relations[oid].table for oid in self._built()}
        return self._named(oid for oid in rewritten | indexed if oid is not None)

    def changed_rows(self) -> int:
        """The rows that it inserted, changed or deleted."""
        counted = self._counted or {}
        return sum(rows for oid, (_, rows) in counted.items() if self._after.relations[oid].kind in TABLES)

    def _built(self) -> Iterator[int]:
        for oid, now in self._after.relations.items():
            new = self._was[oid] is None or self._moved(oid, now, (INDEX,))
            if new and now.kind == INDEX and now.table not in self._made:
                yield oid

    def _moved(self, oid: int, now: Relation, kinds: Collection[str]) -> bool:
        """Whether a relation of a kind has another file than before."""
        was = self._was[oid]
        if was is None or now.kind not in kinds or None in (was.filenode, now.filenode):
            return False
        return was.filenode != now.filenode

    def _named(self, oids: Iterable[int]) -> tuple[str, ...]:
        """The names on the target of those relations that the transaction has not made itself."""
        names = (self._relations.name(oid) for oid in oids if oid not in self._made)
        return tuple(sorted(name for name in names if name is not None))
