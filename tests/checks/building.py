"""Contexts for the checks' tests, in one line each."""

from __future__ import annotations

from pathlib import Path

from erm_alembic.config.sealed import SealedUrl
from erm_alembic.config.settings import Settings
from erm_alembic.revisions.source.downgrade import inspect_downgrade
from erm_alembic.revisions.source.files import RevisionFile

WORKS = "def upgrade():\n    op.create_table('t')\ndef downgrade():\n    op.drop_table('t')\n"
EMPTY = "def upgrade():\n    op.create_table('t')\ndef downgrade():\n    pass\n"
MISSING = "def upgrade():\n    op.create_table('t')\n"


def revision(id: str, *parents: str, source: str = WORKS, depends_on: tuple[str, ...] = ()) -> RevisionFile:
    """A revision file with this source."""
    return RevisionFile(id, parents, f"versions/{id}.py", source, inspect_downgrade(source), depends_on)


def settings(environment: str = "prod", url: SealedUrl | None = None) -> Settings:
    """Settings with nothing else in them."""
    return Settings(environment=environment, project_dir=Path(), url=url)
