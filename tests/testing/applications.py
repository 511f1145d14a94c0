"""A small application with a history of its own, whose tests use the plugin; written into a folder by each test."""

from __future__ import annotations

from pathlib import Path

ENV_PY = """
from alembic import context
from sqlalchemy import create_engine
from notes import Base

with create_engine("postgresql://nobody:typed@production.invalid/notes").connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
NOTES = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    words: Mapped[str]
"""
FIRST = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("words", sa.String))'
SECOND = 'op.alter_column("notes", "words", nullable=False)'


class Application:
    """An application in a folder: models, an Alembic project, tests.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write(
            "alembic.ini", "[alembic]\nscript_location = migrations\nprepend_sys_path = .\npath_separator = os\n"
        )
        self.write("migrations/env.py", ENV_PY)
        self.write("notes.py", NOTES)
        # Of pytest-asyncio, which warns where nothing is chosen.
        self.write("pytest.ini", "[pytest]\npythonpath = .\nasyncio_default_fixture_loop_scope = function\n")
        self.revision("a1", FIRST, 'op.drop_table("notes")')
        self.revision("b2", SECOND, 'op.alter_column("notes", "words", nullable=True)', after="a1")

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def revision(self, name: str, up: str, down: str, after: str | None = None) -> None:
        """Write a revision; what it does begins at line 7, what takes it back at line 10."""
        self.write(
            f"migrations/versions/{name}.py",
            f"import sqlalchemy as sa\nfrom alembic import op\nrevision = {name!r}\ndown_revision = {after!r}\n\n"
            f"def upgrade():\n    {up}\n\ndef downgrade():\n    {down}\n",
        )
