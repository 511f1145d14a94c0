"""Objects that were loaded from a replica and changed: each is held against its row on the primary before the flush.

What was read from a replica may be older than the row by now. To write `x + 1` from it would undo what somebody else
wrote in between, without a word from the database. The position of the log would not tell: on a busy primary it always
differs; the columns that were loaded do.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import FromClause, Join, Table, select, tuple_
from sqlalchemy.orm import InstanceState, Mapper, Session
from sqlalchemy.orm.attributes import instance_state, set_committed_value

from erm_alembic.errors import StaleReplicaWrite
from erm_alembic.routing.instrumentation import Instrumentation
from erm_alembic.routing.sessions.column_values import UNKNOWN, same
from erm_alembic.routing.sessions.locking import classes_in_order, keys_in_order
from erm_alembic.routing.sessions.marks import columns_of, is_marked, unmark, values_read
from erm_alembic.routing.sessions.unit_of_work import is_written, written_by_flush

__all__ = ["OnStale", "Provenance", "checked"]

OnStale = Literal["raise", "refetch", "warn"]


def checked(on_stale: OnStale) -> OnStale:
    """What somebody chose, which the type alone does not hold at run time.

    Args:
        on_stale: what happens with an object that differs on the primary.

    Raises:
        ValueError: it is something else.

    Example:
        >>> checked("warn")
        'warn'
    """
    if on_stale not in ("raise", "refetch", "warn"):
        raise ValueError(f"on_stale is 'raise', 'refetch' or 'warn', not {on_stale!r}")
    return on_stale


_NO_LOCK = "nothing keeps its row as it is until it is written, since the connection commits each statement by itself"


class Provenance:
    """What becomes of a session's objects that stem from a replica.

    Args:
        on_stale: what happens with one that differs on the primary.
        locks_nothing: whether a lock is gone at once, since the session's connection commits each statement by itself.
    """

    def __init__(self, on_stale: OnStale, locks_nothing: Callable[[], bool] = lambda: False) -> None:
        self._on_stale, self._locks_nothing = checked(on_stale), locks_nothing

    def check(self, session: Session, instrumentation: Instrumentation | None = None) -> None:
        """Hold the objects of a flush that stem from a replica against the primary; one query for each class of them.

        Args:
            session: the session that flushes.
            instrumentation: told what becomes of each object that differs; None where nobody counts.

        Raises:
            StaleReplicaWrite: one of them differs there.
        """
        self._hold(session, written_by_flush(session), instrumentation)

    def check_objects(
        self, session: Session, objects: Iterable[object], counts: Instrumentation | None = None, *, whole: bool
    ) -> None:
        """The same of objects that a session is about to write without a flush.

        Args:
            session: the session.
            objects: the objects.
            counts: told what becomes of each object that differs; None where nobody counts.
            whole: whether all columns of each are written, or those that were changed.

        Raises:
            StaleReplicaWrite: one of them differs there.
        """
        states = [state for state in map(instance_state, objects) if state.key is not None]
        written = [state for state in states if whole or is_written(session, state)]
        self._hold(session, written, counts)

    def _hold(
        self, session: Session, states: Iterable[InstanceState[Any]], instrumentation: Instrumentation | None
    ) -> None:
        suspects = [state for state in states if is_marked(state)]
        by_mapper: dict[Mapper[Any], list[InstanceState[Any]]] = defaultdict(list)
        for state in suspects:
            by_mapper[state.mapper].append(state)
        for mapper in classes_in_order(by_mapper):
            rows = _rows_on_primary(session, mapper, by_mapper[mapper])
            if self._locks_nothing():
                for state in by_mapper[mapper]:
                    self._tell(mapper, state, _NO_LOCK, instrumentation)
                continue
            for state in by_mapper[mapper]:
                self._compare(mapper, state, rows.get(tuple(state.identity or ())), instrumentation)
        for state in suspects:
            unmark(state)

    def _compare(
        self,
        mapper: Mapper[Any],
        state: InstanceState[Any],
        row: dict[str, Any] | None,
        instrumentation: Instrumentation | None,
    ) -> None:
        if row is None:
            self._tell(mapper, state, "it is not there any more", instrumentation)
            return
        read = values_read(state)
        unknown = sorted(key for key, value in read.items() if value is UNKNOWN)
        if unknown and mapper.version_id_col is None:  # which the flush itself compares
            names = ", ".join(unknown)
            self._tell(mapper, state, f"{names} cannot be compared, since it was changed in place", instrumentation)
            return
        differing = {key: row[key] for key, value in read.items() if not _same(mapper, key, value, row)}
        if not differing:
            return
        changed = [key for key in differing if state.attrs[key].history.has_changes()]
        if self._on_stale == "refetch" and not changed:
            for key, value in differing.items():
                set_committed_value(state.obj(), key, value)
            _count("refetch", instrumentation)
            return
        self._tell(mapper, state, "it differs in " + ", ".join(sorted(differing)), instrumentation)

    def _tell(
        self, mapper: Mapper[Any], state: InstanceState[Any], how: str, instrumentation: Instrumentation | None
    ) -> None:
        what = f"{mapper.class_.__name__} {state.identity} was loaded from a replica and changed; on the primary {how}."
        if self._on_stale == "warn":
            _count("warn", instrumentation)
            warnings.warn(what, stacklevel=2)
            return
        _count("raise", instrumentation)
        raise StaleReplicaWrite(
            what,
            effect="The changes were not written.",
            cure="Read what is to be changed within primary(), or in a transaction that was begun explicitly.",
        )


def _count(outcome: OnStale, instrumentation: Instrumentation | None) -> None:
    if instrumentation is not None:
        instrumentation.found_stale(outcome)


# Of so many rows at once the keys are sent; asyncpg takes no more than 32,767 parameters.
_AT_ONCE = 1_000


def _rows_on_primary(
    session: Session, mapper: Mapper[Any], states: Sequence[InstanceState[Any]]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows of objects as they are on the primary, by primary key; locked until the flush has written them."""
    keys = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    names = list(dict.fromkeys([*keys, *columns_of(mapper)]))
    attributes: dict[str, Any] = {name: mapper.all_orm_descriptors[name] for name in names}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    # A thousand after the other, in the order in which the flush will write them.
    identities = keys_in_order(mapper, [tuple(state.identity or ()) for state in states])
    for first in range(0, len(identities), _AT_ONCE):
        some = identities[first : first + _AT_ONCE]
        query: Any = select(*attributes.values()).where(tuple_(*(attributes[key] for key in keys)).in_(some))
        # Rows are locked in the order in which they are found, which without this is the plan's.
        query = query.order_by(*(attributes[key] for key in keys))
        if tables := _tables_of(mapper.persist_selectable):
            query = query.with_for_update(key_share=True, of=tables)
        for values in session.execute(query):
            row = dict(zip(names, values, strict=True))
            rows[tuple(row[key] for key in keys)] = row
    return rows


def _tables_of(selectable: FromClause) -> list[Table]:
    """The tables in which an object surely has a row; of an outer join no server locks the other side."""
    if isinstance(selectable, Join):
        if selectable.full:
            return []
        return _tables_of(selectable.left) + ([] if selectable.isouter else _tables_of(selectable.right))
    return [selectable] if isinstance(selectable, Table) else []


def _same(mapper: Mapper[Any], key: str, value: Any, row: Mapping[str, Any]) -> bool:
    return value is UNKNOWN or same(mapper.column_attrs[key].columns[0].type, value, row[key])
