"""The password file that libpq ignores because others may read it: told once, not at every connection.

libpq itself warns on stderr whenever it would have looked into the file, which erm makes it do ten times in one
command, half of them for servers of its own that ask for no password.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["exposed_password_file", "without_exposed_file"]

# Of a file that is not there, libpq says nothing.
NOWHERE = "/nonexistent/erm-password-file"


def exposed_password_file() -> Path | None:
    """The file of passwords that libpq ignores, because its group or the world may read it; None where there is none.

    Example:
        >>> exposed_password_file() is None or exposed_password_file().stat().st_mode & 0o77 != 0
        True
    """
    if os.name == "nt":  # where libpq does not look at rights
        return None
    path = Path(os.environ.get("PGPASSFILE") or Path("~/.pgpass").expanduser())
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    return path if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO) else None


def without_exposed_file() -> dict[str, str]:
    """The connection parameter by which libpq does not warn of a file that it ignores anyway; none where it does not.

    Example:
        >>> set(without_exposed_file()) <= {"passfile"}
        True
    """
    return {} if exposed_password_file() is None else {"passfile": NOWHERE}
