"""Within the child: which files the project's code reads, so that a replay is used again only while they are the same.

A revision may load a file of data, or a module of the project; nobody but Python itself sees all of them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from erm_alembic.revisions.source.reach import loads_of_project, only_for_metadata

__all__ = ["FilesRead"]

WRITES = frozenset("wax+")
# What opens a module for whoever imports it, and who loads the revision files.
IMPORTS = "<frozen importlib"
ALEMBIC = "alembic."


class FilesRead:
    """Notes the files that are opened for reading, but for those of Python and of installed packages.

    What Alembic itself opens is not noted: env.py and the revision files, which have a place in the recipe of their own
    (those of the history) or in the plan (those that are pending, which Alembic loads as well). One that is also read
    by somebody else is.

    Installed once in a process; what is read before is not noted.
    """

    def __init__(self) -> None:
        self._by_history: dict[str, None] = {}
        self._by_env_py: dict[str, None] = {}
        self._seen = self._by_history
        self._noting = False

    def start(self) -> None:
        """Note from now on, for the rest of the process's life."""
        self._noting = True
        sys.addaudithook(self._audit)

    def stop(self) -> None:
        """Note nothing more."""
        self._noting = False

    @contextlib.contextmanager
    def env_py(self, *, within: bool) -> Iterator[None]:
        """Tell what env.py reads from what revisions read, for as long as the block lasts.

        Args:
            within: whether env.py runs, and not the revisions that it calls.
        """
        before, self._seen = self._seen, self._by_env_py if within else self._by_history
        try:
            yield
        finally:
            self._seen = before

    def paths(self, env_py: Path | None = None, revisions: Iterable[Path] = ()) -> list[str]:
        """The files of the project that were read, absolute, each once; compiled modules by their source.

        Args:
            env_py: the file that Alembic runs. Where it is told, modules that env.py loads for the models alone are
                left out, unless a revision can reach them.
            revisions: the revision files, which are not told then.
        """
        self.stop()
        own = {os.path.realpath(path) for path in (*revisions, *(() if env_py is None else (env_py,)))}
        history, loaded = _of_project(self._by_history), _of_project(self._by_env_py)
        if env_py is not None and _models_alone(env_py, revisions):
            loaded = {path: None for path in loaded if not path.endswith(".py")}
        return [path for path in {**history, **loaded} if path not in own]

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._noting or event != "open":
            return
        path, mode = arguments[0], arguments[1]
        if not isinstance(path, str | bytes | os.PathLike) or (isinstance(mode, str) and WRITES & set(mode)):
            return
        if not _opened_by_alembic(sys._getframe(1)):
            self._seen[os.path.abspath(os.fsdecode(path))] = None  # noqa: PTH100 - no objects in an audit hook


def _opened_by_alembic(frame: FrameType | None) -> bool:
    """Whether a file is opened because Alembic loads it, rather than by a module that imports or reads it."""
    while frame is not None and frame.f_code.co_filename.startswith(IMPORTS):
        frame = frame.f_back
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith(ALEMBIC)


def _models_alone(env_py: Path, revisions: Iterable[Path]) -> bool:
    if not only_for_metadata(env_py.read_bytes(), _is_project):
        return False
    return not loads_of_project((path.read_bytes() for path in revisions), _is_project)


def _of_project(seen: Iterable[str]) -> dict[str, None]:
    left_out = _installed()
    found: dict[str, None] = {}
    for each in seen:
        path = os.path.realpath(each)
        if path.endswith(".pyc"):
            path = _source_of(path)
        if not path.startswith(left_out) and os.path.isfile(path):  # noqa: PTH113 - of thousands
            found[path] = None
    return found


def _is_project(name: str) -> bool:
    """Whether a module is neither Python's nor of an installed package, as far as is known."""
    if name in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is None or not os.path.realpath(file).startswith(_installed())


def _source_of(path: str) -> str:
    try:
        return importlib.util.source_from_cache(path)
    except ValueError:
        return path


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    """Where Python, installed packages and the system keep theirs."""
    kept = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values(), *site.getsitepackages()}
    kept.add(str(Path(__file__).parents[1]))
    real = {os.path.realpath(folder) for folder in kept if folder not in ("/", "/usr", "")}
    return tuple(os.path.join(folder, "") for folder in (*real, "/proc", "/sys", "/dev", "/etc", "/usr"))  # noqa: PTH118 - a slash at the end
