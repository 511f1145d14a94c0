"""The files of the one revision: its scripts, the small file that runs them, and where all of them stand."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from erm_alembic.errors import Refused
from erm_alembic.opening import Opened
from erm_alembic.revisions.facts import revision_hash
from erm_alembic.revisions.graph import version_folders
from erm_alembic.revisions.source.sql_pair import script_files
from erm_alembic.revisions.source.squashed import FOLDER, NAME, squashed_in
from erm_alembic.revisions.sql.new_pair import slug
from erm_alembic.revisions.sql.stub import RUNNER, runner_source, stub_source
from erm_alembic.revisions.writing import refuse_unsafe_message
from erm_alembic.squash.choosing import Chosen
from erm_alembic.squash.files import kept_names

__all__ = ["New", "new_files"]

BEFORE = "\nHERE = "
DOWN = """\
-- erm: irreversible it stands for {count} revisions; to go back behind it, use their files in {folder}
"""


@dataclass(frozen=True)
class New:
    """What is to be written, and what is to be kept; paths are relative to the script location.

    Args:
        folder: where the old files are kept.
        stub: the file of the last of the old revisions.
        name: where the new revision file ends up.
        moved: the old files, each with its name in the folder.
        written: the other new files, each with its name.
        content: the new files by their names.
    """

    folder: str
    stub: str
    name: str
    moved: tuple[tuple[str, str], ...]
    written: tuple[tuple[str, str], ...]
    content: dict[str, bytes]


def new_files(
    opened: Opened, chosen: Chosen, script: str, message: str | None, scripts_dir: Path, applied: Mapping[str, str]
) -> New:
    """What becomes of the files.

    Args:
        opened: the settings, the target and the project.
        chosen: the revisions that become one.
        script: the script of the one.
        message: its message.
        scripts_dir: Alembic's script location.
        applied: the hashes under which the ledger has them, by id.

    Raises:
        Refused: the folder of the old files would be one that revisions are read from.
        UsageError: the message could become code.
    """
    last = chosen.last
    said = message or f"squash of {len(chosen.members)} revisions"
    refuse_unsafe_message(said)
    folder = last.path.parent
    base = f"{last.revision}_{slug(said)}"
    names = {"up": f"{base}.sql", "down": f"{base}_down.sql", "stub": f"{base}.py"}
    kept = f"{FOLDER}/{last.revision}"
    _refuse_where_revisions_are_read(opened, scripts_dir)
    text = stub_source(
        message=said,
        revision=last.revision,
        down_revision=None,
        up=names["up"],
        down=names["down"],
        folder=folder,
        scripts_dir=scripts_dir,
    )
    labels = f"branch_labels = {_tuple(chosen.labels)}" if chosen.labels else "branch_labels = None"
    text = text.replace("branch_labels = None", labels, 1)
    text = text.replace(BEFORE, f"\n{_squashed(chosen, applied)}{BEFORE}", 1)
    content = {
        names["up"]: script.encode("utf-8"),
        names["down"]: DOWN.format(count=len(chosen.members), folder=kept).encode("utf-8"),
        names["stub"]: text.encode("utf-8"),
    }
    written = [(_relative(folder / names[each], scripts_dir), names[each]) for each in ("up", "down")]
    if not (scripts_dir / RUNNER).exists():
        content[RUNNER] = runner_source()
        written.append((RUNNER, RUNNER))
    old = [_relative(path, scripts_dir) for member in chosen.members for path in _files(member.path)]
    return New(
        kept,
        _relative(last.path, scripts_dir),
        _relative(folder / names["stub"], scripts_dir),
        kept_names(list(dict.fromkeys(old))),
        tuple(written),
        content,
    )


def _files(path: Path) -> list[Path]:
    """A revision's file, and its scripts where it has some."""
    return [path, *(script for script in script_files(path.read_bytes(), path) if script.exists())]


def _squashed(chosen: Chosen, applied: Mapping[str, str]) -> str:
    """The constant that says what the revision stands for, with what those stood for that were such ones themselves."""
    lines = ["# `erm squash` has made it of these. By id: what a ledger may have of them, as SHA-256."]
    lines.append(f"{NAME} = {{")
    for member in chosen.members:
        content = member.path.read_bytes()
        before = squashed_in(content)
        lines += [
            f"    {_quoted(each)}: {json.dumps(list(hashes))},"
            for each, hashes in before.items()
            if each != member.revision
        ]
        hashes = [revision_hash(content, member.path), *before.get(member.revision, ())]
        hashes += [applied[member.revision]] if member.revision in applied else []
        lines.append(f"    {_quoted(member.revision)}: {json.dumps(list(dict.fromkeys(hashes)))},")
    return "\n".join([*lines, "}\n"])


def _refuse_where_revisions_are_read(opened: Opened, scripts_dir: Path) -> None:
    with opened.project.entered():
        scripts = opened.project.script_directory(opened.project.config())
        folders = [folder.resolve() for folder in version_folders(scripts)]
        recursive = scripts.recursive_version_locations
    place = (scripts_dir / FOLDER).resolve()
    if any(place == folder or (recursive and place.is_relative_to(folder)) for folder in folders):
        raise Refused(
            f"The old files would be kept in {place}, where Alembic looks for revisions.",
            effect="Nothing was changed.",
            cure="Let version_locations name a folder below the script location, such as versions.",
        )


def _relative(path: Path, scripts_dir: Path) -> str:
    return Path(os.path.relpath(path.resolve(), scripts_dir.resolve())).as_posix()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _tuple(names: tuple[str, ...]) -> str:
    return f"({', '.join(map(_quoted, names))},)"
