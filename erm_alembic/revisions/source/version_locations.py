"""Where a project keeps its revision files, read from alembic.ini and pyproject.toml without importing Alembic.

It gives the same folders as Alembic does, for commands that must start in a moment.
"""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erm_alembic.config.redaction import first_line
from erm_alembic.errors import ProjectError

__all__ = ["USUAL_DIRECTORIES", "NoProject", "VersionLocations", "find_version_locations", "ini_within", "read_ini"]

USUAL_DIRECTORIES = ("migrations", "alembic")
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}


@dataclass(frozen=True)
class VersionLocations:
    """The folders that hold revision files.

    Args:
        folders: the folders, in Alembic's order.
        recursive: whether the folders below them count too.
    """

    folders: tuple[Path, ...]
    recursive: bool = False


class NoProject(ProjectError):
    """There is no Alembic project where one was looked for."""


def find_version_locations(
    root: Path, *, ini: Path | None = None, directory: Path | None = None, section: str = "alembic"
) -> VersionLocations:
    """Find the version locations of the project in `root`.

    Args:
        root: the folder that Alembic is run from; relative paths count from here.
        ini: `migrations.alembic_ini`; without it, `alembic.ini` in `root`.
        directory: `migrations.directory`, which stands in for `script_location`.
        section: the section of alembic.ini.

    Raises:
        ProjectError: there is no Alembic project, or its configuration cannot be read.
    """
    if ini is not None and ini == ini_within(ini.parent):
        directory, ini = ini.parent, None
    path = ini or root / "alembic.ini"
    base = path.parent if ini is not None else root
    options = {**_from_toml(base / "pyproject.toml"), **_from_ini(path, section)}
    if directory is not None:
        options["script_location"] = str(root / directory)
    if "script_location" not in options:
        usual = [base / name for name in USUAL_DIRECTORIES if (base / name / "env.py").is_file()]
        if not usual:
            raise NoProject(
                f"No Alembic project was found in {base.absolute()}.",
                effect="No revision was checked.",
                cure="Run erm where alembic.ini stands, or name it in erm.yaml "
                "(`migrations: {alembic_ini: path/alembic.ini}` or `migrations: {directory: path}`).",
            )
        options["script_location"] = str(usual[0])
    locations = options.get("version_locations")
    texts = locations if isinstance(locations, list) else _split(str(locations or ""), options, path)
    folders = [_folder(text, base, options) for text in texts if text]
    if not folders:
        folders = [_folder(str(options["script_location"]), base, options) / "versions"]
    return VersionLocations(tuple(folders), str(options.get("recursive_version_locations")).lower() == "true")


def ini_within(directory: Path) -> Path | None:
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


def _from_ini(path: Path, section: str) -> dict[str, Any]:
    if not path.is_file():
        return {}
    wanted = (
        "script_location",
        "version_locations",
        "path_separator",
        "version_path_separator",
        "recursive_version_locations",
        "prepend_sys_path",
    )
    try:
        parser = read_ini(path)
        if not parser.has_section(section):
            return {}
        return {name: parser.get(section, name) for name in wanted if parser.has_option(section, name)}
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise _unreadable(path, error) from error


def read_ini(path: Path) -> configparser.ConfigParser:
    """Read an ini file as Alembic does: with its parser, and with `%(here)s` for the folder of the file.

    Args:
        path: the file.

    Raises:
        configparser.Error: it is no ini file.
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    # The value of `here` is interpolated once more.
    parser = configparser.ConfigParser({"here": path.parent.absolute().as_posix().replace("%", "%%")})
    parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    return parser


def _from_toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("alembic", {})
        here = {"here": path.parent.absolute().as_posix()}
        return {name: _interpolated(value, here) for name, value in table.items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _interpolated(value: Any, here: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return value % here
    if isinstance(value, list):
        return [part % here for part in value if isinstance(part, str)]
    return value


def _unreadable(path: Path, error: Exception) -> ProjectError:
    return ProjectError(
        f"{path} cannot be read: {first_line(error, type(error).__name__)}.",
        effect="No revision was checked.",
        cure="Correct the file.",
    )


def _split(text: str, options: Mapping[str, Any], path: Path) -> list[str]:
    name = options.get("path_separator", options.get("version_path_separator"))
    if name is None:
        # Alembic before 1.10 knew no separator and split on both.
        return re.split(r", *| +", text.strip())
    if name not in _SEPARATORS:
        raise ProjectError(
            f"{path}: path_separator = {name} is none of {', '.join(_SEPARATORS)}.",
            effect="No revision was checked.",
            cure="Write `path_separator = os`.",
        )
    return [part.strip() for part in text.split(_SEPARATORS[str(name)])]


def _folder(text: str, base: Path, options: Mapping[str, Any]) -> Path:
    """A folder from its text: a path, or `package:path` inside an importable package."""
    package, colon, inside = text.partition(":")
    if not colon or Path(text).is_absolute() or re.fullmatch(r"[A-Za-z]", package):
        return base / text
    prepended = options.get("prepend_sys_path", ".")
    entries: list[str] = prepended if isinstance(prepended, list) else re.split(r"[:; \n]+", str(prepended))
    for entry in (*entries, ".", "src"):
        found: Path = base / entry / Path(*package.split("."))
        if found.is_dir():
            return found / inside
    return base / Path(*package.split(".")) / inside
