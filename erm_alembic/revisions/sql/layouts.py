"""A directory of SQL scripts that another tool ran: which tool's it is, and which scripts belong together.

golang-migrate   000001_users.up.sql, 000001_users.down.sql
dbmate           20240101120000_users.sql, one file with `-- migrate:up` and `-- migrate:down`
erm (Go)         001_users.sql, 001_users_down.sql; also -down, .down and .rollback, and 001.sql

golang-migrate orders its versions as numbers, the other two as text; each is a chain in its own order here too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from erm_alembic.errors import ProjectError, UsageError
from erm_alembic.revisions.sql.sql_scripts import HALF, ScriptError, parse, read, tokenize

__all__ = ["GO_ERM_TABLE", "LAYOUTS", "Layout", "SourceDirectory", "SourceMigration", "read_directory"]

LONGEST_ID = 32  # characters: what Alembic's version table keeps
NOTHING_WRITTEN = "Nothing was imported."
GO_ERM_TABLE = "erm_schema_migrations"

GOLANG = re.compile(r"([0-9]+)_(.*)\.(up|down)\.sql", re.DOTALL)
NUMBERED = re.compile(r"([0-9]+)_?(.*)\.sql", re.DOTALL)
GO_ERM = re.compile(r"([vV]?[0-9][0-9A-Za-z.]*?)(?:(?:__|_|-)(.*?))?(?:\.(?:up|down|rollback))?\.sql", re.DOTALL)
GO_ERM_DOWN = re.compile(r"\.down\.|[_.-]down\.sql$|\.rollback\.", re.IGNORECASE)


@dataclass(frozen=True)
class SourceMigration:
    """One migration of the other tool.

    Args:
        version: its number (or word) as the file's name has it, leading zeros included.
        name: the rest of the name.
        up: the file on the way up.
        down: the file on the way down, the same one in dbmate's layout; where it is missing, what it would be called.
    """

    version: str
    name: str
    up: Path
    down: Path

    @property
    def has_down(self) -> bool:
        """Whether the file on the way down is there."""
        return self.down.is_file()

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files that are there, each once."""
        return (self.up, self.down) if self.has_down and self.down != self.up else (self.up,)


@dataclass(frozen=True)
class Layout:
    """How a tool names its scripts, and where it remembers which of them were run.

    Args:
        name: the tool, as `--from` says it.
        table: the table of the database that it keeps its history in.
        placed: tells version, name and direction (`up`, `down`, `both`) of a file; None when it is none of the tool's.
        order: what a version is known and sorted by.
    """

    name: str
    table: str
    placed: Callable[[Path], tuple[str, str, str] | None]
    order: Callable[[str], Any] = str


@dataclass(frozen=True)
class SourceDirectory:
    """What stands in a directory.

    Args:
        layout: whose layout it is.
        migrations: in the order of their versions.
        left_out: names of SQL files that are none of the tool's.
        gaps: numbers that are missing in a sequence.
    """

    layout: Layout
    migrations: tuple[SourceMigration, ...]
    left_out: tuple[str, ...]
    gaps: tuple[int, ...]


def _golang_migrate(path: Path) -> tuple[str, str, str] | None:
    match = GOLANG.fullmatch(path.name)
    return (match[1], match[2], match[3]) if match else None


def _dbmate(path: Path) -> tuple[str, str, str] | None:
    match = NUMBERED.fullmatch(path.name)
    return (match[1], match[2], "both") if match and _has_halves(path) else None


def _go_erm(path: Path) -> tuple[str, str, str] | None:
    return None if GOLANG.fullmatch(path.name) or _has_halves(path) else _go_erm_too(path)


def _go_erm_too(path: Path) -> tuple[str, str, str] | None:
    """The Go `erm` runs files with golang-migrate's names too; only the user, or the database, knows whose they are."""
    match = GO_ERM.fullmatch(path.name)
    if match is None:
        return None
    direction = "down" if GO_ERM_DOWN.search(path.name) else "up"
    return match[1], re.sub(r"[_-](?:up|down)$", "", match[2] or ""), direction


def _has_halves(path: Path) -> bool:
    try:
        text = read(path)
        return any(token.kind == "comment" and HALF.match(token.text) for token in tokenize(text, path))
    except ScriptError:
        return b"-- migrate:up" in path.read_bytes()


LAYOUTS: tuple[Layout, ...] = (
    Layout("golang-migrate", "schema_migrations", _golang_migrate, int),
    Layout("dbmate", "schema_migrations", _dbmate),
    Layout("erm", GO_ERM_TABLE, _go_erm),
)


def read_directory(folder: Path, wanted: str | None = None) -> SourceDirectory:
    """Find out whose layout a directory has, and pair its scripts.

    Args:
        folder: the directory.
        wanted: the tool's name; None finds it out.

    Raises:
        UsageError: there is no such directory or tool, or the files are those of several tools or of none.
        ProjectError: versions occur twice, or scripts cannot be run as they are; all of them in one message.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no directory {folder}.", effect=NOTHING_WRITTEN, cure="Name the one with the SQL.")
    scripts = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".sql" and not path.is_dir())
    _refuse_what_is_no_file_of(folder, scripts)
    files = [path for path in scripts if path.is_file()]
    layout = _layout(folder, files, wanted)
    _refuse_folders_below(folder, layout)
    placed = {path: place for path in files if (place := layout.placed(path)) is not None}
    problems = _naming_problems(placed, layout)
    problems += [problem for path, (_, _, way) in placed.items() for problem in _content_problems(path, way)]
    if problems:
        raise ProjectError(
            f"The scripts in {folder} cannot be imported:\n" + "\n".join(f"  {problem}" for problem in problems)
            if len(problems) > 1
            else problems[0],
            effect=NOTHING_WRITTEN,
            cure="Correct this, then run the command again.",
        )
    migrations = _paired(placed, layout)
    return SourceDirectory(
        layout,
        tuple(migrations),
        tuple(path.name for path in files if path not in placed),
        _gaps([int(migration.version) for migration in migrations if migration.version.isdecimal()]),
    )


def _refuse_what_is_no_file_of(folder: Path, scripts: list[Path]) -> None:
    """What a link leads to elsewhere is no script of this directory, and would be copied; a pipe would never end."""
    home, problems = folder.resolve(), []
    for path in scripts:
        if path.exists() and not path.is_file():
            problems.append(f"{path} is no file, but a pipe or a device.")
        elif path.is_symlink() and not path.resolve().is_relative_to(home):
            problems.append(f"{path} is a link to a file outside of {folder}.")
    if problems:
        raise UsageError("\n".join(problems), effect=NOTHING_WRITTEN, cure="Put the script itself there.")


def _layout(folder: Path, files: list[Path], wanted: str | None) -> Layout:
    if wanted is not None:
        chosen = next((layout for layout in LAYOUTS if layout.name == wanted), None)
        if chosen is None:
            names = ", ".join(layout.name for layout in LAYOUTS)
            raise UsageError(f"--from {wanted} is unknown.", effect=NOTHING_WRITTEN, cure=f"Choose one of: {names}.")
        if chosen.name == "erm":
            chosen = replace(chosen, placed=_go_erm_too)
        candidates = [chosen] if any(map(chosen.placed, files)) else []
    else:
        candidates = [layout for layout in LAYOUTS if any(map(layout.placed, files))]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise UsageError(
            f"{folder} has no scripts{f' of {wanted}' if wanted else ''}.",
            effect=NOTHING_WRITTEN,
            cure="Known are 000001_name.up.sql and .down.sql (golang-migrate), 20240101120000_name.sql with "
            "`-- migrate:up` (dbmate), 001_name.sql and 001_name_down.sql (erm).",
        )
    examples = "; ".join(
        f"{layout.name}: {next(path.name for path in files if layout.placed(path))}" for layout in candidates
    )
    raise UsageError(
        f"{folder} has scripts of several tools ({examples}).",
        effect=NOTHING_WRITTEN,
        cure="Say which ones are meant, and the others are left out: --from NAME.",
    )


def _refuse_folders_below(folder: Path, layout: Layout) -> None:
    """The Go `erm` looks into folders too; here all scripts stand in one."""
    if layout.name != "erm":
        return
    below = next((path for path in sorted(folder.rglob("*.sql")) if path.parent != folder), None)
    if below is not None:
        raise UsageError(
            f"{folder} has scripts in folders below it ({below.relative_to(folder).as_posix()}).",
            effect=NOTHING_WRITTEN,
            cure="Put them all into one folder: their versions are one sequence.",
        )


def _naming_problems(placed: dict[Path, tuple[str, str, str]], layout: Layout) -> list[str]:
    problems: list[str] = []
    by_version: dict[Any, dict[str, list[Path]]] = {}
    for path, (version, _, direction) in placed.items():
        by_version.setdefault(layout.order(version), {}).setdefault(direction, []).append(path)
        if len(version) > LONGEST_ID:
            problems.append(f"{path.name!r}: a version of more than {LONGEST_ID} characters; shorten it.")
        if not path.name.isprintable():
            problems.append(f"{path.name!r}: the name has a character that cannot be printed; rename the file.")
    for number, directions in by_version.items():
        for paths in directions.values():
            if len(paths) > 1:
                names = ", ".join(path.name for path in paths)
                problems.append(f"version {number} occurs {len(paths)} times ({names}); give each its own number.")
        if "down" in directions and "up" not in directions:
            problems.append(f"{directions['down'][0].name}: there is no script on the way up for it.")
    return problems


def _paired(placed: dict[Path, tuple[str, str, str]], layout: Layout) -> list[SourceMigration]:
    downs = {layout.order(version): path for path, (version, _, direction) in placed.items() if direction == "down"}
    found = []
    for path, (version, name, direction) in placed.items():
        if direction == "both":
            found.append(SourceMigration(version, name, path, path))
        elif direction == "up":
            down = downs.get(layout.order(version), path.with_name(_down(path)))
            found.append(SourceMigration(version, name, path, down))
    return sorted(found, key=lambda migration: layout.order(migration.version))


def _down(up: Path) -> str:
    if up.name.endswith(".up.sql"):
        return f"{up.name.removesuffix('.up.sql')}.down.sql"
    return f"{up.stem.removesuffix('_up')}_down.sql"


def _content_problems(path: Path, direction: str) -> list[str]:
    """What keeps a script from being sent, in the half or the halves that it is read for."""
    problems = []
    for half in ("up", "down") if direction == "both" else (direction,):
        try:
            script = parse(read(path), path, half)
        except ScriptError as error:
            problems.append(str(error))
        else:
            if half == "up" and not script.exists:
                problems.append(f"{path.name}: there is no `-- migrate:up` in it.")
    return list(dict.fromkeys(problems))


def _gaps(versions: list[int]) -> tuple[int, ...]:
    """The numbers that are missing in 1, 2, 3, ...; times (20240101120000) are no sequence."""
    if not versions or max(versions) > 2 * len(versions) + 100:
        return ()
    return tuple(sorted(set(range(min(versions), max(versions))) - set(versions)))
