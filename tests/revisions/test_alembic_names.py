"""Alembic's private names that erm leans on: each is watched here, so that a new Alembic fails loudly, not wrongly."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from alembic.autogenerate import RevisionContext
from alembic.ddl.impl import DefaultImpl
from alembic.operations import ops
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import HeadMaintainer, MigrationContext, MigrationStep, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.util import load_python_file

import erm_alembic


def test_steps_are_made_from_a_script_and_run_what_their_attribute_says() -> None:
    """erm wraps `migration_fn` on the step; it must stay a plain attribute that run_migrations calls."""
    for maker in (MigrationStep.upgrade_from_script, MigrationStep.downgrade_from_script):
        assert list(inspect.signature(maker).parameters) == ["revision_map", "script"]
    assert "self.migration_fn = " in inspect.getsource(RevisionStep.__init__)
    assert "step.migration_fn(**kw)" in inspect.getsource(MigrationContext.run_migrations)


def test_a_transaction_a_revision_is_begun_as_alembic_begins_it() -> None:
    """A revision that is run by itself runs in the transaction that run_migrations would give it."""
    assert "with self.begin_transaction(_per_migration=True):" in inspect.getsource(MigrationContext.run_migrations)
    assert "_per_migration" in inspect.signature(MigrationContext.begin_transaction).parameters


def test_a_script_tells_its_relatives() -> None:
    """The graph walks `_all_down_revisions` and `_all_nextrev`."""
    assert hasattr(Script, "_all_down_revisions")
    assert hasattr(Script, "_all_nextrev")


def test_the_graph_alone_says_the_private_names_of_the_graph() -> None:
    """Everybody else asks revisions/graph.py, so that one place is mended when Alembic moves a name."""
    names = re.compile(r"\._(all_down_revisions|all_nextrev|version_locations)\b")
    package = Path(erm_alembic.__file__).parent
    sources = {path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    assert {path for path, source in sources.items() if names.search(source)} == {"revisions/graph.py"}


def test_steps_are_chosen_as_alembic_chooses_them() -> None:
    """Up with `implicit_base`, down with `select_for_downgrade`: as `alembic upgrade` and `downgrade` do."""
    assert "implicit_base=True" in inspect.getsource(ScriptDirectory._upgrade_revs)
    assert "select_for_downgrade=True" in inspect.getsource(ScriptDirectory._downgrade_revs)
    parameters = inspect.signature(ScriptDirectory.iterate_revisions).parameters
    assert list(parameters) == ["self", "upper", "lower", "kw"]


def test_the_context_answers_for_its_version_table() -> None:
    """`--sql` needs the version table's own definition."""
    assert hasattr(MigrationContext, "_has_version_table")
    assert "purge" in inspect.signature(MigrationContext._ensure_version_table).parameters
    assert "self._version = self.impl.version_table_impl(" in inspect.getsource(MigrationContext.__init__)


def test_env_py_reaches_the_instance_that_is_wrapped() -> None:
    """`configure` and `run_migrations` are methods that the proxy looks up on the instance."""
    assert callable(EnvironmentContext.configure) and callable(EnvironmentContext.run_migrations)
    source = inspect.getsource(EnvironmentContext.__enter__)
    assert "_install_proxy" in source
    assert 'opts.get("dont_mutate", False)' in inspect.getsource(MigrationContext.run_migrations)


def test_autogenerate_works_as_the_revision_command_does() -> None:
    """`erm gen` uses the class that `alembic revision --autogenerate` uses."""
    assert list(inspect.signature(RevisionContext.__init__).parameters) == [
        "self",
        "config",
        "script_directory",
        "command_args",
        "process_revision_directives",
    ]
    assert hasattr(RevisionContext, "run_autogenerate") and hasattr(RevisionContext, "generate_scripts")
    assert "_version_locations" in vars(ScriptDirectory)


def test_a_revision_file_is_written_by_what_is_watched() -> None:
    """erm takes away what Alembic has begun to write: each file is rendered by the method that it replaces."""
    assert "self._generate_template(" in inspect.getsource(ScriptDirectory.generate_revision)
    assert list(inspect.signature(ScriptDirectory._generate_template).parameters) == ["self", "src", "dest", "kw"]


def test_an_operation_that_drops_knows_what_it_drops() -> None:
    """What a database has beyond the models is told from the operation that would make it."""
    for name in ("DropColumnOp", "DropIndexOp", "DropConstraintOp"):
        assert "_reverse" in inspect.signature(getattr(ops, name).__init__).parameters


def test_a_revision_in_sql_finds_its_runner_by_its_place(tmp_path: Path) -> None:
    """The small files beside SQL scripts load the runner as Alembic loads env.py."""
    (tmp_path / "sql_scripts.py").write_text("found = 1\n", encoding="utf-8")
    assert load_python_file(tmp_path, "sql_scripts.py").found == 1
    assert "bind" in vars(MigrationContext) and "as_sql" in inspect.getsource(MigrationContext.__init__)
    assert list(inspect.signature(DefaultImpl.static_output).parameters) == ["self", "text"]


def test_the_version_table_is_written_by_what_is_replaced() -> None:
    """erm puts a HeadMaintainer of its own, which says the same statements, in the place of Alembic's."""
    assert "head_maintainer = HeadMaintainer(self, heads)" in inspect.getsource(MigrationContext.run_migrations)
    for name, parameters in {
        "__init__": ["self", "context", "heads"],
        "_insert_version": ["self", "version"],
        "_delete_version": ["self", "version"],
        "_update_version": ["self", "from_", "to_"],
    }.items():
        assert list(inspect.signature(getattr(HeadMaintainer, name)).parameters) == parameters
    source = inspect.getsource(HeadMaintainer)
    assert source.count("self.context.impl._exec(") == 3
    assert source.count("ret.rowcount != 1") == 2
