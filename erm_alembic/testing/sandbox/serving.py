"""The server of the tests: the one that was named, else a private one of the project."""

from __future__ import annotations

from collections.abc import Sequence

from erm_alembic.config.settings import Settings
from erm_alembic.errors import ServerError, TargetError
from erm_alembic.postgres.embedded.binaries import find_binaries, installed_binaries
from erm_alembic.shadow.provision import Provision, provision

__all__ = ["nothing_made", "refuse_lacking", "served"]

NOTHING_MADE = "No test database was made."


def nothing_made(what: str, cure: str = "") -> TargetError:
    """The error of a database that cannot be had."""
    return TargetError(what, effect=NOTHING_MADE, cure=cure)


def refuse_lacking(extensions: Sequence[str], maker: str) -> None:
    """Refuse to go on without extensions: tests are to find what is there in production.

    Args:
        extensions: those that the server does not have.
        maker: who makes them.

    Raises:
        TargetError: there are any.
    """
    if extensions:
        raise nothing_made(
            f"The server of the tests has no extension {', '.join(extensions)}, which {maker} makes.",
            "Install the extension for that server's major version, or name a server that has it: --erm-url.",
        )


def served(settings: Settings, major: int | None) -> Provision:
    """Choose the server; nothing is started or reached.

    Args:
        settings: what is in force; `shadow.url` is the server that was named.
        major: the major version of a private one; None for the first that is found.

    Raises:
        ErmError: a subclass of it: there is no such server on this machine, or what was named is no address.
    """
    if settings.shadow.url is not None:
        url = settings.shadow.url.database_url()
        if url.embedded_name is not None:
            raise nothing_made(
                "--erm-url (or erm_url) names an embedded:// database.",
                "Leave it out: without it the tests have a private server of their own.",
            )
        return Provision(url=url)
    try:
        found = {binaries.major for binaries in installed_binaries()}
        wanted = find_binaries().major if major is None else major
    except ServerError as error:
        raise nothing_made(error.what, f"{error.cure}   or name a server: --erm-url") from error
    if wanted not in found:
        there = ", ".join(str(each) for each in sorted(found)) or "none"
        raise nothing_made(
            f"There is no PostgreSQL {wanted} on this machine, which erm_postgres asks for (there is {there}).",
            f"Install postgresql-{wanted}, set ERM_PG_BIN to its programs, or leave erm_postgres out.",
        )
    return provision(settings, wanted)
