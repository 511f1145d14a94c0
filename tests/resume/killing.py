"""Points in a revision at which the process that applies it kills itself, as an environment variable says."""

from __future__ import annotations

KILL = (
    '__import__("os").environ.get("KILL_AT") == {name} and "plan" not in'
    ' op.get_bind().connection.dbapi_connection.info.dsn_parameters["fallback_application_name"]'
    ' and __import__("os").kill(__import__("os").getpid(), 9)'
)


def kill_at(at: str, more: str = "") -> str:
    """A line of a revision that ends its process at once when KILL_AT says so; a plan passes it.

    Args:
        at: the name of the point.
        more: Python to complete the name with, as in `% low`.
    """
    return KILL.format(name=f"{at!r} {more}".strip())
