"""The project's revision graph: proven to be one graph, and turned into ordered steps up or down.

What Alembic keeps to itself of the graph is asked for here alone (`_all_down_revisions`, `_all_nextrev`,
`_version_locations`): tests/revisions/test_alembic_names.py fails loudly when one of these names, or of the few that
other modules lean on, moves.
"""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import CycleDetected, RevisionError
from alembic.util import CommandError

from erm_alembic.config.redaction import first_line
from erm_alembic.errors import ProjectError, TargetError, UsageError
from erm_alembic.revisions.source.files import list_python_files, read_revision_files

__all__ = [
    "ScriptDirectory",
    "add_version_folder",
    "applied_revisions",
    "downgrade_steps",
    "history_steps",
    "known_revisions",
    "latest_first",
    "may_come_next",
    "messages_of",
    "parent_ids",
    "parents_of",
    "script_of",
    "unknown_revisions",
    "upgrade_steps",
    "verify_graph",
    "version_folders",
]

NOTHING_READ = "Nothing was planned or run."
PRESENT_TWICE = re.compile(r"Revision (.+) is present more than once")


# A way that leads beyond the last revision is an assertion of Alembic's own.
OBJECTIONS = (CommandError, RevisionError, AssertionError)


def verify_graph(scripts: ScriptDirectory) -> None:
    """Load every revision file and prove that together they are one graph.

    Raises:
        ProjectError: a file cannot be imported, two files share an id, a parent is missing, or there is a cycle.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            scripts.get_heads()
        except CycleDetected as error:
            raise ProjectError(
                f"The revisions build on each other in a circle: {error}.",
                effect=NOTHING_READ,
                cure="Correct `down_revision` (or `depends_on`) in one of these files: one revision must come first.",
            ) from error
        except KeyError as error:
            raise _missing_parent(error, [str(entry.message) for entry in caught]) from error
        except SyntaxError as error:
            raise ProjectError(
                f"{error.filename}:{error.lineno}: the revision file is not valid Python: {error.msg}.",
                effect=NOTHING_READ,
                cure="Correct the file.",
            ) from error
        except (CommandError, RevisionError) as error:
            raise ProjectError(
                f"The revision files cannot be read: {first_line(error)}",
                effect=NOTHING_READ,
                cure="Correct the named file.",
            ) from error
        except Exception as error:
            raise _import_failed(error) from error
    for entry in caught:
        if twice := PRESENT_TWICE.search(str(entry.message)):
            raise _same_id(scripts, twice[1])


def _same_id(scripts: ScriptDirectory, revision: str) -> ProjectError:
    folders = [Path(folder) for folder in scripts.version_locations] or [Path(scripts.dir, "versions")]
    files = list_python_files(folders, recursive=scripts.recursive_version_locations)
    same = sorted(file.path for file in read_revision_files(files, Path.cwd()) if file.id == revision)
    return ProjectError(
        f"Several revision files have the same id {revision!r}: {', '.join(same)}.",
        effect=NOTHING_READ,
        cure="Give each of them an id of its own.",
    )


def _missing_parent(error: KeyError, messages: list[str]) -> ProjectError:
    detail = next((text for text in messages if "is not present" in text), f"Revision {error} is not present")
    return ProjectError(
        f"A revision builds on one whose file is gone: {detail}.",
        effect=NOTHING_READ,
        cure="Put the file back from version control, or write it from the ledger with `erm history restore REV`.",
    )


def _import_failed(error: Exception) -> ProjectError:
    """Name the revision file whose import raised, from the deepest frame that is not the import machinery."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    return ProjectError(
        f"{place}a revision file cannot be imported: {type(error).__name__}: {first_line(error)}",
        effect=NOTHING_READ,
        cure="Correct the file; `python FILE` shows the same error.",
    )


def script_of(scripts: ScriptDirectory, revision: str) -> Script:
    """The revision file of a full revision id that is known to exist."""
    script = scripts.get_revision(revision)
    assert script is not None
    return script


def known_revisions(scripts: ScriptDirectory) -> frozenset[str]:
    """The ids that the project's files declare."""
    return frozenset(script.revision for script in scripts.walk_revisions())


def unknown_revisions(scripts: ScriptDirectory, heads: Iterable[str]) -> tuple[str, ...]:
    """Recorded revisions that no file declares."""
    known = known_revisions(scripts)
    return tuple(sorted(head for head in heads if head not in known))


def _refuse_overlap(scripts: ScriptDirectory, heads: Sequence[str], error: Exception) -> None:
    """Where Alembic objects because a revision is recorded beside one that builds on it, say that, and what to do."""
    for above in sorted(heads) if len(heads) > 1 else ():
        below = sorted((applied_revisions(scripts, [above]) - {above}) & set(heads))
        if below:
            raise TargetError(
                f"The database records revision {', '.join(below)} beside {above}, which builds on it: "
                "Alembic's version table has rows too many.",
                effect=NOTHING_READ,
                cure=f"Where {above} is applied, delete the others: `alembic stamp --purge "
                f"{' '.join(sorted(set(heads) - set(below)))}`. Where it is not, delete its row instead.",
            ) from error


def upgrade_steps(scripts: ScriptDirectory, heads: Sequence[str], target: str) -> list[RevisionStep]:
    """The steps that bring a database from `heads` up to `target`, in the order in which they run.

    Args:
        scripts: the project's script directory.
        heads: the revisions recorded in the database.
        target: `heads`, `head`, `branch@head`, `+N`, or a revision id, whole or abbreviated.

    Raises:
        UsageError: the target does not exist or cannot be reached by going up.
        TargetError: the recorded revisions contradict each other.
    """
    try:
        revisions = list(scripts.iterate_revisions(target, tuple(heads), implicit_base=True))
    except OBJECTIONS as error:
        _refuse_overlap(scripts, heads, error)
        raise _no_such_target(error, target, scripts) from error
    return [
        MigrationStep.upgrade_from_script(scripts.revision_map, script)  # type: ignore[no-untyped-call,unused-ignore]  # Alembic
        for script in reversed(revisions)
    ]


def history_steps(scripts: ScriptDirectory, heads: Sequence[str], revisions: Sequence[str]) -> list[RevisionStep]:
    """The steps from `heads` up to several revisions at once, in the order in which they run.

    Args:
        scripts: the project's script directory.
        heads: the revisions recorded in the database.
        revisions: the revisions that shall be recorded afterwards, as a database records them; none for the base.

    Raises:
        UsageError: one of them does not exist or cannot be reached by going up.
    """
    if not revisions:
        return []
    try:
        found = list(scripts.iterate_revisions(tuple(revisions), tuple(heads), implicit_base=True))
    except OBJECTIONS as error:
        raise _no_such_target(error, ",".join(revisions), scripts) from error
    return [
        MigrationStep.upgrade_from_script(scripts.revision_map, script)  # type: ignore[no-untyped-call,unused-ignore]  # Alembic
        for script in reversed(found)
    ]


def _refuse_what_is_not_applied(scripts: ScriptDirectory, heads: Sequence[str], target: str) -> None:
    """Where a rollback is to end at a revision of the project that the database does not have, say that."""
    applied = applied_revisions(scripts, heads)
    # Only a whole id: what else was typed is Alembic's to resolve, and has its own error.
    if target in known_revisions(scripts) - applied:
        where = ", ".join(sorted(heads)) or "base"
        raise UsageError(
            f"--to {target}: revision {target} is not applied; the database is at {where}.",
            effect=NOTHING_READ,
            cure="Name a revision that is applied and shall remain, or `base`; `erm status` shows where the database "
            "stands.",
        ) from None


def _no_such_target(error: Exception, target: str, scripts: ScriptDirectory) -> UsageError:
    heads = ", ".join(scripts.get_heads())
    said = str(error).removesuffix(".")
    if not said or "Nothing to drop" in said:  # what Alembic takes for a revision there
        said = "it leads to no revision"
    return UsageError(
        f"--to {target} cannot be planned: {said}.",
        effect=NOTHING_READ,
        cure=f"Name a revision of this project; its heads are {heads or '(none)'}.",
    )


def downgrade_steps(scripts: ScriptDirectory, heads: Sequence[str], target: str) -> list[Script]:
    """The revision files to take back, latest first, so that `target` is what remains.

    Args:
        scripts: the project's script directory.
        heads: the revisions recorded in the database.
        target: `base`, or the revision id that remains.

    Raises:
        UsageError: the target does not exist or lies above the recorded revisions.
    """
    try:
        return list(scripts.iterate_revisions(tuple(heads), target, select_for_downgrade=True))
    except OBJECTIONS as error:
        _refuse_what_is_not_applied(scripts, heads, target)
        raise _no_such_target(error, target, scripts) from error


def parents_of(scripts: ScriptDirectory) -> dict[str, tuple[str, ...]]:
    """What each revision builds or depends on."""
    return {script.revision: parent_ids(script) for script in scripts.walk_revisions()}


def messages_of(scripts: ScriptDirectory) -> dict[str, str]:
    """The first line of each revision's message; revisions without one are missing."""
    return {script.revision: script.doc.splitlines()[0] for script in scripts.walk_revisions() if script.doc}


def parent_ids(script: Script) -> tuple[str, ...]:
    """What a revision builds or depends on."""
    return tuple(script._all_down_revisions)


def version_folders(scripts: ScriptDirectory) -> list[Path]:
    """The folders that revision files are looked for in, as Alembic has made them absolute."""
    return [Path(folder) for folder in scripts._version_locations]


def add_version_folder(scripts: ScriptDirectory, folder: str) -> None:
    """Have revision files looked for in one more folder, which need not belong to the project.

    Args:
        scripts: the project's script directory, of which nothing was loaded yet.
        folder: the absolute path.
    """
    scripts.version_locations = [*(str(path) for path in version_folders(scripts)), folder]
    del scripts._version_locations  # worked out once, and kept


def applied_revisions(scripts: ScriptDirectory, heads: Sequence[str]) -> frozenset[str]:
    """Every revision that the recorded heads imply: they and all their ancestors, dependencies included."""
    applied: set[str] = set()
    todo = list(heads)
    while todo:
        revision = todo.pop()
        if revision in applied:
            continue
        applied.add(revision)
        todo.extend(parent_ids(script_of(scripts, revision)))
    return frozenset(applied)


def may_come_next(scripts: ScriptDirectory, heads: Sequence[str], revision: str, *, upgrade: bool) -> bool:
    """Whether a revision can be applied, or taken back, with nothing else before it.

    Args:
        scripts: the project's script directory.
        heads: the revisions recorded in the database, all of them known.
        revision: the revision's id.
        upgrade: whether it is to go up.
    """
    applied = applied_revisions(scripts, heads)
    script = script_of(scripts, revision)
    if upgrade:
        return revision not in applied and applied.issuperset(parent_ids(script))
    return revision in applied and not applied & set(script._all_nextrev)


def latest_first(
    scripts: ScriptDirectory, heads: Sequence[str], count: int, applied_order: Callable[[str], int | None]
) -> list[Script]:
    """The `count` most recent revisions, each with no applied revision that builds on it when its turn comes.

    Args:
        scripts: the project's script directory.
        heads: the revisions recorded in the database.
        count: how many revisions to take back.
        applied_order: a number that grows with the time at which a revision was applied; None when unknown.

    Raises:
        UsageError: several branches could be meant, and the ledger does not say which is the most recent.
    """
    applied = set(applied_revisions(scripts, heads))
    taken: list[Script] = []
    while applied and len(taken) < count:
        tips = sorted(revision for revision in applied if not applied & set(script_of(scripts, revision)._all_nextrev))
        latest = tips[0] if len(tips) == 1 else _most_recent(tips, taken, applied_order)
        taken.append(script_of(scripts, latest))
        applied.discard(latest)
    return taken


def _most_recent(tips: list[str], taken: Sequence[Script], applied_order: Callable[[str], int | None]) -> str:
    order = {tip: applied_order(tip) for tip in tips}
    if any(number is None for number in order.values()):
        branches = f"several branches ({', '.join(tips)}); the ledger does not know which came last."
        what, cure = f"The database stands on {branches}", "Say what shall remain: --to REV, instead of --steps."
        if taken:
            before = ", ".join(script.revision for script in taken)
            what = f"With {before} taken back, the database stands on {branches}"
            cure = (
                f"Say what shall remain, instead of --steps: --to {tips[0]} takes back {before} and leaves "
                f"{', '.join(tips)}; --to a revision below takes these back too."
            )
        raise UsageError(what, effect=NOTHING_READ, cure=cure)
    return max(tips, key=lambda tip: order[tip] or 0)
