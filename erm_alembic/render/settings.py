"""The settings in force for people and for programs: each with where it came from, addresses masked and unopened."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from erm_alembic.config.durations import format_duration
from erm_alembic.config.in_force import values_of
from erm_alembic.config.redaction import MASK, redact
from erm_alembic.config.settings import SealedLogin, SealedUrl, Settings
from erm_alembic.config.sizes import Size
from erm_alembic.render.json import result_document
from erm_alembic.render.safe import one_line

__all__ = ["settings_json", "settings_text"]

WIDEST = 48  # characters of a padded column


def settings_text(settings: Settings) -> str:
    """A table of keys, values and origins.

    Args:
        settings: the settings in force.

    Example:
        >>> print(settings_text(Settings("dev", Path("/srv/shop"))).splitlines()[0])
        environment  dev
    """
    head = {
        "environment": settings.environment,
        "project": str(settings.project_dir),
        "file": str(settings.config_path or "none"),
    }
    width = max(map(len, head))
    lines = [f"{name:{width}}  {one_line(value)}" for name, value in head.items()]
    rows = [(one_line(key), one_line(_text(value)), one_line(origin)) for key, value, origin in _rows(settings)]
    # One long value must not push every origin off the screen: its own line is longer, the others stay.
    widths = [max(min(len(row[column]), WIDEST) for row in rows) for column in (0, 1)]
    lines.append("")
    lines += [f"{key:{widths[0]}}  {value:{widths[1]}}  {origin}" for key, value, origin in rows]
    return "\n".join(lines) + "\n"


def settings_json(settings: Settings) -> str:
    """One object with `environment`, `project_dir`, `config_path`, `settings` {key: {`value`, `origin`}} and `notes`.

    Args:
        settings: the settings in force.
    """
    report = {
        "environment": settings.environment,
        "project_dir": str(settings.project_dir),
        "config_path": str(settings.config_path) if settings.config_path else None,
        "settings": {key: {"value": _plain(value), "origin": origin} for key, value, origin in _rows(settings)},
        "notes": list(settings.notes),
    }
    return result_document(report)


def _rows(settings: Settings) -> list[tuple[str, Any, str]]:
    """Key, value and origin. What a backup tool is typed with may hold keys of a store: it is never shown."""
    return [
        (key, MASK if key == "backup.command" and value is not None else value, settings.origins.get(key, "default"))
        for key, value in values_of(settings).items()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, SealedUrl | SealedLogin):
        return value.shown
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Size):
        return str(value)
    if isinstance(value, str):
        return redact(value)  # a hook's command may be typed with an address
    return str(value) if isinstance(value, Path) else value


def _text(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return "-"
    return str(plain).lower() if isinstance(plain, bool) else str(plain)
