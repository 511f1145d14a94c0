"""What is known of a revision from its file: ids, message, source, and whether it can go down."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

from alembic.script import Script

from erm_alembic.errors import ProjectError
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.source.downgrade import DowngradeReport
from erm_alembic.revisions.source.files import RevisionFile, decoded, inspect_file
from erm_alembic.revisions.source.same_code import source_hash
from erm_alembic.revisions.source.sql_pair import script_files, with_scripts

__all__ = ["RevisionFacts", "read_facts", "revision_hash"]


# Alembic writes the id into the SQL of its version table as it is: one with a quote fails after the revision has run.
ID = re.compile(r"[\w.+-]+")


@dataclass(frozen=True)
class RevisionFacts:
    """One revision file.

    Args:
        revision: Alembic's revision id.
        down_revisions: the ids that it builds on.
        message: its message, first line.
        path: the file, relative to the project's folder.
        source: the file's text, with its SQL scripts where it is written in SQL.
        source_hash: SHA-256 of the file's bytes, hexadecimal; of `source`, where it is written in SQL.
        downgrade: what is known of its down script.
    """

    revision: str
    down_revisions: tuple[str, ...]
    message: str
    path: str
    source: str = field(repr=False)
    source_hash: str
    downgrade: DowngradeReport

    def as_file(self) -> RevisionFile:
        """The same revision as the checks know it, which also read files without Alembic."""
        return RevisionFile(self.revision, self.down_revisions, self.path, self.source, self.downgrade)


def revision_hash(content: bytes, file: Path) -> str:
    """The hash of a revision that the ledger keeps, without looking at the revision any closer.

    Args:
        content: the bytes of its file.
        file: the file, beside which the scripts of a revision in SQL stand.
    """
    if not script_files(content, file):
        return source_hash(content)
    return _source_and_hash(content, file)[1]


def _source_and_hash(content: bytes, file: Path) -> tuple[str, str]:
    text = decoded(content)
    source = with_scripts(text, content, file)
    return source, source_hash(content if source is text else source.encode("utf-8", "surrogatepass"))


# What was loaded runs as it was loaded, whatever becomes of its file meanwhile: its facts are read once.
_read: WeakKeyDictionary[Script, RevisionFacts] = WeakKeyDictionary()


def read_facts(project: AlembicProject, script: Script) -> RevisionFacts:
    """Read a revision's file, once; the scripts of a revision in SQL are read each time, as they are when it runs.

    Args:
        project: the project that it belongs to.
        script: the revision as Alembic loaded it.

    Raises:
        ProjectError: its id cannot be recorded; the file is not valid Python, or one of its scripts cannot be read as
            SQL.
    """
    if ID.fullmatch(script.revision) is None:
        raise ProjectError(
            f"{project.relative(script.path)}: the revision id {script.revision!r} has characters that SQL, or the "
            "command line, takes for its own.",
            effect="Nothing was planned or run.",
            cure="Let the id be of letters, digits, `_`, `.`, `+` and `-` only.",
        )
    if script in _read:
        return _read[script]
    file = Path(script.path)
    content = file.read_bytes()
    down = script.down_revision
    path = project.relative(script.path)
    source, digest = _source_and_hash(content, file)
    facts = RevisionFacts(
        revision=script.revision,
        down_revisions=(down,) if isinstance(down, str) else tuple(down or ()),
        message=(script.doc or "").splitlines()[0] if script.doc else "",
        path=path,
        source=source,
        source_hash=digest,
        downgrade=inspect_file(content, file, path),
    )
    if not script_files(content, file):
        _read[script] = facts
    return facts
