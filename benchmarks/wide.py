"""A project of many tables: its models, and revisions of fifty tables each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.projects import REVISION

__all__ = ["write_wide_project"]

TABLES_A_REVISION = 50

MODEL = """
class Table{number}(Base):
    __tablename__ = "table_{number}"
    __table_args__ = (
        sa.UniqueConstraint("code", name="table_{number}_code_key"),
        sa.Index("table_{number}_name_idx", "name"),
        sa.Index("table_{number}_state_created_at_idx", "state", "created_at"),
    )

    id = sa.Column(sa.Integer, primary_key=True)
    code = sa.Column(sa.String(40), nullable=False)
    name = sa.Column(sa.String(200), nullable=False)
    state = sa.Column(sa.String(20), nullable=False, server_default="new")
    amount = sa.Column(sa.Numeric(12, 2))
    quantity = sa.Column(sa.Integer, nullable=False, server_default=sa.text("0"))
    note = sa.Column(sa.Text)
    active = sa.Column(sa.Boolean, nullable=False, server_default=sa.text("true"))
    created_at = sa.Column(sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))
    parent_id = sa.Column(sa.Integer, sa.ForeignKey("table_{parent}.id", name="table_{number}_parent_id_fkey"))
"""

CREATE = """\
    op.create_table(
        "table_{number}",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), server_default="new", nullable=False),
        sa.Column("amount", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("quantity", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["table_{parent}.id"], name="table_{number}_parent_id_fkey"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code", name="table_{number}_code_key"),
    )
    op.create_index("table_{number}_name_idx", "table_{number}", ["name"])
    op.create_index("table_{number}_state_created_at_idx", "table_{number}", ["state", "created_at"])
"""


def write_wide_project(folder: Path, number: int, url: str) -> Path:
    """Write a project of so many tables (10 columns, 2 indexes, 1 foreign key, 1 unique, SERIAL keys) and their models.

    Args:
        folder: where; made when it is not there.
        number: how many tables.
        url: the database, for `alembic` (alembic.ini) and for erm (erm.yaml) alike.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "alembic", "init", "migrations"], cwd=folder, check=True, capture_output=True)
    ini = folder / "alembic.ini"
    address = f"sqlalchemy.url = {url}".replace("%", "%%").replace("\\", "\\\\")
    ini.write_text(re.sub(r"^sqlalchemy\.url = .*$", address, ini.read_text(), flags=re.MULTILINE))
    (folder / "erm.yaml").write_text(f'database:\n  environments:\n    dev: {{url: "{url}"}}\n')
    env_py = folder / "migrations" / "env.py"
    env_py.write_text(
        env_py.read_text().replace(
            "target_metadata = None", "from models import Base\n\ntarget_metadata = Base.metadata"
        )
    )
    parents = [max(index - 1, 0) for index in range(number)]
    models = [MODEL.format(number=index, parent=parents[index]) for index in range(number)]
    (folder / "models.py").write_text(
        "import sqlalchemy as sa\nfrom sqlalchemy.orm import declarative_base\n\nBase = declarative_base()\n\n"
        + "\n".join(models)
    )
    _write_revisions(folder / "migrations" / "versions", number, parents)
    return folder


def _write_revisions(versions: Path, number: int, parents: list[int]) -> None:
    before: str | None = None
    for start in range(0, number, TABLES_A_REVISION):
        made = range(start, min(start + TABLES_A_REVISION, number))
        identifier = f"{start:012x}"
        text = REVISION.format(
            number=start,
            id=identifier,
            parent=before or "",
            parent_literal=repr(before),
            upgrade="\n".join(CREATE.format(number=index, parent=parents[index]) for index in made),
            downgrade="\n".join(f'    op.drop_table("table_{index}")' for index in reversed(made)),
        )
        (versions / f"{identifier}_add_tables_{start}.py").write_text(text)
        before = identifier
