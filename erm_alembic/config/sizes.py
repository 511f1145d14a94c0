"""Sizes as PostgreSQL writes them: `512kB`, `16MB`, `1GB`."""

from __future__ import annotations

import re

__all__ = ["SIZE_PATTERN", "Size", "about", "parse_size"]

SIZE_PATTERN = r"^\d+\s*(B|kB|MB|GB)$"

_PARTS = re.compile(r"(\d+)\s*(B|kB|MB|GB)", re.ASCII)
_UNITS = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3}


class Size(int):
    """A number of bytes, told apart from a plain number, and written with its unit.

    Example:
        >>> str(Size(16 * 1024 * 1024)), str(Size(1000)), Size(1024) + 1
        ('16MB', '1000B', 1025)
    """

    def __str__(self) -> str:
        unit = next((name for name in ("GB", "MB", "kB") if self and self % _UNITS[name] == 0), "B")
        return f"{int(self) // _UNITS[unit]}{unit}"


def parse_size(text: str) -> Size:
    """Read a size.

    Args:
        text: a whole number and its unit: `B`, `kB`, `MB` or `GB`, each 1024 of the one before.

    Raises:
        ValueError: the text is no size.

    Example:
        >>> int(parse_size("16MB"))
        16777216
    """
    match = _PARTS.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write a whole number and its unit, as 512kB, 16MB or 1GB")
    return Size(int(match[1]) * _UNITS[match[2]])


def about(size: int) -> str:
    """A number of bytes that a person can read: rounded, with a unit.

    Args:
        size: in bytes.

    Example:
        >>> about(812), about(1_250_000), about(12 << 30)
        ('812 B', '1.2 MB', '12.0 GB')
    """
    if size < _UNITS["kB"]:
        return f"{size} B"
    unit = next((name for name in ("GB", "MB") if size >= _UNITS[name]), "kB")
    return f"{size / _UNITS[unit]:.1f} {unit}"
