"""Write a revision as a pair of SQL scripts: `NNN_name.sql`, `NNN_name_down.sql`, and the small file that runs them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, rev_id

from erm_alembic.errors import UsageError
from erm_alembic.revisions.graph import version_folders
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.sql.stub import RUNNER, runner_source, stub_source
from erm_alembic.revisions.sql.writing import NewFile, write_all
from erm_alembic.revisions.writing import chosen_location, placing_cure, refuse_several_heads, refuse_unsafe_message

__all__ = ["NewPair", "create_pair", "slug"]

LONGEST_SLUG = 60
TIMESTAMP = 14  # digits: 20240101120000

UP_TEXT = """\
-- {message}
-- Each statement ends with a semicolon; the script runs in one transaction. For statements that cannot
-- (CREATE INDEX CONCURRENTLY), write as the first line:  -- erm: no-transaction
"""
DOWN_TEXT = """\
-- Takes {up} back, in the opposite order. `erm migrate` refuses a revision whose down script does nothing.
-- Where there is no way back, say why instead:  -- erm: irreversible REASON
"""


@dataclass(frozen=True)
class NewPair:
    """The files of a new revision.

    Args:
        up: the script on the way up.
        down: the script on the way down.
        stub: the revision file that runs them.
        revision: its id.
    """

    up: Path
    down: Path
    stub: Path
    revision: str


def create_pair(
    project: AlembicProject,
    message: str,
    *,
    up: str = "",
    down: str = "",
    head: str | None = None,
    version_path: Path | None = None,
    base: bool = False,
) -> NewPair:
    """Write a new revision in SQL.

    Its id goes on with the numbers of the project's revisions (`001`, `002`, or a time like `20240101120000`); where
    those are no numbers, it is one of Alembic's own.

    Args:
        project: the project that it belongs to.
        message: what changes; becomes part of the files' names.
        up: the statements on the way up; empty leaves a script to be filled in.
        down: those on the way down.
        head: the revision to build on, where there are several heads.
        version_path: the version location to write to, where the project has several.
        base: whether it builds on none of the others; then `head` says nothing.

    Raises:
        ProjectError: the project cannot be read, or a file cannot be written.
        UsageError: `head` does not say one place to build on, `version_path` is no version location, or the message
            could become code.
    """
    refuse_unsafe_message(message)
    called_from = Path.cwd()
    with project.entered():
        scripts = project.scripts()
        parent = None if base else _parent(scripts, head)
        folder = _folder(scripts, parent, version_path, called_from)
        revision = _next_id(scripts, parent)
        name = f"{revision}_{slug(message)}"
        up_end, down_end = _endings(parent)
        pair = NewPair(folder / f"{name}{up_end}", folder / f"{name}{down_end}", folder / f"{name}.py", revision)
        stub = stub_source(
            message=message,
            revision=revision,
            down_revision=parent.revision if parent else None,
            up=pair.up.name,
            down=pair.down.name,
            folder=folder,
            scripts_dir=Path(scripts.dir),
        )
        folder.mkdir(parents=True, exist_ok=True)
        files = [
            NewFile(pair.up, (up or UP_TEXT.format(message=message)).encode("utf-8")),
            NewFile(pair.down, (down or DOWN_TEXT.format(up=pair.up.name)).encode("utf-8")),
            NewFile(pair.stub, stub.encode("utf-8")),
        ]
        runner = Path(scripts.dir) / RUNNER
        if not runner.exists():
            files.insert(0, NewFile(runner, runner_source()))
        write_all(files, project.scripts)
        return pair


def _parent(scripts: ScriptDirectory, head: str | None) -> Script | None:
    refuse_several_heads(scripts, head)
    heads = scripts.get_heads()
    try:
        found = scripts.get_revision(head or "head") if heads else None
    except CommandError as error:
        raise _not_a_head(head, heads, str(error)) from error
    if found is not None and not found.is_head:
        raise _not_a_head(head, heads, f"revision {found.revision} is no head")
    if found is None and head is not None:
        raise _not_a_head(head, heads, f"there is no revision {head}")
    return found


def _not_a_head(head: str | None, heads: list[str], why: str) -> UsageError:
    return UsageError(
        f"--head {head}: {why.removesuffix('.')}.",
        effect="No revision was written.",
        cure=f"Build on a head: {', '.join(sorted(heads)) or 'there is none yet'}.",
    )


def _folder(scripts: ScriptDirectory, parent: Script | None, wanted: Path | None, called_from: Path) -> Path:
    chosen = chosen_location(scripts, wanted, called_from)
    if chosen is not None:
        return Path(chosen)
    locations = version_folders(scripts)
    if len(locations) == 1:
        return locations[0]
    if parent is not None:
        return Path(parent.path).parent
    raise UsageError(
        "The project has several version locations.",
        effect="No revision was written.",
        cure=placing_cure(scripts, ""),
    )


def _next_id(scripts: ScriptDirectory, parent: Script | None) -> str:
    """The next number where the project's revisions are numbers, a time where they are times, else Alembic's own."""
    numbers = [each.revision for each in scripts.walk_revisions() if each.revision.isdecimal()]
    if parent is None and not scripts.get_heads():
        return "001"
    if not numbers or (parent is not None and not parent.revision.isdecimal()):
        return rev_id()
    latest = max(numbers, key=int)
    if len(latest) >= TIMESTAMP:
        return max(datetime.now(UTC).strftime("%Y%m%d%H%M%S"), str(int(latest) + 1))
    return str(int(latest) + 1).zfill(len(latest if parent is None else parent.revision))


def slug(message: str) -> str:
    """A message as the part of a file's name.

    Args:
        message: what changes, in a few words.

    Example:
        >>> slug("Add reviews!")
        'add_reviews'
    """
    words = re.sub(r"\W+", "_", message.lower()).strip("_")
    return words[:LONGEST_SLUG].rstrip("_") or "sql"


def _endings(parent: Script | None) -> tuple[str, str]:
    """`.sql` and `_down.sql`, or `.up.sql` and `.down.sql` where the revision before has those."""
    before = getattr(parent.module, "upgrade_sql", "") if parent is not None else ""
    return (".up.sql", ".down.sql") if str(before).endswith(".up.sql") else (".sql", "_down.sql")
