"""The modes of a relation's lock: which of them stand in the way of which, as PostgreSQL's manual has it."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["CONFLICTS", "blocks_reads", "blocks_writes", "strongest"]

_ACCESS_SHARE, _ROW_SHARE, _ROW_EXCLUSIVE = "AccessShareLock", "RowShareLock", "RowExclusiveLock"
_SHARE_UPDATE_EXCLUSIVE, _SHARE = "ShareUpdateExclusiveLock", "ShareLock"
_SHARE_ROW_EXCLUSIVE, _EXCLUSIVE, _ACCESS_EXCLUSIVE = "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"

CONFLICTS: dict[str, frozenset[str]] = {
    _ACCESS_SHARE: frozenset([_ACCESS_EXCLUSIVE]),
    _ROW_SHARE: frozenset([_EXCLUSIVE, _ACCESS_EXCLUSIVE]),
    _ROW_EXCLUSIVE: frozenset([_SHARE, _SHARE_ROW_EXCLUSIVE, _EXCLUSIVE, _ACCESS_EXCLUSIVE]),
    _SHARE_UPDATE_EXCLUSIVE: frozenset(
        [_SHARE_UPDATE_EXCLUSIVE, _SHARE, _SHARE_ROW_EXCLUSIVE, _EXCLUSIVE, _ACCESS_EXCLUSIVE]
    ),
    _SHARE: frozenset([_ROW_EXCLUSIVE, _SHARE_UPDATE_EXCLUSIVE, _SHARE_ROW_EXCLUSIVE, _EXCLUSIVE, _ACCESS_EXCLUSIVE]),
    _SHARE_ROW_EXCLUSIVE: frozenset(
        [_ROW_EXCLUSIVE, _SHARE_UPDATE_EXCLUSIVE, _SHARE, _SHARE_ROW_EXCLUSIVE, _EXCLUSIVE, _ACCESS_EXCLUSIVE]
    ),
}
CONFLICTS[_EXCLUSIVE] = CONFLICTS[_SHARE_ROW_EXCLUSIVE] | {_ROW_SHARE}
CONFLICTS[_ACCESS_EXCLUSIVE] = CONFLICTS[_EXCLUSIVE] | {_ACCESS_SHARE}
"""By mode: what another session does not get while it is held."""


def blocks_reads(mode: str) -> bool:
    """Whether nobody else may SELECT.

    Example:
        >>> blocks_reads("AccessExclusiveLock"), blocks_reads("ShareRowExclusiveLock")
        (True, False)
    """
    return _ACCESS_SHARE in CONFLICTS.get(mode, ())


def blocks_writes(mode: str) -> bool:
    """Whether nobody else may INSERT, UPDATE or DELETE.

    Example:
        >>> blocks_writes("ShareLock"), blocks_writes("ShareUpdateExclusiveLock")
        (True, False)
    """
    return _ROW_EXCLUSIVE in CONFLICTS.get(mode, ())


def strongest(modes: Iterable[str]) -> frozenset[str]:
    """The modes that count: those that another one of them does not include.

    Example:
        >>> sorted(strongest(["ShareLock", "AccessShareLock", "ShareUpdateExclusiveLock"]))
        ['ShareLock', 'ShareUpdateExclusiveLock']
    """
    found = frozenset(modes)
    return frozenset(
        mode
        for mode in found
        if not any(CONFLICTS.get(mode, frozenset()) < CONFLICTS.get(other, frozenset()) for other in found)
    )
