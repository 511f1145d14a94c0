"""Put what came late on top, or merge: chosen by what the database has, written, and replayed in the shadow."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from erm_alembic.config.env_option import env_option
from erm_alembic.errors import ErmError, ProjectError, Refused
from erm_alembic.ledger.still_applied import still_applied
from erm_alembic.ledger.store import open_ledger
from erm_alembic.opening import Opened, interruptible, open_project
from erm_alembic.planning.build import build_plan
from erm_alembic.planning.rebases import Move, Rebased
from erm_alembic.planning.request import Request
from erm_alembic.rebase.choosing import Branch, choose
from erm_alembic.revisions.chain import Member, in_order, members, whole_id
from erm_alembic.revisions.graph import ScriptDirectory, applied_revisions, unknown_revisions
from erm_alembic.revisions.merging import create_merge
from erm_alembic.revisions.project import AlembicOptions
from erm_alembic.revisions.source.new_parent import with_parent
from erm_alembic.shadow.opened import open_shadow
from erm_alembic.under_way import under_way

__all__ = ["merge", "rebase"]

NOTHING_CHANGED = "Nothing was changed."


@dataclass(frozen=True)
class _Edit:
    """One file that changes."""

    path: Path
    before: bytes
    after: bytes


def rebase(
    env: str | None = None,
    revision: str | None = None,
    *,
    onto: str | None = None,
    write: bool = True,
    config: Path | None = None,
    options: AlembicOptions | None = None,
) -> Rebased:
    """Put a branch that came late on top of the other one: its first revision builds on the other head.

    Args:
        env: the profile whose database decides what came late: what it has stays where it is.
        revision: a revision of the branch that came late; None for the branches that the database has not.
        onto: the head that it is put on; None for the only other one.
        write: False only looks.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        Refused: the database has what would be moved, or the new order cannot be replayed; then every file is as it
            was.
        UsageError: it is not certain which branch is meant.
        ErmError: another subclass of it, when it cannot be looked at or written.

    Example:
        >>> from erm_alembic.errors import ErmError
        >>> try:
        ...     rebase("staging")
        ... except ErmError as error:
        ...     print(error)
        There is one head, f1a85d3c60e9: nothing came beside it.
    """
    opened = open_project(env, config, options)
    with opened.project.entered():
        scripts = opened.project.scripts()
        heads, graph = sorted(scripts.get_heads()), members(scripts)
        named = whole_id(scripts, revision) if revision is not None else None
        target_head = whole_id(scripts, onto) if onto is not None else None
        moved = choose(graph, heads, _applied(opened, scripts) if len(heads) > 1 else (), named, target_head)
        edits = [_edit(opened, graph, branch, parent) for branch, parent in moved]
        order = [in_order(scripts, (branch.head,)) for branch, _ in moved]
    moves = tuple(
        _move(opened, graph, branch, parent, edit, names)
        for (branch, parent), edit, names in zip(moved, edits, order, strict=True)
    )
    afterwards = tuple(sorted(set(heads) - {parent for _, parent in moved}))
    told = Rebased(opened.settings.environment, moves, afterwards, written=write)
    if not write:
        return told
    done: list[_Edit] = []
    try:
        for edit in edits:
            _write(edit.path, edit.after)
            done.append(edit)
        return replace(told, notes=_replayed(opened, afterwards))
    except BaseException:
        for edit in reversed(done):
            _write(edit.path, edit.before)
        raise


def merge(
    env: str | None = None,
    *,
    message: str | None = None,
    write: bool = True,
    config: Path | None = None,
    options: AlembicOptions | None = None,
) -> Rebased:
    """Write a revision that merges all heads, and replay it in the shadow.

    Args:
        env: the profile whose database the shadow is like.
        message: its message.
        write: False only looks.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        Refused: there is one head, or the merged history cannot be replayed; then nothing is kept of it.
        ErmError: another subclass of it, when it cannot be looked at or written.
    """
    opened = open_project(env, config, options)
    with opened.project.entered():
        heads = tuple(sorted(opened.project.scripts().get_heads()))
    if len(heads) < 2:
        raise Refused(
            f"There is one head, {heads[0]}: there is nothing to merge." if heads else "The project has no revisions.",
            effect=NOTHING_CHANGED,
            cure="There is nothing to do.",
        )
    if not write:
        return Rebased(opened.settings.environment, (), heads, written=False)
    revision, path = create_merge(opened.project, heads, message or f"merge {', '.join(heads)}")
    try:
        notes = _replayed(opened, (revision,))
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise
    return Rebased(opened.settings.environment, (), (revision,), path, notes=notes)


def _applied(opened: Opened, scripts: ScriptDirectory) -> Collection[str]:
    """The revisions that the database has, by its version table and by the ledger.

    Raises:
        Refused: it records what no file declares.
    """
    target = opened.target
    survey = interruptible(
        target, lambda: build_plan(target, opened.project, Request("upgrade", "heads"), recording=False)
    )
    unknown = unknown_revisions(scripts, survey.plan.current)
    if unknown:
        env_typed = env_option(opened.settings.environment)
        raise Refused(
            f"The database records revision {', '.join(unknown)}, which no file of the project declares.",
            effect=NOTHING_CHANGED,
            cure=f"`erm repair{env_typed}` shows the ways out.",
        )
    half_done = {each.revision for each in survey.plan.half_done}
    with target.reported(), open_ledger(target) as ledger:
        return applied_revisions(scripts, survey.plan.current) | set(still_applied(ledger.runs())) | half_done


def _edit(opened: Opened, graph: Mapping[str, Member], branch: Branch, parent: str) -> _Edit:
    path = graph[branch.root].path
    before = path.read_bytes()
    return _Edit(path, before, with_parent(before, parent, opened.project.relative(path)))


def _move(
    opened: Opened, graph: Mapping[str, Member], branch: Branch, parent: str, edit: _Edit, order: Sequence[str]
) -> Move:
    shown = opened.project.relative(edit.path)
    old, new = (content.decode("utf-8", "replace").splitlines() for content in (edit.before, edit.after))
    diff = "\n".join(difflib.unified_diff(old, new, f"a/{shown}", f"b/{shown}", lineterm="", n=1))
    before = graph[branch.root].down_revisions
    return Move(
        tuple(each for each in order if each in branch.members), before[0] if before else None, parent, shown, diff
    )


def _write(path: Path, content: bytes) -> None:
    beginning = path.with_name(f".{path.name}.new")
    try:
        beginning.write_bytes(content)
        beginning.chmod(path.stat().st_mode & 0o777)
        beginning.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beginning.unlink(missing_ok=True)
        raise ProjectError(
            f"{path} cannot be written: {error.strerror or error}.",
            effect="That file is as it was.",
            cure="Make room, and make the folder writable.",
        ) from error


def _replayed(opened: Opened, heads: Sequence[str]) -> tuple[str, ...]:
    """Replay the project as it is now; what is to be known of the shadow.

    Raises:
        Refused: it cannot be replayed.
    """
    settings = replace(opened.settings, shadow=replace(opened.settings.shadow, source="history"))
    under_way("replaying the new order in a shadow")
    try:
        with (
            open_shadow(settings, opened.project, replace(opened.target, settings=settings)) as shadow,
            shadow.at(heads) as database,
        ):
            return database.notes
    except ErmError as error:
        raise Refused(
            f"The new order cannot be replayed: {error.what}",
            effect="Every file is as it was.",
            cure=error.cure or "Merge the heads instead: erm rebase --merge",
        ) from error
