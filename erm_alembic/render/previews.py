"""The databases of previews, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from erm_alembic.postgres.previews import Preview
from erm_alembic.render.safe import one_line

__all__ = ["age", "preview_members", "previews_text"]

UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def previews_text(previews: tuple[Preview, ...], now: float, server: str) -> str:
    """The previews of a server, a line each.

    Args:
        previews: the previews.
        now: what the server's clock shows, in seconds since 1970.
        server: the address of the profile's database.

    Example:
        >>> print(previews_text((), 0.0, "postgresql://db/shop"), end="")
        There are no previews on the server of postgresql://db/shop.
    """
    if not previews:
        return f"There are no previews on the server of {one_line(server)}.\n"
    width = max(len(one_line(each.name)) for each in previews)
    return "".join(f"{one_line(each.name):{width}}  {_facts(each, now)}\n" for each in previews)


def preview_members(preview: Preview, now: float) -> Mapping[str, Any]:
    """A preview for programs.

    Args:
        preview: the preview.
        now: what the server's clock shows.
    """
    times = {name: datetime.fromtimestamp(getattr(preview, name), UTC).isoformat() for name in ("created", "used")}
    return {**asdict(preview), **times, "unused_seconds": round(max(0.0, now - preview.used), 3)}


def age(seconds: float) -> str:
    """A time span in its largest unit.

    Example:
        >>> age(3 * 86_400 + 7), age(59), age(7_300)
        ('3 d', 'less than a minute', '2 h')
    """
    unit, size = next(((unit, size) for unit, size in UNITS if seconds >= size), ("", 0))
    return f"{int(seconds // size)} {unit}" if size else "less than a minute"


def _facts(preview: Preview, now: float) -> str:
    facts = [f"made {age(now - preview.created)} ago", f"asked for {age(now - preview.used)} ago"]
    if preview.source is not None:
        facts.append(f"from {one_line(preview.source)}")
    if preview.size is not None:
        facts.append(f"{preview.size / 1024 / 1024:.0f} MB")
    facts.append(f"owner {one_line(preview.owner)}")
    if preview.is_broken:
        facts.append("its drop broke off: `erm preview drop` ends it, `create` makes it anew")
    if preview.sessions:
        facts.append(f"{preview.sessions} connected")
    return ", ".join(facts)
