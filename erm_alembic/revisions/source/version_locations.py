"""Where a project keeps its revision files, read from alembic.ini and pyproject.toml without importing Alembic.

It gives the same folders as Alembic does, for commands that must start in a moment.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erm_alembic.errors import ProjectError
from erm_alembic.revisions.source.place import ProjectPlace, alembic_table, unreadable

__all__ = ["VersionLocations", "read_ini", "version_locations"]

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


def version_locations(place: ProjectPlace, section: str = "alembic") -> VersionLocations:
    """The version locations of a project.

    Args:
        place: where the project stands.
        section: the section of alembic.ini.

    Raises:
        ProjectError: its configuration cannot be read.
    """
    base = place.root
    options = {**_from_toml(place.toml), **_from_ini(place.ini, section)}
    if place.directory is not None:
        options["script_location"] = str(place.directory)
    if "script_location" not in options:
        raise ProjectError(
            f"{place.ini or place.toml} has no script_location in its section [{section}].",
            effect="No revision was read.",
            cure="Write `script_location = migrations` there, or set `migrations.directory` in erm.yaml.",
        )
    locations = options.get("version_locations")
    texts = locations if isinstance(locations, list) else _split(str(locations or ""), options, place)
    folders = [_folder(text, base, options) for text in texts if text]
    if not folders:
        folders = [_folder(str(options["script_location"]), base, options) / "versions"]
    return VersionLocations(tuple(folders), str(options.get("recursive_version_locations")).lower() == "true")


def _from_ini(path: Path | None, section: str) -> dict[str, Any]:
    if path is None:
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
        raise unreadable(path, error) from error


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


def _from_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    here = {"here": path.parent.absolute().as_posix()}
    try:
        return {name: _interpolated(value, here) for name, value in alembic_table(path).items()}
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable(path, error) from error


def _interpolated(value: Any, here: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return value % here
    if isinstance(value, list):
        return [part % here for part in value if isinstance(part, str)]
    return value


def _split(text: str, options: Mapping[str, Any], place: ProjectPlace) -> list[str]:
    name = options.get("path_separator", options.get("version_path_separator"))
    if name is None:
        # Alembic before 1.10 knew no separator and split on both.
        return re.split(r", *| +", text.strip())
    if name not in _SEPARATORS:
        raise ProjectError(
            f"{place.ini or place.toml}: path_separator = {name} is none of {', '.join(_SEPARATORS)}.",
            effect="No revision was read.",
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
