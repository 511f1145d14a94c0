"""Deploy database schema changes with the confidence with which a good team deploys code.

What `erm migrate`, `erm status`, `erm history` and `erm repair` do is here for Python callers:

    >>> import erm_alembic
    >>> erm_alembic.plan("staging").blocked
    False

They are loaded when they are first asked for, so that `import erm_alembic` costs an application nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from erm_alembic.version import __version__

if TYPE_CHECKING:
    from erm_alembic.approvals import keep_plan as keep_plan
    from erm_alembic.inspection import history as history
    from erm_alembic.inspection import status as status
    from erm_alembic.migrate import apply as apply
    from erm_alembic.migrate import plan as plan
    from erm_alembic.migrate import plan_rollback as plan_rollback
    from erm_alembic.migrate import rollback as rollback
    from erm_alembic.repairs import repair as repair

__all__ = ["__version__", "apply", "history", "keep_plan", "plan", "plan_rollback", "repair", "rollback", "status"]

_HOMES = {
    "apply": "migrate",
    "history": "inspection",
    "keep_plan": "approvals",
    "plan": "migrate",
    "plan_rollback": "migrate",
    "repair": "repairs",
    "rollback": "migrate",
    "status": "inspection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
