"""plaintext-password: a password stands in erm.yaml as it is, for an environment that is not `dev`."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "plaintext-password"


def _check(context: CheckContext) -> Iterator[Finding]:
    settings = context.settings
    if settings is None or settings.environment == "dev":
        return
    addresses = [("The database URL", settings.url)]
    addresses += [(f"The URL of replica {replica.name}", replica.url) for replica in settings.replicas]
    discovery = settings.routing.discovery
    if discovery is not None and discovery.dns is not None:
        addresses.append(("The URL by which replicas are discovered", discovery.dns.url))
    for name, url in addresses:
        if url is None or not url.typed_password:
            continue
        path, line = _place(url.origin)
        yield Finding(
            RULE,
            "error",
            f"{name} of environment {settings.environment} has its password typed into {url.origin}: whoever can "
            "read the repository can read the database.",
            "Write a reference in its place: `${DB_PASSWORD}` (an environment variable), `file:/run/secrets/dsn` "
            "(a file) or `cmd:...` (a command's output). Then change the password: the old one is in the history.",
            path=path,
            line=line,
        )


def _place(origin: str) -> tuple[str | None, int | None]:
    """File and line of an origin such as `erm.yaml:12`; neither for one that is not a file."""
    path, colon, line = origin.rpartition(":")
    return (path, int(line)) if colon and line.isdigit() else (None, None)


CHECK = Check(RULE, "error", _check, needs="project")
