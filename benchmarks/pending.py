"""A project of 300 revisions and 100 tables whose last five revisions are pending, of the kinds that teams write.

The tables refer to each other as those of an application do: a few to which many refer, none through more than four.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.projects import REVISION
from benchmarks.wide import CREATE, MODEL

__all__ = ["LAST_APPLIED", "PENDING", "write_pending_project"]

REVISIONS, TABLES, PENDING = 300, 100, 5
OLD_TABLES = TABLES - 1
LAST_APPLIED = f"{REVISIONS - PENDING - 1:012x}"

EXTRA_COLUMN = '    remark = sa.Column(sa.String(100), server_default="none")\n'
ADD_COLUMN = '    op.add_column("table_{0}", sa.Column("remark", sa.String(length=100), server_default="none"))'
DROP_COLUMN = '    op.drop_column("table_{0}", "remark")'
ADD_INDEX = '    op.create_index("table_{0}_amount_idx", "table_{0}", ["amount", "quantity"])'
DROP_INDEX = '    op.drop_index("table_{0}_amount_idx", table_name="table_{0}")'
ALTER = """\
    op.alter_column("table_{0}", "{1}", existing_type={2}, type_={3})
    op.alter_column("table_{0}", "{1}", existing_type={3}, nullable={4})"""
ADD_CHECK = '    op.create_check_constraint("table_{0}_quantity_check", "table_{0}", "quantity >= 0")'
DROP_CHECK = '    op.drop_constraint("table_{0}_quantity_check", "table_{0}", type_="check")'

INDEX_CONCURRENTLY = (
    """\
    with op.get_context().autocommit_block():
        op.create_index("table_1_note_idx", "table_1", ["note"], postgresql_concurrently=True)""",
    """\
    with op.get_context().autocommit_block():
        op.drop_index("table_1_note_idx", table_name="table_1", postgresql_concurrently=True)""",
)
NEW_COLUMN = (
    '    op.add_column("table_2", sa.Column("label", sa.String(length=80), nullable=True))',
    '    op.drop_column("table_2", "label")',
)
FILLED = (
    """    op.execute("UPDATE table_2 SET label = left(name, 80) WHERE label IS NULL")""",
    """    op.execute("UPDATE table_2 SET label = NULL")""",
)
WIDER = (
    """    op.alter_column("table_3", "code", existing_type=sa.String(length=40), type_=sa.String(length=60))""",
    """    op.alter_column("table_3", "code", existing_type=sa.String(length=60), type_=sa.String(length=40))""",
)


@dataclass
class _Models:
    """What the models have beyond their first form, by the number of the table."""

    columns: dict[int, str] = field(default_factory=dict)
    arguments: dict[int, str] = field(default_factory=dict)
    replaced: dict[int, list[tuple[str, str]]] = field(default_factory=dict)

    def of(self, number: int) -> str:
        """The model of a table."""
        text = MODEL.format(number=number, parent=number // 4)
        for before, after in self.replaced.get(number, ()):
            assert before in text
            text = text.replace(before, after)
        return text.replace("    )\n\n", self.arguments.get(number, "") + "    )\n\n", 1) + self.columns.get(number, "")


def write_pending_project(folder: Path, url: str, further: Sequence[tuple[str, str]]) -> Path:
    """Write the project: its models, its revisions, and erm.yaml with the environment `staging`.

    Args:
        folder: where; made when it is not there.
        url: the database, for `alembic` (alembic.ini) and for erm (erm.yaml) alike.
        further: alembic.ini files for other databases, each with its name and its address.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "alembic", "init", "migrations"], cwd=folder, check=True, capture_output=True)
    ini = (folder / "alembic.ini").read_text()
    for name, place in (("alembic.ini", url), *further):
        address = f"sqlalchemy.url = {place}".replace("%", "%%").replace("\\", "\\\\")
        (folder / name).write_text(re.sub(r"^sqlalchemy\.url = .*$", address, ini, flags=re.MULTILINE))
    (folder / "erm.yaml").write_text(f'database:\n  environments:\n    staging: {{url: "{url}"}}\n')
    env_py = folder / "migrations" / "env.py"
    imported = "from models import Base\n\ntarget_metadata = Base.metadata"
    env_py.write_text(env_py.read_text().replace("target_metadata = None", imported))
    models = _Models()
    bodies = [_created(number) for number in range(OLD_TABLES)]
    bodies += [_changed(number, models) for number in range(REVISIONS - PENDING - OLD_TABLES)]
    bodies += _pending(models)
    _write_revisions(folder / "migrations" / "versions", bodies)
    (folder / "models.py").write_text(
        "import sqlalchemy as sa\nfrom sqlalchemy.orm import declarative_base\n\nBase = declarative_base()\n\n"
        + "\n".join(models.of(number) for number in range(TABLES))
    )
    return folder


def _created(number: int) -> tuple[str, str]:
    return CREATE.format(number=number, parent=number // 4), f'    op.drop_table("table_{number}")'


def _changed(number: int, models: _Models) -> tuple[str, str]:
    """A change of one table; no table is changed in the same way twice."""
    table = number % OLD_TABLES
    kind = (table + number // OLD_TABLES) % 4
    if kind == 0:
        models.columns[table] = EXTRA_COLUMN
        return ADD_COLUMN.format(table), DROP_COLUMN.format(table)
    if kind == 1:
        index = f'        sa.Index("table_{table}_amount_idx", "amount", "quantity"),\n'
        models.arguments[table] = models.arguments.get(table, "") + index
        return ADD_INDEX.format(table), DROP_INDEX.format(table)
    if kind == 2:
        before, after = "sa.String(length=200)", "sa.String(length=250)"
        models.replaced.setdefault(table, []).append(
            ("name = sa.Column(sa.String(200), nullable=False)", "name = sa.Column(sa.String(250), nullable=True)")
        )
        up, down = ALTER.format(table, "name", before, after, True), ALTER.format(table, "name", after, before, False)
        return up, down
    check = f'        sa.CheckConstraint("quantity >= 0", name="table_{table}_quantity_check"),\n'
    models.arguments[table] = models.arguments.get(table, "") + check
    return ADD_CHECK.format(table), DROP_CHECK.format(table)


def _pending(models: _Models) -> list[tuple[str, str]]:
    """A new table, an index built concurrently, a new column, its values, and a wider type."""
    models.arguments[1] = models.arguments.get(1, "") + '        sa.Index("table_1_note_idx", "note"),\n'
    models.columns[2] = models.columns.get(2, "") + "    label = sa.Column(sa.String(80))\n"
    models.replaced.setdefault(3, []).append(("code = sa.Column(sa.String(40)", "code = sa.Column(sa.String(60)"))
    return [_created(OLD_TABLES), INDEX_CONCURRENTLY, NEW_COLUMN, FILLED, WIDER]


def _write_revisions(versions: Path, bodies: Sequence[tuple[str, str]]) -> None:
    assert len(bodies) == REVISIONS
    before: str | None = None
    for number, (upgrade, downgrade) in enumerate(bodies):
        identifier = f"{number:012x}"
        text = REVISION.format(
            number=number,
            id=identifier,
            parent=before or "",
            parent_literal=repr(before),
            upgrade=upgrade,
            downgrade=downgrade,
        )
        (versions / f"{identifier}_change_{number}.py").write_text(text)
        before = identifier
