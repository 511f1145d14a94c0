"""Runs squawk: one process a plan, its statements on standard input, what it says read from its JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from erm_alembic.config.redaction import first_line

__all__ = ["Configuration", "SquawkUnavailable", "Violation", "ask_squawk", "knows_rule", "read_configuration"]

CONFIGURATION = ".squawk.toml"
SYNTAX = "syntax-error"
# It reads some hundred thousand statements in that time; one that hangs must not hold up a plan.
TIMEOUT = 30.0
# What a program needs of an environment to start; the rest of it may hold the target's password.
ENVIRONMENT = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LANG", "LC_ALL")


class SquawkUnavailable(Exception):
    """squawk did not run, or did not answer. The message says why."""


@dataclass(frozen=True)
class Violation:
    """What squawk objects to.

    Args:
        rule: its name for the rule.
        line: the line of the text that it was given, from 1.
        message: what is wrong.
        help: what to do about it.
    """

    rule: str
    line: int
    message: str
    help: str

    @property
    def unreadable(self) -> bool:
        """Whether it could not read the statement."""
        return self.rule == SYNTAX


@dataclass(frozen=True)
class Configuration:
    """What a project's own `.squawk.toml` says, as far as erm has to know it.

    Args:
        path: the file; None where there is none.
        included: the rules that it asks for.
        excluded_paths: patterns of files that it leaves out.
        states_version: whether it names the version of PostgreSQL.
    """

    path: Path | None = None
    included: frozenset[str] = frozenset()
    excluded_paths: tuple[str, ...] = ()
    states_version: bool = False


def read_configuration(folder: Path) -> Configuration:
    """The configuration of squawk that holds for a folder: its own, or that of the nearest folder above it.

    Args:
        folder: the project's folder.

    Raises:
        SquawkUnavailable: the file cannot be read.
    """
    folder = folder.absolute()
    path = next((each / CONFIGURATION for each in (folder, *folder.parents) if (each / CONFIGURATION).is_file()), None)
    if path is None:
        return Configuration()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SquawkUnavailable(f"{path.name} cannot be read: {first_line(error)}") from error
    included, excluded = _texts(found, "included_rules"), _texts(found, "excluded_paths")
    return Configuration(path, frozenset(included), excluded, "pg_version" in found)


def _texts(found: dict[str, Any], key: str) -> tuple[str, ...]:
    value = found.get(key)
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


def ask_squawk(
    sql: str, folder: Path, configuration: Configuration, version: str, include: Iterable[str] = ()
) -> tuple[Violation, ...]:
    """What squawk says of a SQL text, whatever its severity.

    Args:
        sql: the text, with its own BEGIN and COMMIT.
        folder: where it runs.
        configuration: the project's own.
        version: the server's version, as in `15.18`.
        include: rules to ask for that it is silent about otherwise.

    Raises:
        SquawkUnavailable: it did not run, or did not answer.
    """
    arguments = ["--reporter", "json", "--stdin-filepath", "erm.sql", "--no-assume-in-transaction"]
    if configuration.path is not None:
        arguments += ["--config", str(configuration.path)]
    if not configuration.states_version and version:
        arguments += ["--pg-version", version]
    arguments += [f"--include={rule}" for rule in sorted(include)]
    done = _run(arguments, sql, folder)
    try:
        return tuple(_violation(each) for each in json.loads(done.stdout))
    except (ValueError, TypeError, KeyError) as error:
        said = first_line(done.stderr.strip() or f"it ended with {done.returncode} and no JSON")
        raise SquawkUnavailable(said) from error


def _violation(found: dict[str, Any]) -> Violation:
    line = int(found["line"]) + 1  # it counts from 0
    return Violation(str(found["rule_name"]), line, str(found["message"]), str(found["help"] or ""))


def knows_rule(rule: str) -> bool:
    """Whether the squawk that is installed has a rule; True where there is none to ask.

    Args:
        rule: its name.
    """
    try:
        return _run([f"--exclude={rule}", "--stdin-filepath", "erm.sql"], "", Path.cwd()).returncode == 0
    except (SquawkUnavailable, OSError):
        return True


def _run(arguments: list[str], text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = _program()
    if program is None:
        raise SquawkUnavailable("it is not installed: pip install 'erm-alembic[lint]'")
    try:
        return subprocess.run(
            [program, *arguments],
            input=text,
            capture_output=True,
            cwd=folder,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            encoding="utf-8",
            errors="surrogateescape",
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SquawkUnavailable(f"it did not end within {TIMEOUT:.0f} seconds") from error
    except OSError as error:
        raise SquawkUnavailable(f"{program} cannot be run: {error.strerror or error}") from error


@lru_cache(maxsize=1)
def _program() -> str | None:
    """The program of the wheel, which stands beside this Python, or one of the system."""
    beside = shutil.which("squawk", path=str(Path(sys.executable).parent))
    return beside or shutil.which("squawk")
