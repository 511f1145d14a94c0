"""Where an Alembic project stands: the one rule by which every command finds it, without importing Alembic.

`migrations:` of erm.yaml first, then what `alembic` itself would find in the folder, then the usual folders.
"""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erm_alembic.config.redaction import first_line
from erm_alembic.errors import ProjectError

__all__ = ["NoProject", "ProjectPlace", "alembic_table", "find_place", "unreadable"]

USUAL_DIRECTORIES = ("migrations", "alembic")
NOTHING_READ = "No revision was read."


@dataclass(frozen=True)
class ProjectPlace:
    """Where a project's Alembic files stand.

    Args:
        root: the folder Alembic is run from: relative paths count from here.
        ini: alembic.ini, where there is one.
        toml: pyproject.toml, where it has a `[tool.alembic]` table.
        directory: the script location, where it is not the one that these two name.
    """

    root: Path
    ini: Path | None = None
    toml: Path | None = None
    directory: Path | None = None


class NoProject(ProjectError):
    """There is no Alembic project where one was looked for."""


def find_place(
    root: Path, *, ini: Path | None = None, directory: Path | None = None, elsewhere: Path | None = None
) -> ProjectPlace:
    """Find the project that belongs to a folder.

    Args:
        root: the folder of erm.yaml, else the working directory.
        ini: `migrations.alembic_ini`; relative to `root`.
        directory: `migrations.directory`, which stands in for the script location; relative to `root`.
        elsewhere: the folder to look in where erm.yaml names nothing and its own folder has no project.

    Raises:
        NoProject: there is none.
        ProjectError: what is named is not there, or cannot be read.

    Example:
        >>> try:
        ...     find_place(Path("/"))
        ... except NoProject as error:
        ...     print(error.what)
        No Alembic project was found in /.
    """
    if ini is not None:
        return _of_ini(root, (root / ini).resolve())
    if directory is not None:
        return _of_directory(root, (root / directory).resolve())
    for folder in dict.fromkeys((root, elsewhere or root)):
        if (found := _within(folder)) is not None:
            return found
    raise NoProject(
        f"No Alembic project was found in {root.absolute()}.",
        effect="Nothing was done.",
        cure="Run erm where alembic.ini stands, name it in erm.yaml (`migrations: {alembic_ini: path/alembic.ini}` "
        "or `migrations: {directory: path}`), or start a new project with `erm init`.",
    )


def _of_ini(root: Path, ini: Path) -> ProjectPlace:
    if not ini.is_file():
        raise ProjectError(
            f"There is no {ini}.",
            effect=NOTHING_READ,
            cure="Correct `migrations.alembic_ini` in erm.yaml; it is relative to the folder of erm.yaml.",
        )
    if ini == _ini_within(ini.parent):
        return ProjectPlace(root, ini, None, ini.parent)
    return ProjectPlace(ini.parent, ini, _toml_in(ini.parent))


def _of_directory(root: Path, directory: Path) -> ProjectPlace:
    if not (directory / "env.py").is_file():
        raise ProjectError(
            f"There is no env.py in {directory}.",
            effect=NOTHING_READ,
            cure="Correct `migrations.directory` in erm.yaml, or create the directory with `erm init`.",
        )
    return ProjectPlace(root, _ini_in(root) or _ini_within(directory), _toml_in(root), directory)


def _within(folder: Path) -> ProjectPlace | None:
    """The project of a folder that nothing names: as `alembic` finds it, else in a folder of a usual name."""
    ini, toml = _ini_in(folder), _toml_in(folder)
    if ini or (toml and "script_location" in alembic_table(toml)):
        return ProjectPlace(folder, ini, toml)
    for name in USUAL_DIRECTORIES:
        directory = (folder / name).resolve()
        if (directory / "env.py").is_file():
            return ProjectPlace(folder, _ini_within(directory), None, directory)
    return None


def _ini_in(folder: Path) -> Path | None:
    path = folder / "alembic.ini"
    return path.resolve() if path.is_file() else None


def _ini_within(directory: Path) -> Path | None:
    """The alembic.ini that stands beside env.py and names no script location, as Flask-Migrate writes it."""
    ini = directory / "alembic.ini"
    if not ini.is_file() or not (directory / "env.py").is_file():
        return None
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(ini, "utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return None  # Alembic says what is wrong with it
    return None if parser.has_option("alembic", "script_location") else ini


def _toml_in(folder: Path) -> Path | None:
    path = folder / "pyproject.toml"
    return path.resolve() if alembic_table(path) else None


def alembic_table(path: Path) -> Mapping[str, Any]:
    """The table `[tool.alembic]` of a pyproject.toml; empty where there is no file, or none in it.

    Args:
        path: the file.

    Raises:
        ProjectError: it cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        table: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("alembic", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, AttributeError) as error:
        raise unreadable(path, error) from error
    return table


def unreadable(path: Path, error: Exception) -> ProjectError:
    """The error of a file of the project that cannot be read.

    Args:
        path: the file.
        error: why.
    """
    return ProjectError(
        f"{path} cannot be read: {first_line(error, type(error).__name__)}.",
        effect=NOTHING_READ,
        cure="Correct the file.",
    )
