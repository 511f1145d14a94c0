"""Make revisions of another tool's SQL scripts: computed first, then written whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from alembic.script import Script, ScriptDirectory

from erm_alembic.errors import UsageError
from erm_alembic.revisions.graph import version_folders
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.source.same_code import same_sql
from erm_alembic.revisions.sql.layouts import SourceDirectory, SourceMigration
from erm_alembic.revisions.sql.sql_scripts import parse, read, runs_alone
from erm_alembic.revisions.sql.stub import RUNNER, docstring_of, runner_source, stub_source
from erm_alembic.revisions.sql.writing import NewFile, write_all
from erm_alembic.revisions.writing import chosen_location, placing_cure

__all__ = ["Adoption", "AdoptionStep", "plan_adoption", "write_adoption"]

NOTHING_WRITTEN = "Nothing was imported."
MARK = re.compile(r"\A(?:[ \t]*\n)*[ \t]*--[ \t]*erm:[ \t]*no-transaction[ \t]*(?:\n|\Z)")


@dataclass(frozen=True)
class AdoptionStep:
    """One migration on its way to be a revision.

    Args:
        version: its version, which becomes the revision's id.
        path: the revision file, relative to the project.
        state: `write`, or `there` when the project has it already.
        notes: what to know about it.
    """

    version: str
    path: str
    state: Literal["write", "there"]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Adoption:
    """What an import would write.

    Args:
        steps: one a migration, in order.
        files: the files to write, in an order that leaves a readable project wherever it is interrupted.
    """

    steps: tuple[AdoptionStep, ...]
    files: tuple[NewFile, ...]


def plan_adoption(project: AlembicProject, source: SourceDirectory, version_path: Path | None = None) -> Adoption:
    """Compute what an import would write; nothing is written.

    Args:
        project: the Alembic project.
        source: the other tool's directory.
        version_path: the version location to write to, where the project has several.

    Raises:
        UsageError: a revision of the project has the id of another migration, or the project has moved on since.
        ProjectError: the project cannot be read.
    """
    called_from = Path.cwd()
    with project.entered():
        scripts = project.scripts()
        folder = _folder(scripts, source, version_path, called_from)
        known = {script.revision: script for script in scripts.walk_revisions()}
        before = [migration for migration in source.migrations if migration.version in known]
        _refuse_others([problem for each in before if (problem := _other(each, known[each.version]))])
        new = [migration for migration in source.migrations if migration.version not in known]
        parent = _parent(scripts, source.migrations, before, new)
        steps = [
            AdoptionStep(
                each.version,
                project.relative(known[each.version].path),
                "there",
                _notes_beside(each, known[each.version]),
            )
            for each in before
        ]
        files: list[NewFile] = []
        if new and not (Path(scripts.dir) / RUNNER).exists():
            files.append(NewFile(Path(scripts.dir) / RUNNER, runner_source()))
        for migration in new:
            stub = folder / f"{migration.up.name.removesuffix('.sql').removesuffix('.up')}.py"
            files += [
                NewFile(folder / path.name, path.read_bytes())
                for path in migration.files
                if not _is_there(folder / path.name, path)
            ]
            files.append(NewFile(stub, _stub(migration, parent, folder, scripts).encode("utf-8")))
            steps.append(AdoptionStep(migration.version, project.relative(stub), "write", _notes(migration)))
            parent = migration.version
        return Adoption(tuple(steps), tuple(files))


def write_adoption(project: AlembicProject, adoption: Adoption) -> None:
    """Write what was planned, and prove that Alembic reads it as one graph; all of it or nothing.

    Args:
        project: the Alembic project.
        adoption: what to write.

    Raises:
        UsageError: a file is in the way.
        ProjectError: a file cannot be written, or the graph would not be one.
    """
    if not adoption.files:
        return
    with project.entered():
        for folder in {file.path.parent for file in adoption.files}:
            folder.mkdir(parents=True, exist_ok=True)
        write_all(adoption.files, project.scripts)


def _folder(scripts: ScriptDirectory, source: SourceDirectory, wanted: Path | None, called_from: Path) -> Path:
    """Where the revisions go: where the scripts stand, if that is a version location, else the only one."""
    chosen = chosen_location(scripts, wanted, called_from)
    if chosen is not None:
        return Path(chosen)
    locations = version_folders(scripts)
    where = source.migrations[0].up.parent.resolve()
    for location in locations:
        if location.resolve() == where:
            return location
    if len(locations) == 1:
        return locations[0]
    raise UsageError(
        "The project has several version locations.", effect=NOTHING_WRITTEN, cure=placing_cure(scripts, "")
    )


def _is_there(place: Path, script: Path) -> bool:
    """Whether a script stands where it belongs: it was never elsewhere, or an import that was killed has brought it."""
    return place.is_file() and (place.samefile(script) or place.read_bytes() == script.read_bytes())


def _other(migration: SourceMigration, script: Script) -> tuple[str, str] | None:
    """What makes the project's revision another one than the migration of its id, and what to do; None for nothing."""
    there = _imported(migration, script)
    if there is None or there.up.name != migration.up.name:
        return (
            f"{script.path} is another revision {migration.version}.",
            f"Give one of the two another id; the other one is {migration.up}.",
        )
    if there.up.is_file() and not same_sql(_unmarked(there.up), _unmarked(migration.up)):
        return (
            f"{migration.up} and {there.up} differ, although they are the same migration.",
            "Make them equal, or take the older one away.",
        )
    return None


def _unmarked(path: Path) -> str:
    """A script without the mark that an import asks for, and which may be written into either of the two copies."""
    return MARK.sub("", read(path))


def _refuse_others(problems: Sequence[tuple[str, str]]) -> None:
    """Refuse all of them in one message."""
    if len(problems) == 1:
        raise UsageError(problems[0][0], effect=NOTHING_WRITTEN, cure=problems[0][1])
    if problems:
        raise UsageError(
            f"{len(problems)} of the migrations are others in the project:\n"
            + "\n".join(f"  {what} {cure}" for what, cure in problems),
            effect=NOTHING_WRITTEN,
            cure="Correct this, then run the command again.",
        )


def _imported(migration: SourceMigration, script: Script) -> SourceMigration | None:
    """The migration as it stands beside its revision now; None where the revision is not of SQL scripts."""
    up, down = (getattr(script.module, name, None) for name in ("upgrade_sql", "downgrade_sql"))
    if not up:
        return None
    beside = Path(script.path)
    return replace(migration, up=beside.with_name(str(up)), down=beside.with_name(str(down or migration.down.name)))


def _parent(
    scripts: ScriptDirectory,
    order: Sequence[SourceMigration],
    before: list[SourceMigration],
    new: list[SourceMigration],
) -> str | None:
    """The revision that the first new one builds on."""
    heads = scripts.get_heads()
    if not new or not heads:
        return None
    if not before:
        raise UsageError(
            f"The project has revisions of its own already ({', '.join(sorted(heads))}).",
            effect=NOTHING_WRITTEN,
            cure="Import into a project without revisions (`erm init DIR`); both histories begin at an empty database.",
        )
    late = [each for each in new if order.index(each) < order.index(before[-1])]
    if late or heads != [before[-1].version]:
        which = late[0] if late else new[0]
        raise UsageError(
            f"{which.up.name} comes after the project moved on: its revisions end at {', '.join(sorted(heads))}.",
            effect=NOTHING_WRITTEN,
            cure='Write it as a revision of this project: erm gen -m "NAME" --sql, with the same statements.',
        )
    return before[-1].version


def _stub(migration: SourceMigration, parent: str | None, folder: Path, scripts: ScriptDirectory) -> str:
    return stub_source(
        message=docstring_of(migration.name),
        revision=migration.version,
        down_revision=parent,
        up=migration.up.name,
        down=migration.down.name,
        folder=folder,
        scripts_dir=Path(scripts.dir),
    )


def _notes_beside(migration: SourceMigration, script: Script) -> tuple[str, ...]:
    """What to know about a migration that was imported before: its scripts beside the revision are those that run."""
    there = _imported(migration, script)
    if there is None or not there.up.is_file():
        return _notes(migration)
    return _notes(there)


def _notes(migration: SourceMigration) -> tuple[str, ...]:
    """What to know about a migration before it is run here."""
    notes = []
    down = parse(read(migration.down), migration.down, "down") if migration.has_down else None
    if down is None or not down.exists:
        notes.append("no down script: it cannot be rolled back (missing-downgrade)")
    elif not down.statements and down.irreversible is None:
        notes.append("its down script does nothing (missing-downgrade)")
    for path, half in ((migration.up, "up"), (migration.down, "down")):
        script = parse(read(path), path, half) if path.is_file() else None
        if half == "up" and script is not None and not script.statements:
            notes.append(f"{path.name} has no statement: it does nothing")
        alone = [each for each in script.statements if runs_alone(each.words)] if script else []
        if script is not None and script.transaction and alone:
            notes.append(
                f"{path.name}:{alone[0].line} cannot run in a transaction: write `-- erm: no-transaction` "
                "as the first line of the script"
            )
    return tuple(notes)
