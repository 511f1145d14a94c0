"""Positions in the write-ahead log: how far a primary has written, and how far a replica has replayed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PAGE", "SEGMENT", "Position", "format_lsn", "normalised", "parse_lsn"]

PAGE = 8192
SEGMENT = 16 * 1024 * 1024
_SHORT_HEADER = 24
_LONG_HEADER = 40


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log of one history of a database.

    Args:
        system: the system identifier of the cluster, which a standby shares with its primary.
        timeline: the history; a promotion begins a new one.
        lsn: bytes since the beginning of the log.
    """

    system: int
    timeline: int
    lsn: int

    def same_history(self, other: Position) -> bool:
        """Whether both are places in the same log, so that one comes before the other."""
        return self.system == other.system and self.timeline == other.timeline


def parse_lsn(text: str) -> int:
    """Read a position as PostgreSQL writes it.

    Raises:
        ValueError: it is not two hexadecimal numbers with a slash between.

    Example:
        >>> parse_lsn("0/16B3748")
        23803720
    """
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


def format_lsn(lsn: int) -> str:
    """Write a position as PostgreSQL writes it.

    Example:
        >>> format_lsn(23803720)
        '0/16B3748'
    """
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def normalised(lsn: int, *, page: int = PAGE, segment: int = SEGMENT) -> int:
    """The insert position of an idle primary as a caught-up replica states it.

    After a switch of segments, and whenever a record ended with its page, the insert position stands behind the header
    of a page that holds nothing yet; a replica has then replayed up to the page's beginning and never gets further.

    Args:
        lsn: what `pg_current_wal_insert_lsn()` said.
        page: the size of a page of the log, in bytes (`wal_block_size`).
        segment: the size of a segment of the log, in bytes (`wal_segment_size`).

    Example:
        >>> format_lsn(normalised(parse_lsn("0/3000028")))
        '0/3000000'
        >>> format_lsn(normalised(parse_lsn("0/3002018")))
        '0/3002000'
    """
    if lsn % segment == _LONG_HEADER:
        return lsn - _LONG_HEADER
    if lsn % page == _SHORT_HEADER and lsn % segment > page:
        return lsn - _SHORT_HEADER
    return lsn
