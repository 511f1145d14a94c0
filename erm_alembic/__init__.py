"""Deploy database schema changes with the confidence with which a good team deploys code.

The three things that `erm migrate` does are here for Python callers:

    >>> import erm_alembic
    >>> erm_alembic.plan("staging").blocked
    False

They are loaded when they are first asked for, so that `import erm_alembic` costs an application nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from erm_alembic.version import __version__

if TYPE_CHECKING:
    from erm_alembic.migrate import apply as apply
    from erm_alembic.migrate import plan as plan
    from erm_alembic.migrate import plan_rollback as plan_rollback
    from erm_alembic.migrate import rollback as rollback

__all__ = ["__version__", "apply", "plan", "plan_rollback", "rollback"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from erm_alembic import migrate

    return getattr(migrate, name)
