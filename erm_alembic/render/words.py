"""Numbers, times, lists of revisions and the target in words, the same in every text."""

from __future__ import annotations

from erm_alembic.render.safe import Paint, one_line

__all__ = ["counted", "duration", "revisions", "target_line"]


def counted(number: int, noun: str) -> str:
    """A number with its noun in the right form.

    Example:
        >>> counted(1, "revision"), counted(3, "revision")
        ('1 revision', '3 revisions')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(milliseconds: int) -> str:
    """A time that a person can read.

    Args:
        milliseconds: the time, in milliseconds.

    Example:
        >>> duration(40), duration(1250), duration(125_000)
        ('40 ms', '1.2 s', '2 min 5 s')
    """
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s"


def revisions(names: tuple[str, ...], nothing: str) -> str:
    """Revision ids after one another, or what to say when there is none.

    Example:
        >>> revisions(("a1", "b2"), "none"), revisions((), "none")
        ('a1, b2', 'none')
    """
    return ", ".join(one_line(name) for name in names) or nothing


def target_line(environment: str, database_url: str, server_version: str, paint: Paint) -> str:
    """The line with which every text about a database begins.

    Args:
        environment: the profile.
        database_url: the target's URL without its password.
        server_version: the server's version.
        paint: gives colour.

    Example:
        >>> from erm_alembic.render.safe import plain
        >>> target_line("prod", "postgresql://db/shop", "15.18", plain)
        'Target   prod  postgresql://db/shop  (PostgreSQL 15.18)'
    """
    target = f"{one_line(environment)}  {one_line(database_url)}  (PostgreSQL {one_line(server_version)})"
    return f"Target   {paint(target, 'strong')}"
