"""The history of a project as hashes: what has to be the same for a replay of it to be the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from erm_alembic.errors import ProjectError
from erm_alembic.revisions.cache.known import known_graph
from erm_alembic.revisions.facts import revision_hash
from erm_alembic.revisions.graph import parent_ids, verify_graph

if TYPE_CHECKING:
    from erm_alembic.revisions.graph import ScriptDirectory
    from erm_alembic.revisions.project import AlembicProject

__all__ = ["History", "read_history"]


@dataclass(frozen=True)
class History:
    """A revision graph, without what it does.

    Args:
        heads: the heads of the graph, sorted.
        hashes: by revision id: SHA-256 of its file, with its SQL scripts.
        parents: by revision id: the ids that it builds or depends on.
        env_py: the file that Alembic runs.
    """

    heads: tuple[str, ...]
    hashes: Mapping[str, str]
    parents: Mapping[str, tuple[str, ...]]
    env_py: Path

    def up_to(self, revisions: Collection[str]) -> dict[str, str]:
        """What a database that records these revisions has had: each revision's hash, by id.

        Args:
            revisions: the recorded revisions.

        Raises:
            ProjectError: no file declares one of them.

        Example:
            >>> history = History(("b",), {"a": "1f", "b": "2e"}, {"a": (), "b": ("a",)}, Path("env.py"))
            >>> sorted(history.up_to(["b"]).items()), history.up_to([])
            ([('a', '1f'), ('b', '2e')], {})
        """
        found: dict[str, str] = {}
        todo = list(revisions)
        while todo:
            revision = todo.pop()
            if revision in found:
                continue
            if revision not in self.hashes:
                raise ProjectError(
                    f"The database records revision {revision}, which no file of the project declares.",
                    effect="Its history cannot be replayed.",
                    cure="Check out the branch that has it, or write it back with `erm history restore`.",
                )
            found[revision] = self.hashes[revision]
            todo.extend(self.parents[revision])
        return found

    def recorded(self, revisions: Collection[str]) -> tuple[str, ...]:
        """Those of some revisions that a database records: a head on which another one depends is not among them.

        Args:
            revisions: the revisions that it has had, or the tips of them.

        Example:
            >>> history = History(("b", "c"), {}, {"a": (), "b": ("a",), "c": ("b",)}, Path("env.py"))
            >>> history.recorded(history.heads)
            ('c',)
        """
        below: set[str] = set()
        todo = [parent for revision in revisions for parent in self.parents.get(revision, ())]
        while todo:
            revision = todo.pop()
            if revision not in below:
                below.add(revision)
                todo.extend(self.parents.get(revision, ()))
        return tuple(sorted(set(revisions) - below))


def read_history(project: AlembicProject, scripts: ScriptDirectory | None = None) -> History:
    """Read the history, from what an earlier plan remembered where every file is still the same.

    Args:
        project: the Alembic project.
        scripts: its script directory where there is one already, loaded or not.

    Raises:
        ProjectError: the project cannot be read.
    """
    with project.entered():
        if scripts is None:
            scripts = project.script_directory(project.config())
        known = known_graph(project.root, scripts)
        if known is not None:
            return History(known.heads, known.hashes, known.parents, Path(scripts.env_py_location).absolute())
        verify_graph(scripts)
        hashes, parents = {}, {}
        for script in scripts.walk_revisions():
            file = Path(script.path)
            hashes[script.revision] = revision_hash(file.read_bytes(), file)
            parents[script.revision] = parent_ids(script)
        heads = tuple(sorted(scripts.get_heads()))
        return History(heads, hashes, parents, Path(scripts.env_py_location).absolute())
