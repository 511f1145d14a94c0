"""Where a file of the project stands in its repository: what bots and annotations know files by."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import quote

__all__ = ["Places"]


@dataclass(frozen=True)
class Places:
    """How the paths of findings, which are relative to the project, are told to somebody who sees the repository.

    Args:
        project: the folder of the project; None leaves paths as they are.
        root: the folder of the repository, at or above it; None where there is no repository.
        anchor: the file, as findings name files, for what is about no file where one has to be named.
        shown_at: the address below which a forge shows the repository's files as they are; None where none is known.
    """

    project: Path | None = None
    root: Path | None = None
    anchor: str = "erm.yaml"
    shown_at: str | None = None

    def told(self, path: str) -> str:
        """The path from the repository's root on, with slashes; from the project's folder on where it has none.

        A file outside the repository keeps its absolute path, since nobody could find it by another one.

        Args:
            path: as findings have it: relative to the project, or absolute.

        Example:
            >>> Places(Path("/srv/mono/shop"), Path("/srv/mono")).told("migrations/versions/4f2a.py")
            'shop/migrations/versions/4f2a.py'
        """
        if self.project is None:
            return PurePath(path).as_posix()
        whole = os.path.normpath(self.project / path)
        for base in (self.root, self.project):
            if base is not None and PurePath(whole).is_relative_to(base):
                return PurePath(whole).relative_to(base).as_posix()
        return PurePath(whole).as_posix()

    def address(self, path: str, line: int | None = None) -> str | None:
        """Where a forge shows a file of the repository, at a line; None where that is not known, or it is outside.

        Args:
            path: as findings have it.
            line: counted from 1.

        Example:
            >>> places = Places(Path("/srv/mono/shop"), Path("/srv/mono"), shown_at="https://git.example/o/r/blob/1f3a")
            >>> places.address("versions/a b.py", 12)
            'https://git.example/o/r/blob/1f3a/shop/versions/a%20b.py#L12'
        """
        told = PurePath(self.told(path))
        if self.shown_at is None or self.root is None or told.is_absolute() or ".." in told.parts:
            return None
        return f"{self.shown_at}/{quote(told.as_posix())}{'' if line is None else f'#L{line}'}"
