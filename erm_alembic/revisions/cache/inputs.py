"""What env.py was read from: files, folders, variables, installed packages; and whether they are still the same.

What env.py says (its version table, its models) may be remembered only for as long as everything that it looked at is
the same. Python tells each file that is opened and each folder that is listed. Where the project's code asks somebody
else, another program, another machine, a table, nothing is remembered.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import site
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.revisions.cache.listing import Identity, identity_of

__all__ = ["Inputs", "Watch", "unwatched", "watched"]

# As for the graph's memo: the coarsest step of a file system's clock.
COARSEST_STEP_NS = 2_000_000_000
# What differs from one shell to the next, and nobody's env.py looks at.
VOLATILE = frozenset(
    {"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "TERM", "WINDOWID", "PYTHONPYCACHEPREFIX"}
    | {"PYTEST_CURRENT_TEST", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "TERM_SESSION_ID", "TMUX_PANE"}
)
# Folders of tools, which come and go.
PASSING = frozenset({"__pycache__", ".erm", ".git", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
# Audit events by which code asks somebody else.
ASKS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.startfile")
SPEAKS = ("socket.connect", "socket.getaddrinfo", "urllib.Request", "http.client.connect", "sqlite3.connect")
MOST_FILES = 20_000
# What a session says of itself, and of the server's types.
OF_THE_SESSION = frozenset({"pg_settings", "pg_locks", "pg_type"})


@dataclass(frozen=True)
class Inputs:
    """Everything that a run of env.py has looked at.

    Args:
        files: by path: which file it was, and in which state; empty where there was none.
        folders: by path: a hash of the names in it.
        installed: by path of a folder with installed packages: when it was last changed.
        variables: a hash of the environment.
        python: the version of Python.
    """

    files: dict[str, Identity] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    installed: dict[str, int] = field(default_factory=dict)
    variables: str = ""
    python: str = ""

    def are_the_same(self) -> bool:
        """Whether another run would look at the same."""
        return (
            self.python == sys.version
            and self.variables == _variables()
            and all(_changed(path) == moment for path, moment in self.installed.items())
            and all(_identity(path) == identity for path, identity in self.files.items())
            and all(_names(path) == names for path, names in self.folders.items())
        )

    @property
    def digest(self) -> str:
        """The hash of it all, hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


class Watch:
    """Notes what is looked at while it lasts; installed once in a process, idle otherwise.

    Args:
        ports: those of the target's server: env.py's own engine is sent there, and what it asks is noted besides.
    """

    def __init__(self, ports: frozenset[int] = frozenset()) -> None:
        self._ports = ports
        self._files: dict[str, None] = {}
        self._folders: dict[str, None] = {}
        self._doubts: list[str] = []
        self._began = 0

    def audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Take note of one audit event."""
        if name == "open":
            path, mode = arguments[0], arguments[1]
            writes = isinstance(mode, str) and not set(mode).isdisjoint("wax+")
            if not writes and isinstance(path, str | bytes | os.PathLike):
                self._files[os.path.abspath(os.fsdecode(path))] = None  # noqa: PTH100 - no objects in an audit hook
        elif name in ("os.listdir", "os.scandir"):
            path = arguments[0]
            if isinstance(path, str | bytes | os.PathLike) or path is None:
                self._folders[os.path.abspath(os.fsdecode(path or "."))] = None  # noqa: PTH100 - as above
        elif name.startswith(ASKS) or (name in SPEAKS and not self._is_target(arguments)):
            self._doubts.append(name)

    def _is_target(self, arguments: tuple[Any, ...]) -> bool:
        """Whether a socket is the target's, or one of this machine's in the file system."""
        address = arguments[1] if len(arguments) > 1 else None
        if isinstance(address, str | bytes):
            text = os.fsdecode(address)
            return text.startswith("/") or (text.isdecimal() and int(text) in self._ports)
        port = address[1] if isinstance(address, tuple) and len(address) > 1 else address
        return port in self._ports

    def asked(self, _connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        """Take note of a statement that env.py sends through an engine of its own."""
        if isinstance(getattr(cursor, "connection", None), GatedConnection):
            return  # erm's own
        words = [token.text.lower() for token in tokens(statement) if token.text not in (".", "pg_catalog")]
        read = {after for word, after in pairwise(words) if word in ("from", "join")}
        if not read <= OF_THE_SESSION:
            self._doubts.append("a table")

    def begin(self) -> None:
        """Begin to take note."""
        self._began = time.time_ns()

    def inputs(self) -> Inputs | None:
        """What was looked at; None where that may not be all, or where it changed a moment ago."""
        paths = {*self._files, *_modules()}
        if self._doubts or len(paths) > MOST_FILES:
            return None
        places = _installed()
        own = tuple(os.path.join(place, "") for place in places)  # noqa: PTH118 - thousands
        files = {}
        for path in sorted(paths):
            source = _source_of(path) if path.endswith(".pyc") else path
            if not source.startswith((*own, "/proc/", "/sys/", "/dev/")) and "/.erm/" not in source:
                files[source] = _identity(source)
        if any(identity and max(identity[3:]) >= self._began - COARSEST_STEP_NS for identity in files.values()):
            return None
        folders = {path: _names(path) for path in sorted(self._folders) if not f"{path}/".startswith(own)}
        return Inputs(files, folders, {place: _changed(place) for place in places}, _variables(), sys.version)


_watching: list[Watch] = []
_installed_hook: list[Callable[..., None]] = []


# Threads of erm's own, by their numbers.
_own_threads: set[int] = set()


def _hook(name: str, arguments: tuple[Any, ...]) -> None:
    if _watching and threading.get_ident() not in _own_threads:
        _watching[-1].audit(name, arguments)


@contextmanager
def watched(url: DatabaseUrl | None = None) -> Iterator[Watch]:
    """Take note of what the project's code looks at for as long as the block lasts.

    Args:
        url: the target's address; to connect there is no question to somebody else.
    """
    if not _installed_hook:
        sys.addaudithook(_hook)
        _installed_hook.append(_hook)
    ports = "" if url is None else url.parameters.get("port", "5432")
    watch = Watch(frozenset(int(port) for port in ports.split(",") if port.isdecimal()))
    watch.begin()
    _watching.append(watch)
    event.listen(Engine, "before_cursor_execute", watch.asked)
    try:
        yield watch
    finally:
        event.remove(Engine, "before_cursor_execute", watch.asked)
        _watching.remove(watch)


@contextmanager
def unwatched() -> Iterator[None]:
    """Take no note, for as long as the block lasts, of what this thread of erm's own looks at: it runs no env.py."""
    own = threading.get_ident()
    _own_threads.add(own)
    try:
        yield
    finally:
        _own_threads.discard(own)


def _modules() -> list[str]:
    """The sources of what is loaded by now, also before anybody watched."""
    found = []
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            found.append(os.path.abspath(path))  # noqa: PTH100 - thousands
    return found


def _source_of(path: str) -> str:
    try:
        return importlib.util.source_from_cache(path)
    except ValueError:
        return path


def _installed() -> tuple[str, ...]:
    """Where Python and installed packages are: their folder changes with each package that comes or goes."""
    kept = {*sysconfig.get_paths().values(), *site.getsitepackages(), str(Path(__file__).parents[2])}
    return tuple(sorted(os.path.realpath(place) for place in kept if os.path.isdir(place)))  # noqa: PTH112 - as below


def _changed(place: str) -> int:
    try:
        return os.stat(place).st_mtime_ns  # noqa: PTH116 - for thousands of files
    except OSError:
        return 0


def _identity(path: str) -> Identity:
    try:
        return identity_of(os.stat(path))  # noqa: PTH116 - for thousands of files
    except OSError:
        return []


def _names(folder: str) -> str:
    try:
        found = os.listdir(folder)  # noqa: PTH208 - names are wanted, not objects
        names = sorted(name for name in found if name not in PASSING and not name.endswith("~"))
    except OSError:
        return ""
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()[:20]


def _variables() -> str:
    told = sorted((name, value) for name, value in os.environ.items() if name not in VOLATILE)
    return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()
