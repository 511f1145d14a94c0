"""Where a history begins, which revision is meant, and in which order all of it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from erm_alembic.errors import UsageError
from erm_alembic.revisions.graph import applied_revisions, known_revisions, parent_ids, script_of
from erm_alembic.revisions.source.squashed import squashed_in

__all__ = ["Member", "bases", "in_order", "members", "squashed_into", "whole_id"]


def bases(scripts: ScriptDirectory) -> tuple[str, ...]:
    """The revisions that build on none, sorted.

    Args:
        scripts: the project's script directory.
    """
    return tuple(sorted(scripts.get_bases()))


def whole_id(scripts: ScriptDirectory, named: str) -> str:
    """The id of the one revision that is named: by its id, the beginning of it, or as Alembic names revisions.

    Args:
        scripts: the project's script directory.
        named: what was typed.

    Raises:
        UsageError: there is no such revision, or several could be meant.
    """
    known = known_revisions(scripts)
    if named in known:
        return named
    try:
        found = scripts.get_revision(named)
    except CommandError as error:
        raise _unknown(scripts, named) from error
    if found is None:
        raise _unknown(scripts, named)
    return found.revision


def _unknown(scripts: ScriptDirectory, named: str) -> UsageError:
    return UsageError(
        f"{named}: there is no such revision, or several begin like this.",
        effect="Nothing was changed.",
        cure=f"Name a revision of this project; its heads are {', '.join(sorted(scripts.get_heads())) or '(none)'}.",
    )


def in_order(scripts: ScriptDirectory, heads: Sequence[str]) -> tuple[str, ...]:
    """Revisions and all that they build or depend on, each behind what it needs.

    Args:
        scripts: the project's script directory.
        heads: the revisions.
    """
    applied = applied_revisions(scripts, heads)
    # Heads first is how Alembic walks.
    found = [script.revision for script in scripts.walk_revisions() if script.revision in applied]
    order: dict[str, None] = {}

    def add(revision: str) -> None:
        ahead = [(revision, False)]
        while ahead:
            each, ready = ahead.pop()
            if each in order:
                continue
            if ready:
                order[each] = None
                continue
            needed = parent_ids(script_of(scripts, each))
            ahead += [(each, True), *((parent, False) for parent in reversed(needed))]

    for revision in reversed(found):
        add(revision)
    return tuple(order)


@dataclass(frozen=True)
class Member:
    """One revision of a graph, and what stands in its file about the graph.

    Args:
        revision: its id.
        down_revisions: the ids that it builds on.
        parents: the ids that it builds or depends on.
        labels: the branch labels that its own file declares.
        message: the first line of its message.
        path: its file.
    """

    revision: str
    down_revisions: tuple[str, ...]
    parents: tuple[str, ...]
    labels: tuple[str, ...]
    message: str
    path: Path


def members(scripts: ScriptDirectory) -> dict[str, Member]:
    """Every revision of the project, by its id.

    Args:
        scripts: the project's script directory.
    """
    return {script.revision: _member(script) for script in scripts.walk_revisions()}


def _member(script: Script) -> Member:
    down, labels = script.down_revision, getattr(script.module, "branch_labels", None)
    return Member(
        script.revision,
        (down,) if isinstance(down, str) else tuple(down or ()),
        parent_ids(script),
        (labels,) if isinstance(labels, str) else tuple(sorted(labels or ())),
        script.doc.splitlines()[0] if script.doc else "",
        Path(script.path),
    )


def squashed_into(scripts: ScriptDirectory, revision: str) -> str | None:
    """The revision that `erm squash` has made of one that is gone, among others; None where there is none.

    Args:
        scripts: the project's script directory.
        revision: the id of the one that is gone.
    """
    for each in members(scripts).values():
        if revision in squashed_in(each.path.read_bytes()):
            return each.revision
    return None
