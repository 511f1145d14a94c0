"""Which rows a flush writes: those of objects that were changed or deleted, and those that it changes by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy.orm import InstanceState, RelationshipDirection, RelationshipProperty, Session
from sqlalchemy.orm.attributes import instance_state

__all__ = ["is_written", "written_by_flush"]

# An object, and whether it is deleted.
Reached = tuple[InstanceState[Any], bool]


def is_written(session: Session, state: InstanceState[Any]) -> bool:
    """Whether the row of an object is to be written: a change of a collection alone writes others' rows.

    Args:
        session: the session.
        state: the object's.
    """
    instance = state.obj()
    return instance is not None and (
        instance in session.deleted or session.is_modified(instance, include_collections=False)
    )


def written_by_flush(session: Session) -> list[InstanceState[Any]]:
    """The objects whose rows a flush is about to write.

    What was taken out of a collection, or put into it, gets another foreign key though nobody has changed it itself;
    what is nothing without its parent is deleted, and with it what hangs on that.

    Args:
        session: the session that flushes.
    """
    deleted = [instance_state(each) for each in session.deleted]
    changed = [instance_state(each) for each in session.dirty]
    seen: dict[InstanceState[Any], bool] = {}
    written = dict.fromkeys(state for state in [*changed, *deleted] if is_written(session, state))
    waiting: list[Reached] = [*((state, False) for state in changed), *((state, True) for state in deleted)]
    while waiting:
        state, gone = waiting.pop()
        if seen.get(state, False) or (state in seen and not gone):
            continue
        seen[state] = gone
        for relationship in state.mapper.relationships:
            for reached in _reached(state, relationship, gone):
                written[reached[0]] = None
                waiting.append(reached)
    return list(written)


def _reached(state: InstanceState[Any], relationship: RelationshipProperty[Any], gone: bool) -> Iterator[Reached]:
    """What is changed or deleted because of an object that is, by one of its relationships."""
    if relationship.viewonly or relationship.secondary is not None:
        return
    if not gone and relationship.key not in state.committed_state:
        return
    history = state.attrs[relationship.key].history
    has_foreign_key_there = relationship.direction is RelationshipDirection.ONETOMANY
    if relationship.cascade.delete_orphan:
        yield from _states(history.deleted, gone=True)
    elif has_foreign_key_there:
        yield from _states(history.deleted, gone=False)
    if gone and relationship.cascade.delete:
        yield from _states([*history.unchanged, *history.added], gone=True)
    elif has_foreign_key_there and not (gone and relationship.passive_deletes == "all"):
        yield from _states([*(history.unchanged if gone else ()), *history.added], gone=False)


def _states(objects: Iterable[Any], *, gone: bool) -> Iterator[Reached]:
    return ((instance_state(each), gone) for each in objects if each is not None)
