"""How loud the drift of a kind of object is: what belongs to an environment rather than to a history only warns."""

from __future__ import annotations

from erm_alembic.config.settings import DriftSettings, RuleLevel

__all__ = ["known_kinds", "severity_of"]


def known_kinds() -> frozenset[str]:
    """The kinds of objects that `drift.ignore` and `drift.severity` may name.

    Example:
        >>> {"table", "grant"} <= known_kinds()
        True
    """
    # Only here: a check that needs no database does without what reads one.
    from erm_alembic.postgres.snapshot import KINDS

    return frozenset(kind.name for kind in KINDS)


def severity_of(kind: str, settings: DriftSettings | None) -> RuleLevel:
    """How loud drift of a kind is: as `drift.severity` says, else an error, or a warning for an environment's own.

    Args:
        kind: what differs.
        settings: the section; None where nothing is configured.

    Example:
        >>> severity_of("index", None), severity_of("grant", None)
        ('error', 'warning')
        >>> severity_of("index", DriftSettings(severity={"index": "off"}))
        'off'
    """
    from erm_alembic.postgres.snapshot import belongs_to_environment

    if settings is not None and kind in settings.severity:
        return settings.severity[kind]
    return "warning" if belongs_to_environment(kind) else "error"
