"""The embedded server's files: where they lie, which processes use them, and what a crash left behind.

A cluster lies in `.erm/postgres/` of its project, owned by the user that runs the server. Where that user
cannot reach the project (root's project under a closed home), it lies in a private folder under /var/tmp
whose name follows from the project's path, and `.erm/postgres/location` tells a reader where.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from erm_alembic.config.own_folder import cannot_write
from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.private_place import DEVELOPMENT, private_folder, remote_store
from erm_alembic.postgres.embedded.process_user import ServerUser, can_use, choose_user, owner_as_user

__all__ = ["Cluster", "PidFile", "discard_cluster", "locate_cluster", "prepare_cluster"]


@dataclass(frozen=True)
class PidFile:
    """What a running (or killed) server wrote into `postmaster.pid`.

    Args:
        pid: process id of the postmaster.
        data_dir: the data directory as the postmaster was told it.
        port: the port number, part of the socket's name.
        socket_dir: folder of its unix socket.
        ready: whether it accepts connections.
    """

    pid: int
    data_dir: Path
    port: int
    socket_dir: Path
    ready: bool


@dataclass(frozen=True)
class Cluster:
    """A data directory with what belongs to it.

    Args:
        store: private folder that holds the data directory and the server's log.
        user: who owns it and runs the server.
    """

    store: Path
    user: ServerUser

    @property
    def data_dir(self) -> Path:
        """PostgreSQL's data directory; it is there only when `initdb` went through."""
        return self.store / "data"

    @property
    def unfinished(self) -> Path:
        """Where `initdb` works until it is done, so that a killed one is never taken for whole."""
        return self.store / "data.unfinished"

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self.store / "server.log"

    @property
    def initialised(self) -> bool:
        """Whether there is a data directory."""
        return self.data_dir.is_dir()

    def major(self) -> int:
        """The major version that the data directory belongs to.

        Raises:
            ServerError: the data directory is damaged.
        """
        try:
            return int((self.data_dir / "PG_VERSION").read_text("utf-8").strip().partition(".")[0])
        except (OSError, ValueError):
            raise ServerError(
                f"The data directory {self.data_dir} is damaged: it does not say of which version it is.",
                effect="The embedded server cannot start.",
                cure="Restore it, or start afresh with: erm dev reset   (the databases in it are lost)",
            ) from None

    def pid_file(self) -> PidFile | None:
        """The postmaster's file, or None when there is none or it is cut short."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text("utf-8", "surrogateescape").splitlines()
            ready = len(lines) > 7 and lines[7].strip() == "ready"
            return PidFile(int(lines[0]), Path(lines[1]), int(lines[3]), Path(lines[4]), ready)
        except (OSError, ValueError, IndexError):
            return None

    def processes(self) -> tuple[int, ...]:
        """The living PostgreSQL processes that work in this very data directory.

        A pid file alone proves nothing: after a crash its number may belong to anybody, and a copied project
        brings the file of the original's server along. The working directory of a process does not lie.
        """
        try:
            here = self.data_dir.stat()
        except OSError:
            return ()
        if not Path("/proc/self/stat").exists():
            return self._process_of_pid_file()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _works_in(entry, here):
                found.append(int(entry.name))
        return tuple(found)

    def running(self) -> PidFile | None:
        """The pid file of a postmaster that is alive and works here, or None."""
        written = self.pid_file()
        if written is None:
            return None
        if not Path("/proc/self/stat").exists():
            return written if written.pid in self.processes() else None
        try:
            here = self.data_dir.stat()
        except OSError:
            return None
        return written if _works_in(Path(f"/proc/{written.pid}"), here) else None

    def _process_of_pid_file(self) -> tuple[int, ...]:
        """Without /proc: the process of the pid file, if it lives and was started for this path."""
        written = self.pid_file()
        if written is None or written.data_dir != self.data_dir:
            return ()
        try:
            os.kill(written.pid, 0)
        except (ProcessLookupError, PermissionError):
            return ()
        return (written.pid,)


def locate_cluster(project_dir: Path, place: str = DEVELOPMENT) -> Cluster | None:
    """The cluster that a project has at a place of its `.erm`, or None; creates nothing.

    Raises:
        ServerError: there is one, but this user may not use it.
    """
    in_project = _project_store(project_dir, place)
    if not in_project.is_dir():
        return None
    if os.geteuid() == 0:
        remote = remote_store(project_dir, place)
        if (in_project / "location").exists() and remote.is_dir():
            private_folder(remote, uid=0, gid=0, mode=0o711)
            in_project = remote / "cluster"
            if not in_project.is_dir():
                return None
        user = owner_as_user(in_project)
        return None if user is None else Cluster(in_project, user)
    owner = in_project.lstat().st_uid
    if owner != os.geteuid():
        raise ServerError(
            f"{in_project} belongs to user id {owner}, not to you (user id {os.geteuid()}).",
            effect="The embedded server cannot be used.",
            cure="Run erm as the user that started it first, or remove that folder (its databases are lost).",
        )
    return Cluster(in_project, choose_user())


def prepare_cluster(project_dir: Path, place: str = DEVELOPMENT) -> Cluster:
    """The project's cluster, its folders made where they were missing. Call it with the lock held.

    Raises:
        ServerError: the folders cannot be made, or are not ours.
    """
    found = locate_cluster(project_dir, place)
    if found is not None:
        return found
    in_project = _project_store(project_dir, place)
    user = _user_for(project_dir)
    if _make_store_in_project(in_project, user):
        return Cluster(in_project, user)
    remote = private_folder(remote_store(project_dir, place), uid=0, gid=0, mode=0o711)
    store = private_folder(remote / "cluster", uid=user.uid, gid=user.gid)
    (in_project / "location").write_text(f"{store}\n", "utf-8")
    return Cluster(store, user)


def discard_cluster(project_dir: Path, cluster: Cluster, place: str = DEVELOPMENT) -> None:
    """Remove a stopped cluster with all its databases. Call it with the lock held."""
    shutil.rmtree(cluster.store, ignore_errors=True)
    if cluster.store.exists():
        raise ServerError(
            f"{cluster.store} cannot be removed.",
            effect="The databases in it may be gone in part.",
            cure=f"Remove {cluster.store} yourself, then try again.",
        )
    in_project = _project_store(project_dir, place)
    if in_project != cluster.store:
        shutil.rmtree(in_project, ignore_errors=True)
        shutil.rmtree(remote_store(project_dir, place), ignore_errors=True)


def _project_store(project_dir: Path, place: str) -> Path:
    return project_dir / ".erm" / place


def _user_for(project_dir: Path) -> ServerUser:
    """For root in somebody else's project that somebody, so that the files stay theirs; else as usual."""
    return (owner_as_user(project_dir) if os.geteuid() == 0 else None) or choose_user()


def _make_store_in_project(in_project: Path, user: ServerUser) -> bool:
    """Make the folder in the project; say whether the server's user can work in it."""
    try:
        in_project.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise cannot_write(in_project, error) from error
    if not user.dropped:
        return True
    # Some file systems (network shares, containers' mounts) do not let even root give files away.
    with suppress(OSError):
        os.chown(in_project, user.uid, user.gid, follow_symlinks=False)
    if in_project.lstat().st_uid == user.uid and can_use(user, in_project, "w"):
        return True
    with suppress(OSError):
        os.chown(in_project, 0, 0, follow_symlinks=False)
    return False


def _works_in(process: Path, here: os.stat_result) -> bool:
    """Whether a process is a PostgreSQL one whose working directory is the given one."""
    try:
        if not (process / "comm").read_text("utf-8", "replace").startswith(("postgres", "postmaster")):
            return False
        there = (process / "cwd").stat()
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
