"""A project whose revisions are written in SQL, and the directories of other tools."""

from __future__ import annotations

from pathlib import Path

from erm_alembic import apply, plan, rollback
from erm_alembic.config.loader import load_settings
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.revisions.project import AlembicProject, find_project
from erm_alembic.revisions.sql.new_pair import create_pair
from tests.faults.deploying import Project

INI = """\
[alembic]
script_location = %(here)s/migrations
sqlalchemy.url = {url}
"""


class SqlProject(Project):
    """A project that `erm` and plain `alembic` can both run; the fixture makes it the working directory."""

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        super().__post_init__()
        assert self.url is not None
        url = self.url.replace("postgresql:", "postgresql+psycopg2:").replace("%", "%%")
        (self.root / "alembic.ini").write_text(INI.format(url=url), encoding="utf-8")

    @property
    def alembic(self) -> AlembicProject:
        """The project as erm knows it."""
        return find_project(load_settings())

    def pair(self, message: str, up: str, down: str = "") -> Path:
        """Write a revision in SQL; the script on the way up."""
        return create_pair(self.alembic, message, up=up, down=down).up

    def plan(self) -> Plan:
        """The plan, in this process."""
        return plan()

    def applied(self) -> Outcome:
        """How an apply in this process ended."""
        return apply().outcome

    def rolled_back(self) -> Outcome:
        """How a rollback to the base in this process ended."""
        return rollback(to="base", allow_data_loss=True).outcome

    def written(self) -> dict[str, bytes]:
        """Every file below the script location, by its name there."""
        top = self.root / "migrations"
        return {
            path.relative_to(top).as_posix(): path.read_bytes()
            for path in sorted(top.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }

    def directory(self, files: dict[str, str | bytes]) -> Path:
        """A directory of another tool beside the project's own."""
        folder = self.root / "db"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return folder
