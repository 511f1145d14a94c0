"""Causal tokens: a commit as a short text that travels in a cookie, a header or a job."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable

from erm_alembic.routing.positions import Position

__all__ = ["UNKNOWN_POSITION", "latest", "read_token", "write_token"]

# Passed on where something was written and nobody can say how far: who brings it reads from the primary.
UNKNOWN_POSITION = "unknown"

# Version, system identifier, timeline, position; a checksum tells a cut one. Who must not be believed signs them.
_LAYOUT = struct.Struct(">BQIQ")
_CHECKSUM = struct.Struct(">I")
_VERSION = 1


def write_token(position: Position) -> str:
    """A position as a token: 34 characters that stand in a URL, a cookie and a header as they are.

    Example:
        >>> read_token(write_token(Position(system=7, timeline=1, lsn=5)))
        Position(system=7, timeline=1, lsn=5)
    """
    packed = _LAYOUT.pack(_VERSION, position.system, position.timeline, position.lsn)
    checked = packed + _CHECKSUM.pack(binascii.crc32(packed))
    return base64.urlsafe_b64encode(checked).rstrip(b"=").decode("ascii")


def read_token(token: object) -> Position | None:
    """The position of a token; None where the text is none, or one of another version.

    Example:
        >>> read_token("garbage") is None
        True
    """
    if not isinstance(token, str):  # what a caller brought may be anything
        return None
    try:
        checked = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        packed, checksum = checked[: _LAYOUT.size], checked[_LAYOUT.size :]
        version, system, timeline, lsn = _LAYOUT.unpack(packed)
        (expected,) = _CHECKSUM.unpack(checksum)
    except (ValueError, struct.error):
        return None
    if version != _VERSION or expected != binascii.crc32(packed):
        return None
    return Position(system, timeline, lsn)


def latest(tokens: Iterable[object]) -> str | None:
    """The token that stands for all that several stand for; None for none of them.

    Args:
        tokens: what was brought. Of two histories nobody can say which is later: those stand for an unknown position,
            as does one that cannot be read.

    Example:
        >>> earlier, later = (write_token(Position(system=7, timeline=1, lsn=lsn)) for lsn in (5, 6))
        >>> latest([later, earlier]) == later, latest([earlier, "garbage"])
        (True, 'unknown')
    """
    held = None
    for token in tokens:
        position = read_token(token)
        if position is None or (held is not None and not held.same_history(position)):
            return UNKNOWN_POSITION
        held = position if held is None else max(held, position, key=lambda at: at.lsn)
    return None if held is None else write_token(held)
