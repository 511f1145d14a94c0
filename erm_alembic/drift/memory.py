"""What a comparison found the last time: with the same two sides, it finds the same again.

The sides are known by the fingerprints of their catalogs, so nothing is remembered of when or where they were looked
at. A verdict on the models is known by everything that env.py and the models were read from.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erm_alembic.drift.position import Position
from erm_alembic.planning.model import Drift
from erm_alembic.revisions.cache.place import is_off, prune_kept, read_kept, write_kept
from erm_alembic.version import __version__

if TYPE_CHECKING:
    from erm_alembic.shadow.catalogs import CatalogAt
    from erm_alembic.shadow.opened import Shadow
    from erm_alembic.target import Target

__all__ = ["Memory"]

FORMAT = 2
PREFIX = "drift-"
MOST_KEPT = 24
# More would make a file of megabytes, of a database that is compared with the wrong history.
MOST_DIFFERENCES = 2_000


@dataclass(frozen=True)
class Memory:
    """The place of one verdict.

    Args:
        root: the folder of erm.yaml.
        key: hexadecimal digits: a hash over both sides; None where they cannot be told apart from others.
    """

    root: Path
    key: str | None

    @classmethod
    def of(cls, target: Target, shadow: Shadow, position: Position, made: CatalogAt, live: str) -> Memory:
        """The memory of a comparison of a database with its history.

        Args:
            target: the database.
            shadow: its shadow.
            position: where it stands in its history.
            made: what the history makes.
            live: the fingerprint of the database's catalog.
        """
        if not position.is_settled:
            return cls(target.settings.project_dir, None)
        sides = [made.fingerprint, made.role, made.version, live, target.server_version, position.version_table]
        return cls(target.settings.project_dir, told_apart(["database", *sides]))

    @classmethod
    def of_models(cls, root: Path, made: CatalogAt, inputs: str | None) -> Memory:
        """The memory of a comparison of the models with all revisions.

        Args:
            root: the folder of erm.yaml.
            made: what all revisions make.
            inputs: the hash of everything that env.py was read from; None where that is not known.
        """
        sides = [made.fingerprint, made.role, made.version, inputs]
        return cls(root, None if inputs is None else told_apart(["models", *sides]))

    def recall(self) -> tuple[Drift, ...] | None:
        """What was found; None where nothing is remembered."""
        if self.key is None or is_off():
            return None
        content = read_kept(self.root, self._name)
        try:
            return None if content is None else tuple(Drift(**each) for each in json.loads(content))
        except (ValueError, TypeError):
            return None

    def keep(self, drift: tuple[Drift, ...]) -> None:
        """Remember what was found; where that is not possible, nothing happens.

        Args:
            drift: the differences, nothing left out.
        """
        if self.key is None or is_off() or len(drift) > MOST_DIFFERENCES:
            return
        told = json.dumps([asdict(each) for each in drift], separators=(",", ":"))
        if write_kept(self.root, self._name, told.encode("utf-8", "surrogatepass")):
            prune_kept(self.root, PREFIX, MOST_KEPT)

    @property
    def _name(self) -> str:
        return f"{PREFIX}{self.key}.json"


def told_apart(told: list[Any]) -> str:
    """The hash of values that JSON has, hexadecimal.

    Args:
        told: the values.
    """
    content = json.dumps([FORMAT, __version__, *told], sort_keys=True).encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()[:24]
