"""The state of the embedded server, as text and as JSON (`erm dev status`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from erm_alembic.render.json import result_document
from erm_alembic.render.safe import one_line

if TYPE_CHECKING:
    from erm_alembic.postgres.embedded.server import ServerStatus

__all__ = ["server_json", "server_text"]


def server_text(found: ServerStatus) -> str:
    """The state as lines for a reader."""
    if found.data_dir is None:
        return "no server: nothing was started in this project yet\n"
    state = f"running (process {found.pid})" if found.running else "not running"
    lines = (
        ("server", f"PostgreSQL {found.major}, {state}"),
        ("data", str(found.data_dir)),
        ("socket", str(found.socket_dir)),
        ("log", str(found.log_path)),
    )
    return "".join(f"{label:<8}{one_line(text)}\n" for label, text in lines)


def server_json(found: ServerStatus) -> str:
    """The state as one JSON object; what does not exist is null."""
    paths = {"data_dir": found.data_dir, "socket_dir": found.socket_dir, "log_path": found.log_path}
    values = {"running": found.running, "pid": found.pid, "major": found.major}
    return result_document(values | {key: _text(path) for key, path in paths.items()})


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
