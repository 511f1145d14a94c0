"""What is known of a revision from its file: ids, message, source, and whether it can go down."""

from __future__ import annotations

import hashlib
import io
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from erm_alembic.errors import ConfigurationError, UsageError
from erm_alembic.revisions.graph import ancestors
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.source.downgrade import DowngradeReport, inspect_downgrade
from erm_alembic.revisions.source.files import RevisionFile

__all__ = ["RevisionFacts", "exempt_ancestors", "read_facts"]


@dataclass(frozen=True)
class RevisionFacts:
    """One revision file.

    Args:
        revision: Alembic's revision id.
        down_revisions: the ids that it builds on.
        message: its message, first line.
        path: the file, relative to the project's folder.
        source: the file's text.
        source_hash: SHA-256 of the file's bytes, hexadecimal.
        downgrade: what is known of its down script.
    """

    revision: str
    down_revisions: tuple[str, ...]
    message: str
    path: str
    source: str = field(repr=False)
    source_hash: str
    downgrade: DowngradeReport

    @property
    def cannot_go_down(self) -> bool:
        """Whether the down-script rule objects to it."""
        return self.downgrade.state in ("missing", "empty")

    def as_file(self) -> RevisionFile:
        """The same revision as the checks know it, which also read files without Alembic."""
        return RevisionFile(self.revision, self.down_revisions, self.path, self.source, self.downgrade)


def exempt_ancestors(scripts: ScriptDirectory, since: str | None) -> frozenset[str]:
    """The revisions that `safety.downgrades_since` exempts: that one and its ancestors.

    Args:
        scripts: the project's revision graph.
        since: the revision's id, whole or abbreviated; None exempts nothing.

    Raises:
        ConfigurationError: no file declares it.
    """
    if since is None:
        return frozenset()
    try:
        return ancestors(scripts, since)
    except UsageError as error:
        raise ConfigurationError(
            f"safety.downgrades_since names {since!r}, which is no revision of this project.",
            effect="Nothing was planned or run.",
            cure="Name a revision that exists; that one and its ancestors are exempt from the down-script rule.",
        ) from error


def read_facts(project: AlembicProject, script: Script) -> RevisionFacts:
    """Read a revision's file.

    Args:
        project: the project that it belongs to.
        script: the revision as Alembic loaded it.

    Raises:
        ProjectError: the file is not valid Python.
    """
    content = Path(script.path).read_bytes()
    down = script.down_revision
    path = project.relative(script.path)
    return RevisionFacts(
        revision=script.revision,
        down_revisions=(down,) if isinstance(down, str) else tuple(down or ()),
        message=(script.doc or "").splitlines()[0] if script.doc else "",
        path=path,
        source=_decode(content),
        source_hash=hashlib.sha256(content).hexdigest(),
        downgrade=inspect_downgrade(content, path=path),
    )


def _decode(content: bytes) -> str:
    """The text of a Python file, in the encoding that it declares; NUL bytes cannot be kept in a database."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return content.decode(encoding, errors="replace").replace("\x00", "")
