"""The section `backup` of erm.yaml, and what is wrong between its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from erm_alembic.config.backup import BackupMethod, BackupSettings, Demand
from erm_alembic.config.commands import parse_command
from erm_alembic.config.durations import format_duration
from erm_alembic.config.fields import Count, Duration, Section

__all__ = ["BackupModel", "backup_problems", "backup_settings"]

_DEFAULT = BackupSettings()
METHODS = ("gzip", "lz4", "zstd")


def _as_pg_dump_has_it(value: object) -> object:
    """What `--compress` takes: a number of gzip's, or a method with its level."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        return value
    method, _, level = text.partition(":")
    known = text == "none" or (text.isascii() and text.isdigit() and int(text) <= 9)
    if not known and not (method in METHODS and (not level or (level.isascii() and level.isdigit()))):
        raise ValueError("none, a number from 0 to 9, or gzip, lz4 or zstd with a level is expected, as zstd:3")
    return text


def _no_nul(value: str) -> str:
    if "\x00" in value or not value.strip():
        raise ValueError("a folder is expected here")
    return value


Compress = Annotated[
    str,
    BeforeValidator(_as_pg_dump_has_it),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["none", 6, "gzip:6", "zstd:3"]}),
]
Command = Annotated[
    str,
    BeforeValidator(parse_command),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
            "examples": ["./backup.sh --store s3", ["python", "backup.py"]],
        }
    ),
]


class BackupModel(Section):
    """Backups: how they are taken, and which runs must have one before their first step."""

    method: BackupMethod | None = Field(None, description="what takes them (pg_dump)")
    before: Demand | None = Field(
        None, description="which runs must have one (destructive where a method stands here, else never)"
    )
    directory: Annotated[str, AfterValidator(_no_nul)] | None = Field(
        None, description="the folder for them, relative to this file (.erm/backups)"
    )
    tables: Literal["all", "at-risk"] = Field(
        _DEFAULT.tables, description="what a run's own backup holds: all tables, or those at risk (all)"
    )
    max_age: Annotated[
        Duration,
        Field(
            description="how old a backup may be so that a run needs no other "
            f"({format_duration(_DEFAULT.max_age)}; 0s: a new one each time)"
        ),
    ] = _DEFAULT.max_age
    keep: Annotated[Count, Field(ge=0, description="how many are kept, the newest (0: all)")] = _DEFAULT.keep
    compress: Compress | None = Field(None, description="as pg_dump's --compress has it: none, 6, gzip:6, zstd:3")
    jobs: Annotated[Count, Field(ge=1, description=f"connections that dump and restore at once ({_DEFAULT.jobs})")] = (
        _DEFAULT.jobs
    )
    verify: Literal["listed", "restored"] = Field(
        _DEFAULT.verify, description="how one is looked at before it counts; restored: in a scratch database too"
    )
    timeout: Annotated[Duration, Field(description="how long taking one may take (0s: no limit)")] = _DEFAULT.timeout
    command: Command | None = Field(None, description="for the method command: told on stdin, answers with the place")


def backup_settings(model: BackupModel, project_dir: Path) -> BackupSettings:
    """What is in force of the section.

    Args:
        model: the section, merged for one profile.
        project_dir: the folder that `directory` is relative to.

    Example:
        >>> backup_settings(BackupModel(method="pg_dump"), Path("/srv/shop")).before
        'destructive'
    """
    given: dict[str, Any] = {name: value for name, value in dict(model).items() if value is not None}
    if model.directory is not None:
        given["directory"] = project_dir / Path(model.directory).expanduser()
    given.setdefault("before", "never" if model.method is None else "destructive")
    return BackupSettings(**given)


def backup_problems(model: BackupModel) -> Iterator[tuple[str, str]]:
    """What is wrong between its keys: the key, and what is said of it.

    Args:
        model: the section, merged for one profile.

    Example:
        >>> list(backup_problems(BackupModel(method="command")))
        [('method', 'its command is missing')]
    """
    if model.method == "command" and model.command is None:
        yield "method", "its command is missing"
    if model.method == "pg_basebackup" and model.tables == "at-risk":
        yield "tables", "pg_basebackup copies the whole cluster; tables at risk are for pg_dump and command"
