"""Whether a function of a revision does nothing but Alembic's operations, told from its code as Python has loaded it.

What such a function sends does not depend on when it runs, and nothing else comes of running it: what it was seen to
send while it was planned can be sent as it is. In doubt the answer is no, and the function runs again.
"""

from __future__ import annotations

import builtins
import dis
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any

from alembic import op

from erm_alembic.revisions.source.inert import INERT_BUILTINS

__all__ = ["operations_only"]

# What they return acts, or what they are given does; looked for wherever a name of the code says them.
ACTS = frozenset(
    [
        *("get_bind", "get_context", "run_async", "invoke", "register_operation", "implementation_for"),
        *("create_engine", "create_mock_engine", "create_pool_from_url", "engine_from_config", "connect"),
        *("engine", "event", "events", "ext", "inspect", "inspection", "orm", "pool", "testing", "util"),
    ]
)
# A name among them may be an attribute (`orders.c.id`), or what is called.
COMPUTES = INERT_BUILTINS - {"dir", "getattr", "globals", "locals", "print", "type", "vars"}
CONSTANTS = (str, bytes, int, float, bool, type(None))
# Of what it does elsewhere, or at another time, its names tell nothing.
ELSEWHERE = frozenset(dis.opmap[name] for name in ("IMPORT_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"))


def operations_only(function: Callable[..., Any]) -> bool:
    """Whether a revision's function does nothing but `op.` calls on values that SQLAlchemy builds.

    Args:
        function: `upgrade` or `downgrade` of a loaded revision.

    Example:
        >>> from alembic import op
        >>> def upgrade(): op.drop_table("a")
        >>> def downgrade(): op.get_bind().exec_driver_sql("SELECT 1")
        >>> operations_only(upgrade), operations_only(downgrade)
        (True, False)
    """
    if type(function) is not FunctionType or function.__closure__ or function.__code__.co_argcount:
        return False
    return _is_plain(function.__code__, function.__globals__)


def _is_plain(code: CodeType, known: dict[str, Any]) -> bool:
    # A table of exceptions: it catches what is raised, or has a `with` whose end does something.
    if code.co_exceptiontable or any(isinstance(each, CodeType) for each in code.co_consts):
        return False
    if not ELSEWHERE.isdisjoint(code.co_code[::2]):
        return False
    return all(_is_harmless(name, known) for name in code.co_names)


def _is_harmless(name: str, known: dict[str, Any]) -> bool:
    """Whether a name that the code says, as one of its module or as an attribute, leads to nothing that acts."""
    if name in ACTS:
        return False
    if name in known:
        return _is_known(known[name])
    return name in COMPUTES or not hasattr(builtins, name)


def _is_known(value: Any) -> bool:
    if isinstance(value, ModuleType):
        return value is op or value.__name__.partition(".")[0] == "sqlalchemy"
    if isinstance(value, list | tuple | set | frozenset):
        return all(isinstance(each, CONSTANTS) for each in value)
    if isinstance(value, CONSTANTS):
        return True
    return isinstance(value, type | FunctionType) and value.__module__.partition(".")[0] == "sqlalchemy"
