"""Finds what a well-formed erm.yaml says wrongly about things outside it, before a deploy does.

A name that no file, rule or revision answers to is noticed by the command that needs it, one at a time and perhaps in
production. `erm config check` looks for all of them, in every profile.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from erm_alembic.config.document import Document, KeyPath, Problem, dotted
from erm_alembic.config.profiles import Effective, declared_profiles, effective, profile_data
from erm_alembic.config.sealed import has_typed_password
from erm_alembic.spelling import nearest

__all__ = ["Surroundings", "review"]

PASSWORD_RULE = "plaintext-password"


@dataclass(frozen=True)
class Surroundings:
    """What the file is held against.

    Args:
        rules: the ids that `safety.rules` may name.
        kinds: the kinds of objects that `drift` may name.
        judge_exemption: what is wrong with `downgrades_since`, given the project's folder, `migrations.alembic_ini`,
            `migrations.directory` and the revision; None when nothing is, or when the project cannot be read.
    """

    rules: Collection[str]
    kinds: Collection[str]
    judge_exemption: Callable[[Path, Path | None, Path | None, str], str | None]


def review(document: Document, data: Mapping[str, Any], root: Path, around: Surroundings) -> tuple[Problem, ...]:
    """Hold every profile of a file against what is around it.

    Args:
        document: the file.
        data: its content with the variables put in.
        root: its folder.
        around: what there is.
    """
    if not _says_anything(data):
        return (Problem(None, "", "nothing is configured in it; `database.url` or a profile would be a beginning"),)
    found: list[Problem] = []
    for profile in (None, *declared_profiles(data)):
        try:
            in_force = effective(data, profile)
        except ValidationError:
            continue  # said already, as a problem of the file itself
        found += _Profile(document, data, root, in_force, profile).problems(around)
    return tuple(dict.fromkeys(found))


def _says_anything(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_says_anything(item) for item in value.values())
    return value is not None


@dataclass(frozen=True)
class _Profile:
    """One profile as it is in force; None for the base alone."""

    document: Document
    data: Mapping[str, Any]
    root: Path
    in_force: Effective
    name: str | None

    def problems(self, around: Surroundings) -> Iterator[Problem]:
        for rule in self.in_force.safety.rules:
            if rule not in around.rules:
                near = nearest(rule, sorted(around.rules))
                yield self._problem("safety", "rules", rule, message="this is not a rule", near=near)
        yield from self._unknown_kinds(around.kinds)
        missing = tuple(self._missing_files())
        yield from missing
        yield from self._missing_programs()
        yield from self._missing_tests()
        since = self.in_force.safety.downgrades_since
        if since is not None and not missing:
            ini, directory = self._paths()
            if wrong := around.judge_exemption(self.root, ini, directory, since):
                yield self._problem("safety", "downgrades_since", message=wrong)
        yield from self._typed_passwords()

    def _unknown_kinds(self, kinds: Collection[str]) -> Iterator[Problem]:
        """A kind of object that there is not would leave out nothing, and say nothing."""
        drift = self.in_force.drift
        named: list[tuple[str, KeyPath]] = [(kind, ("drift", "severity", kind)) for kind in drift.severity]
        named += [
            (item.kind, ("drift", "ignore", index, "kind"))
            for index, item in enumerate(drift.ignore)
            if item.kind is not None
        ]
        for kind, path in named:
            if kind not in kinds:
                near = nearest(kind, sorted(kinds))
                yield self._problem(*path, message=f"{kind} is no kind of object", near=near)

    def _paths(self) -> tuple[Path | None, Path | None]:
        migrations = self.in_force.migrations
        ini = self.root / migrations.alembic_ini if migrations.alembic_ini else None
        return ini, Path(migrations.directory) if migrations.directory else None

    def _missing_files(self) -> Iterator[Problem]:
        ini, directory = self._paths()
        if ini is not None and not ini.is_file():
            yield self._problem("migrations", "alembic_ini", message=f"there is no file {ini}")
        if directory is not None and not (self.root / directory / "env.py").is_file():
            yield self._problem("migrations", "directory", message=f"there is no env.py in {self.root / directory}")

    def _missing_tests(self) -> Iterator[Problem]:
        """Smoke tests that are nowhere would fail a run only after the deployment that it is to judge."""
        for index, text in enumerate(self.in_force.smoke.paths):
            path = self.root / Path(text.partition("::")[0]).expanduser()
            if not path.exists():
                yield self._problem("smoke", "paths", index, message=f"there is no file or folder {path}")

    def _missing_programs(self) -> Iterator[Problem]:
        """Commands that are files of the project; a program of the system may be on another machine than this."""
        for place, command in self._commands():
            program = shlex.split(command)[0]
            if "/" not in program or Path(program).is_absolute():
                continue
            path = self.root / program
            if not path.is_file():
                yield self._problem(*place, message=f"there is no file {path}")
            elif not os.access(path, os.X_OK):
                yield self._problem(*place, message=f"{path} is not executable")

    def _commands(self) -> Iterator[tuple[KeyPath, str]]:
        for event in (name for name in type(self.in_force.hooks).model_fields if name != "timeout"):
            for index, command in enumerate(getattr(self.in_force.hooks, event)):
                yield ("hooks", event, index), command
        for name, stage in self.in_force.release.stages.items():
            yield ("release", "stages", name, "run"), stage.run
        for index, command in enumerate(self.in_force.release.promote):
            yield ("release", "promote", index), command

    def _typed_passwords(self) -> Iterator[Problem]:
        """As the rule of that name sees it: dev may have its password in the file."""
        level = self.in_force.safety.rules.get(PASSWORD_RULE, "error")
        if self.name in (None, "dev") or level != "error":
            return
        own = profile_data(self.data, self.name).get("url")
        base = (self.data.get("database") or {}).get("url")
        place: KeyPath = ("database", "url") if own is None else ("database", "environments", str(self.name), "url")
        addresses = [(place, base if own is None else own)]
        for index, replica in enumerate(self.in_force.replicas):
            path: KeyPath = ("replicas", index, "url")
            addresses.append((self.in_force.sources.get(path, path), replica.url))
        if (discovery := self.in_force.routing.discovery) is not None and discovery.dns is not None:
            path = ("routing", "discovery", "dns", "url")
            addresses.append((self.in_force.sources.get(path, path), discovery.dns.url))
        for path, text in addresses:
            if isinstance(text, str) and has_typed_password(text):
                yield Problem(
                    self.document.line_of(path),
                    dotted(path),
                    f"a password is typed into the file for environment {self.name}; "
                    "write ${VARIABLE}, file:PATH or cmd:COMMAND in its place",
                )

    def _problem(self, *path: str | int, message: str, near: str | None = None) -> Problem:
        source = self.in_force.sources.get(path, path)
        return Problem(self.document.line_of(source), dotted(source), message, near)
