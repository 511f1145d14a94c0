"""What a scratch database is made of, as hashes: the same recipe gives the same schema.

What the revisions themselves read (a file of data, a module of the project) is only known once they have run: it is
kept with what they made, and compared before that is used again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from erm_alembic.revisions.history import History
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.version import __version__

__all__ = ["Made", "Recipe", "basis_of", "hashed_files", "recipe", "told_apart"]

# Changed with whatever changes what a replay makes of the same revisions.
FORMAT = 1


@dataclass(frozen=True)
class Recipe:
    """What is known before anything is made.

    Args:
        basis: the hash of what holds for every revision: settings, role, env.py, versions.
        revisions: the hash of each revision of the history, by id.
    """

    basis: str
    revisions: Mapping[str, str]

    @property
    def key(self) -> str:
        """The hash of it all, hexadecimal."""
        return told_apart([self.basis, sorted(self.revisions.items())])

    def begins_with(self, made: Made) -> bool:
        """Whether what was made is this recipe's first part, or all of it."""
        return made.basis == self.basis and made.revisions.items() <= self.revisions.items()


@dataclass(frozen=True)
class Made:
    """What was made, and what was found out meanwhile.

    Args:
        basis: as in its recipe.
        revisions: as in its recipe.
        project: which project it was made for.
        server: the version of the server that it was made on.
        files: the hash of each file of the project that was read, by its path.
        extensions: the version of each extension that was made, by name, as the target had it; None where it had none.
        notes: what is not as on the target.
        given: whether the target's schemas and extensions were made beforehand.
        used: when it was used last, in seconds since the epoch.
    """

    basis: str
    revisions: Mapping[str, str]
    project: str
    server: str
    files: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, str | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    given: bool = False
    used: int = 0

    def is_current(self, root: Path, extensions: Mapping[str, tuple[str, str]]) -> bool:
        """Whether everything that was read is still the same.

        Args:
            root: the project's folder.
            extensions: the target's extensions: version and schema by name.
        """
        if any(extensions.get(name, (None,))[0] != found for name, found in self.extensions.items()):
            return False
        return all(_hash_of(root / path) == digest for path, digest in self.files.items())

    def to_json(self) -> str:
        """It as text, without which nobody knows what a template is good for."""
        return json.dumps({"format": FORMAT, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | None) -> Made | None:
        """Read what `to_json` wrote; None for anything else."""
        try:
            told: dict[str, Any] = json.loads(text or "")
            if told.pop("format") != FORMAT:
                return None
            return cls(**{**told, "notes": tuple(told["notes"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def recipe(history: History, revisions: Iterable[str], basis: str) -> Recipe:
    """The recipe for a history up to some revisions.

    Args:
        history: the project's history.
        revisions: the recorded revisions.
        basis: what `basis_of` gives.

    Raises:
        ProjectError: no file declares one of the revisions.
    """
    found = history.up_to(list(revisions))
    # Shortened: a template carries all of them, for thousands of revisions too.
    return Recipe(basis, {revision: digest[:20] for revision, digest in found.items()})


def basis_of(project: AlembicProject, history: History, facts: Mapping[str, Any]) -> str:
    """The hash of what holds for every revision.

    Args:
        project: the Alembic project, whose ini and options env.py reads.
        history: its history, which knows env.py.
        facts: whatever else decides what a revision makes; values that JSON has.
    """
    options = project.options
    told = {
        "format": FORMAT,
        "erm": __version__,
        "alembic": version("alembic"),
        "sqlalchemy": version("sqlalchemy"),
        "options": [list(options.x), options.name, options.tag],
        "files": [_hash_of(path) for path in (history.env_py, project.ini, project.toml) if path is not None],
        **facts,
    }
    return told_apart(told)


def hashed_files(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """The hash of each file, by its path relative to the project where it is inside."""
    found = {}
    for path in sorted(set(paths)):
        digest = _hash_of(Path(path))
        if digest is not None:
            shown = Path(path).relative_to(root) if Path(path).is_relative_to(root) else Path(path)
            found[str(shown)] = digest
    return found


def _hash_of(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:20]
    except OSError:
        return None


def told_apart(told: Any) -> str:
    """The hash of values that JSON has, hexadecimal."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode("utf-8")).hexdigest()
