"""Whom the server's processes run as: PostgreSQL refuses root, so root has to hand them to somebody else.

That somebody needs an entry in the passwd file (PostgreSQL asks for its own name) and is never created here.
The drop is made by `subprocess` in the child, so that this process keeps its rights.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from erm_alembic.errors import ServerError

__all__ = ["ServerUser", "can_use", "choose_user", "owner_as_user", "run_as"]

PREFERRED_NAMES = ("postgres", "nobody")
KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "TZ")


@dataclass(frozen=True)
class ServerUser:
    """The operating system's user that owns the server's files and processes.

    Args:
        name: the name in the passwd file.
        uid: numeric user id.
        gid: numeric id of the primary group.
        dropped: whether this process is root and hands its children over to that user.
    """

    name: str
    uid: int
    gid: int
    dropped: bool


def choose_user() -> ServerUser:
    """The user that a new server runs as: this process's own, or for root an existing unprivileged one.

    Raises:
        ServerError: this process's user has no passwd entry, or root finds nobody to hand the server to.
    """
    if os.geteuid() != 0:
        return _own_user()
    named = [entry for name in PREFERRED_NAMES if (entry := _entry_named(name)) is not None]
    entry = next((entry for entry in (*named, *pwd.getpwall()) if entry.pw_uid != 0), None)
    if entry is None:
        raise ServerError(
            "PostgreSQL refuses to run as root, and the passwd file names no other user to run it as.",
            effect="The embedded server cannot start; nothing was changed.",
            cure="Run erm as an ordinary user, or add one (such as `nobody`) to the passwd file.",
        )
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True)


def owner_as_user(path: Path) -> ServerUser | None:
    """The owner of an existing path as server user, or None when it is root or unknown to the passwd file."""
    uid = path.lstat().st_uid
    if uid == 0:
        return None
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=os.geteuid() == 0)


def run_as(
    user: ServerUser,
    argv: Sequence[str | Path],
    *,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    timeout: float = 120.0,
    pass_fds: Sequence[int] = (),
    cwd: Path | str = "/",
) -> int:
    """Run a program as the server's user and give back its exit code.

    The child sees a bare environment: a server lives long, and whoever can read its environment must find no
    database URL and no `PG*` variable there. Output goes to a file, never a pipe: the server inherits it and
    would keep it open.

    Args:
        user: whom to run it as.
        argv: the program and its arguments; no shell is involved.
        stdout: an open file that receives both output streams.
        timeout: seconds to wait before the program is killed.
        pass_fds: file descriptors that the child keeps, such as a held lock.
        cwd: its working directory, which that user can enter.

    Raises:
        ServerError: the program cannot be started, or took longer than `timeout`.
    """
    environ = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | {"LC_ALL": "C"}
    drop: dict[str, Any] = {}
    if user.dropped:
        groups = os.getgrouplist(user.name, user.gid)
        drop = {"user": user.uid, "group": user.gid, "extra_groups": groups}
    try:
        return subprocess.run(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=environ,
            umask=0o077,
            timeout=timeout,
            pass_fds=tuple(pass_fds),
            check=False,
            **drop,
        ).returncode
    except subprocess.TimeoutExpired as error:
        raise ServerError(
            f"{Path(argv[0]).name} did not finish within {timeout:.0f} seconds.",
            effect="The embedded server is not usable.",
            cure="Look at the machine's load and disk, then try again.",
        ) from error
    except (OSError, subprocess.SubprocessError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ServerError(
            f"{argv[0]} cannot be run as user {user.name}: {reason}.",
            effect="The embedded server cannot start.",
            cure="Run erm as an ordinary user, or set ERM_PG_BIN to another installation.",
        ) from error


def can_use(user: ServerUser, path: Path, permission: str) -> bool:
    """Whether the user may read (`r`), write (`w`) or enter/execute (`x`) a path.

    The system is asked, as that user, so that access lists and every parent folder count.
    """
    if not user.dropped:
        return os.access(path, {"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}[permission])
    return run_as(user, ["/bin/sh", "-c", f'test -{permission} "$1"', "sh", path]) == 0


def _entry_named(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _own_user() -> ServerUser:
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:
        raise ServerError(
            f"The user id {os.geteuid()} has no entry in the passwd file; PostgreSQL needs one.",
            effect="The embedded server cannot start; nothing was changed.",
            cure="Add an entry for it to the passwd file, or set ERM_DATABASE_URL to another server.",
        ) from None
    return ServerUser(entry.pw_name, entry.pw_uid, os.getegid(), dropped=False)
