"""A small Alembic project on disk, and what the cache knows of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from erm_alembic.revisions.cache.known import KnownGraph, known_graph, remember_graph
from erm_alembic.revisions.project import AlembicProject

TEXT = '''"""Add {id}"""

from alembic import op

revision = "{id}"
down_revision = {down}
branch_labels = None
depends_on = None


def upgrade():
    op.execute("SELECT 1")


def downgrade():
    op.execute("SELECT 2")
'''


def later() -> int:
    """A clock of ten seconds from now, by which every file is old enough for its times to prove something."""
    return time.time_ns() + 10_000_000_000


@dataclass(frozen=True)
class CachedProject:
    """A project of two revisions, `a1` and `b2`."""

    root: Path

    @property
    def versions(self) -> Path:
        """Its version location."""
        return self.root / "migrations" / "versions"

    @property
    def alembic(self) -> AlembicProject:
        """The project as erm finds it."""
        return AlembicProject(self.root, self.root / "alembic.ini", None, None)

    @property
    def memos(self) -> list[Path]:
        """The files of its cache."""
        return sorted((self.root / ".erm" / "cache").glob("graph-*.json"))

    def write(self, revision: str, down: str | None, folder: Path | None = None) -> Path:
        """Write a revision file; all of them have the same size."""
        path = (folder or self.versions) / f"{revision}.py"
        path.write_text(TEXT.format(id=revision, down=f"{down!r}".ljust(6)))
        return path

    def remember(self, clock: Callable[[], int] = later) -> None:
        """Load the project through Alembic, and remember it."""
        with self.alembic.entered():
            scripts = self.alembic.scripts()
            remember_graph(self.root, scripts, scripts.get_heads(), clock)

    def known(self, clock: Callable[[], int] = later) -> KnownGraph | None:
        """What the cache knows now."""
        with self.alembic.entered():
            return known_graph(self.root, self.alembic.script_directory(self.alembic.config()), clock)


def make_project(root: Path, ini: str = "") -> CachedProject:
    """A project of two revisions that nobody has planned yet."""
    project = CachedProject(root)
    project.versions.mkdir(parents=True)
    (root / "alembic.ini").write_text(f"[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n{ini}")
    (root / "migrations" / "env.py").write_text("")
    project.write("a1", None)
    project.write("b2", "a1")
    return project


def rewritten(path: Path, old: str, new: str) -> None:
    """Edit a file in place so that its size and its time of content stay the same."""
    before = path.stat()
    text = path.read_text()
    assert old in text and len(old) == len(new)
    with path.open("r+") as file:
        file.write(text.replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino)
