"""Which of this machine's pg_dump, pg_restore and their like is used: one that can talk to the server at hand.

A pg_dump refuses servers that are newer than itself, and a pg_restore does not know what a newer pg_dump has written.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from erm_alembic.errors import BackupError, ServerError
from erm_alembic.postgres.embedded.binaries import SYSTEM_ROOT, installed_binaries

__all__ = ["Program", "find_program", "installed_programs"]

VERSION = re.compile(r"\(PostgreSQL\)\s+(\d+)")


@dataclass(frozen=True)
class Program:
    """A program of PostgreSQL's.

    Args:
        path: where it is.
        major: its major version.

    Example:
        >>> Program(Path("/usr/lib/postgresql/15/bin/pg_dump"), 15).beside("pg_restore").name
        'pg_restore'
    """

    path: Path
    major: int

    def beside(self, name: str) -> Path:
        """The path of another program of the same installation; it need not exist."""
        return self.path.with_name(name)


def installed_programs(name: str, environ: Mapping[str, str] | None = None) -> tuple[Program, ...]:
    """The programs of a name on this machine, the preferred one first.

    Args:
        name: such as `pg_dump`.
        environ: the environment to read `ERM_PG_BIN` and `PATH` from; this process's by default. Where `ERM_PG_BIN`
            names a folder that has the program, that one alone counts.
    """
    environ = os.environ if environ is None else environ
    found: dict[Path, Program] = {}
    for path in _candidates(name, environ):
        major = _major_of(path)
        if major is not None:
            found.setdefault(path, Program(path, major))
    return tuple(found.values())


def find_program(
    name: str, at_least: int, preferred: int | None = None, environ: Mapping[str, str] | None = None
) -> Program:
    """The program of a name that serves: of the preferred major version, else of the nearest newer one.

    Args:
        name: such as `pg_dump`.
        at_least: the oldest major version that serves.
        preferred: the major version that is wanted; None for the oldest that serves.
        environ: as for `installed_programs`.

    Raises:
        BackupError: there is none, or only older ones.
    """
    found = installed_programs(name, environ)
    wanted = at_least if preferred is None else preferred
    fit = [each for each in found if each.major >= at_least]
    if fit:
        return min(fit, key=lambda each: (abs(each.major - wanted), found.index(each)))
    cure = (
        f"Install the client programs of PostgreSQL {at_least} or newer "
        f"(postgresql-client-{at_least}), or set ERM_PG_BIN to the folder that has them."
    )
    if not found:
        raise BackupError(f"There is no {name} on this machine.", effect="Nothing was done.", cure=cure)
    newest = max(found, key=lambda each: each.major)
    raise BackupError(
        f"The newest {name} on this machine is of PostgreSQL {newest.major} ({newest.path}), and one of PostgreSQL "
        f"{at_least} or newer is needed: it understands nothing that is newer than itself.",
        effect="Nothing was done.",
        cure=cure,
    )


def _candidates(name: str, environ: Mapping[str, str]) -> Iterator[Path]:
    named = environ.get("ERM_PG_BIN")
    if named:
        path = Path(named).expanduser().absolute() / name
        if os.access(path, os.X_OK):
            yield path
            return
    # An empty PATH must not fall back to the system's default one.
    on_path = shutil.which(name, path=environ.get("PATH", ""))
    if on_path:
        yield Path(on_path)
    versions = [path for path in SYSTEM_ROOT.glob("*") if path.name.isdigit()]
    for version in sorted(versions, key=lambda path: int(path.name), reverse=True):
        yield version / "bin" / name
    try:
        installed = installed_binaries(environ)
    except ServerError:
        installed = ()
    for binaries in installed:
        yield binaries.program(name)


@lru_cache(maxsize=64)
def _major_of(path: Path) -> int | None:
    if not os.access(path, os.X_OK):
        return None
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    match = VERSION.search(answer.stdout)
    return int(match[1]) if match else None
