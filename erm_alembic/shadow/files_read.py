"""Within the child: which files the project's code reads, so that a replay is used again only while they are the same.

A revision may load a file of data, or a module of the project; nobody but Python itself sees all of them.
"""

from __future__ import annotations

import importlib.util
import os
import site
import sys
import sysconfig
from pathlib import Path
from typing import Any

__all__ = ["FilesRead"]

WRITES = frozenset("wax+")


class FilesRead:
    """Notes the files that are opened for reading, but for those of Python and of installed packages.

    Installed once in a process; what is read before is not noted.
    """

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}
        self._noting = False

    def start(self) -> None:
        """Note from now on, for the rest of the process's life."""
        self._noting = True
        sys.addaudithook(self._audit)

    def stop(self) -> None:
        """Note nothing more."""
        self._noting = False

    def paths(self) -> list[str]:
        """The files, absolute, each once; compiled modules by their source."""
        self.stop()
        left_out = _installed()
        found: dict[str, None] = {}
        for seen in self._seen:
            path = os.path.realpath(seen)
            if path.endswith(".pyc"):
                path = _source_of(path)
            if not path.startswith(left_out) and os.path.isfile(path):  # noqa: PTH113 - of thousands
                found[path] = None
        return list(found)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._noting or event != "open":
            return
        path, mode = arguments[0], arguments[1]
        if isinstance(path, str | bytes | os.PathLike) and not (isinstance(mode, str) and WRITES & set(mode)):
            self._seen[os.path.abspath(os.fsdecode(path))] = None  # noqa: PTH100 - no objects in an audit hook


def _source_of(path: str) -> str:
    try:
        return importlib.util.source_from_cache(path)
    except ValueError:
        return path


def _installed() -> tuple[str, ...]:
    """Where Python, installed packages and the system keep theirs."""
    kept = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values(), *site.getsitepackages()}
    kept.add(str(Path(__file__).parents[1]))
    real = {os.path.realpath(folder) for folder in kept if folder not in ("/", "/usr", "")}
    return tuple(os.path.join(folder, "") for folder in (*real, "/proc", "/sys", "/dev", "/etc", "/usr"))  # noqa: PTH118
