"""An address that can be connected to: that of the project's own server where `embedded://` names a database on it."""

from __future__ import annotations

from pathlib import Path

from erm_alembic.config.dsn import DatabaseUrl

__all__ = ["running_address"]


def running_address(url: DatabaseUrl, project_dir: Path) -> DatabaseUrl:
    """The address itself; for an embedded one that of the running server, which is started, with its database made.

    Args:
        url: any address.
        project_dir: whose server an embedded one means.

    Raises:
        ServerError: the embedded server cannot be started.
    """
    if url.embedded_name is None:
        return url
    # An address of another server needs none of the programs that run one.
    from erm_alembic.postgres.embedded.server import EmbeddedServer

    server = EmbeddedServer(project_dir)
    server.ensure_running()
    server.ensure_database(url.embedded_name)
    return DatabaseUrl.parse(server.dsn(url.embedded_name))
