"""How loud the drift of a kind of object is: what belongs to an environment rather than to a history only warns.

So does the order of a table's columns: a correct way down leaves another one, and no statement changes it.
"""

from __future__ import annotations

from erm_alembic.config.settings import DriftSettings, RuleLevel

__all__ = ["is_adopted", "known_kinds", "severity_of"]

COLUMN_ORDER = "column-order"


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
    """How loud drift of a kind is: as `drift.severity` says, else an error, or a warning where no history is at fault.

    Args:
        kind: what differs.
        settings: the section; None where nothing is configured.

    Example:
        >>> severity_of("index", None), severity_of("grant", None), severity_of("column-order", None)
        ('error', 'warning', 'warning')
        >>> severity_of("index", DriftSettings(severity={"index": "off"}))
        'off'
    """
    from erm_alembic.postgres.snapshot import belongs_to_environment

    if settings is not None and kind in settings.severity:
        return settings.severity[kind]
    return "warning" if kind == COLUMN_ORDER or belongs_to_environment(kind) else "error"


def is_adopted(kind: str, settings: DriftSettings | None) -> bool:
    """Whether a revision takes drift of a kind over: an environment's own only where that is an error.

    Args:
        kind: what differs.
        settings: the section; None where nothing is configured.

    Example:
        >>> is_adopted("index", None), is_adopted("grant", None), is_adopted("column-order", None)
        (True, False, False)
    """
    from erm_alembic.postgres.snapshot import belongs_to_environment

    if kind == COLUMN_ORDER:
        return False  # no statement changes it
    return severity_of(kind, settings) == "error" or not belongs_to_environment(kind)
