"""Revision files and env.py files that cannot be read or do not work: nothing is run, and the file is named."""

from __future__ import annotations

import pytest

from erm_alembic import migrate
from erm_alembic.errors import ProjectError
from tests.faults.deploying import ENV_PY, Project, tables, told
from tests.support.databases import Database

NOTHING_RUN = "effect: Nothing was planned or run."


@pytest.fixture(autouse=True)
def untouched(one_database: Database) -> object:
    """Whatever a test of this file does, the database is as empty afterwards as it was before."""
    yield
    assert tables(one_database) == set()
    assert one_database.execute("SELECT FROM pg_namespace WHERE nspname = 'erm'") == []


def test_a_syntax_error(project: Project) -> None:
    """A revision that is not Python is named with its line."""
    project.table("a1", "first")
    path = project.versions / "b2.py"
    path.write_text("def x(:\n")
    assert told(project.apply()) == (
        1,
        [
            f"error:  {path}:1: the revision file is not valid Python: invalid syntax.",
            NOTHING_RUN,
            "cure:   Correct the file.",
        ],
    )


def test_an_import_that_fails(project: Project) -> None:
    """A revision whose import raises is named with the line that raises."""
    path = project.table("a1", "first")
    path.write_text("import nowhere\n" + path.read_text())
    code, lines = told(project.apply())
    assert (code, lines[0]) == (
        1,
        f"error:  {path}:1: a revision file cannot be imported: ModuleNotFoundError: No module named 'nowhere'",
    )


def test_an_import_that_fails_shows_no_password(project: Project, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a revision's import raises may hold an address; only its first line is told, and no password in it."""
    path = project.table("a1", "first")
    path.write_text(f"raise ValueError('postgresql://app:{secret}@db/shop\\nmore')\n" + path.read_text())
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", project.url or "")
    with pytest.raises(ProjectError) as caught:
        migrate.plan()
    assert caught.value.what == (
        f"{path}:1: a revision file cannot be imported: ValueError: postgresql://app:***@db/shop"
    )


def test_two_revisions_of_one_id(project: Project) -> None:
    """Two files with the same id are both named."""
    project.table("a1", "first")
    project.revision("a1", "pass", name="again")
    assert told(project.apply()) == (
        1,
        [
            "error:  Several revision files have the same id 'a1': migrations/versions/a1.py,"
            " migrations/versions/again.py.",
            NOTHING_RUN,
            "cure:   Give each of them an id of its own.",
        ],
    )


def test_an_id_that_cannot_be_recorded(project: Project) -> None:
    """An id with a quote would fail in Alembic's own statement, after an index outside a transaction is there."""
    path = project.table("a1", "first")
    path.write_text(path.read_text().replace("a1", "r\\'1"))
    assert told(project.apply())[1] == [
        f'error:  {path.relative_to(project.root)}: the revision id "r\'1" has characters that SQL, or the command '
        "line, takes for its own.",
        NOTHING_RUN,
        "cure:   Let the id be of letters, digits, `_`, `.`, `+` and `-` only.",
    ]


def test_a_cycle(project: Project) -> None:
    """Revisions that build on each other in a circle are named."""
    project.table("a1", "first", down="b2")
    project.table("b2", "second", down="a1")
    code, lines = told(project.apply())
    assert (code, lines[:2]) == (
        1,
        [
            "error:  The revisions build on each other in a circle: Cycle is detected in revisions (a1, b2).",
            NOTHING_RUN,
        ],
    )


def test_a_missing_parent(project: Project) -> None:
    """A revision whose parent has no file says which parent, and how to get the file back."""
    project.table("a1", "first")
    project.table("b2", "second", down="gone")
    assert told(project.apply()) == (
        1,
        [
            "error:  A revision builds on one whose file is gone: Revision gone referenced from"
            " gone -> b2 (head), make b2 is not present.",
            NOTHING_RUN,
            "cure:   Put the file back from version control, or write it from the ledger with"
            " `erm history restore REV`.",
        ],
    )


def test_one_head_of_several_is_ambiguous(project: Project) -> None:
    """`--to head` with two heads names them; it is a usage error."""
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    project.table("c3", "third", down="a1")
    assert told(project.apply("--to", "head")) == (
        2,
        [
            "error:  --to head cannot be planned: Multiple heads are present for given argument 'head'; b2, c3.",
            NOTHING_RUN,
            "cure:   Name a revision of this project; its heads are b2, c3.",
        ],
    )


ENV_PYS = {
    "raises": ("raise ValueError('no tenant')\n", "{env}:1: env.py raises ValueError: no tenant"),
    "exits": ("import sys\nsys.exit(4)\n", "{env}:2: env.py raises SystemExit: 4"),
    "never runs": ("from alembic import context\n", "{env} never calls context.run_migrations()."),
    "is not Python": ("def x(:\n", "{env}: env.py raises SyntaxError: invalid syntax (env.py, line 1)"),
}


@pytest.mark.parametrize("kind", ENV_PYS)
def test_an_env_py_that_does_not_run_its_migrations(kind: str, project: Project) -> None:
    """An env.py that raises, exits, or never runs the migrations is named, and is never taken for success."""
    project.table("a1", "first")
    source, said = ENV_PYS[kind]
    project.env_py(source)
    code, lines = told(project.apply())
    assert (code, lines[0]) == (1, "error:  " + said.format(env=project.root / "migrations" / "env.py"))
    assert lines[1] == "effect: No revision was planned or run."


def test_an_env_py_that_raises_when_its_migrations_are_planned(project: Project) -> None:
    """What env.py itself raises after run_migrations() is its own failure, and no defect of erm."""
    project.table("a1", "first")
    env_py = project.root / "migrations" / "env.py"
    source = env_py.read_text(encoding="utf-8").rstrip("\n")
    project.env_py(f"{source}\nraise ValueError('too late')\n")
    code, lines = told(project.erm("migrate", "--mode", "plan", "--no-rehearse"))
    line = len(source.splitlines()) + 1
    assert (code, lines[0]) == (1, f"error:  {env_py}:{line}: env.py raises ValueError: too late")


def test_an_env_py_that_closes_stdin_and_stdout(project: Project) -> None:
    """They are open again when env.py has ended, and the result stands on stdout."""
    project.table("a1", "first")
    source = (project.root / "migrations" / "env.py").read_text(encoding="utf-8")
    project.env_py(f"{source}\nimport os\nos.close(0)\nos.close(1)\n")
    done = project.erm("migrate", "--mode", "plan", "--no-rehearse")
    assert (done.returncode, "1 revision to apply" in done.stdout) == (0, True), done.stderr


def test_a_revision_that_exits_before_it_writes(project: Project) -> None:
    """A revision that calls sys.exit() fails by itself, with its own line, rather than ending erm."""
    project.revision("a1", "import sys\nsys.exit('enough')")
    code, lines = told(project.apply())
    assert (code, lines[0]) == (
        1,
        "error:  migrations/versions/a1.py:13: revision a1 fails before it writes anything: SystemExit: enough",
    )


def test_another_file_named_env_py_is_not_taken_for_the_projects(project: Project) -> None:
    """The line is that of the project's own env.py, though what it calls stands in a file of the same name."""
    project.table("a1", "first")
    helper = project.root / "helper" / "env.py"
    helper.parent.mkdir()
    helper.write_text("\n" * 40 + "def settings():\n    raise ValueError('no tenant')\n")
    project.env_py("import sys\nsys.path.insert(0, 'helper')\nimport env\nenv.settings()\n")
    code, lines = told(project.apply())
    env_py = project.root / "migrations" / "env.py"
    assert (code, lines[0]) == (1, f"error:  {env_py}:4: env.py raises ValueError: no tenant")


def test_what_env_py_raises_is_masked_for_python_callers_too(
    project: Project, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exception itself holds no password: not only the command line, but also a log may show it."""
    project.table("a1", "first")
    project.env_py(f"raise ValueError('postgresql://app:{secret}@db/shop')\n")
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", project.url or "")
    with pytest.raises(ProjectError) as caught:
        migrate.plan()
    assert caught.value.what.endswith("env.py:1: env.py raises ValueError: postgresql://app:***@db/shop")


def test_an_env_py_secret_is_not_shown(project: Project, secret: str, one_database: Database) -> None:
    """What env.py raises may hold the URL; the password in it is masked."""
    project.table("a1", "first")
    project.env_py(
        ENV_PY.replace("engine =", "raise ValueError(context.config.get_main_option('sqlalchemy.url'))\nengine =")
    )
    url = one_database.url.replace("postgres@", f"postgres:{secret}@")
    done = project.erm("migrate", ERM_DATABASE_URL=url)
    assert done.returncode == 1
    assert "env.py raises ValueError: postgresql+psycopg2://postgres:***@" in done.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("foo.bar()", "NameError: name 'foo' is not defined"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("op.add_colum('x')", "AttributeError: module 'alembic.op' has no attribute 'add_colum'"),
        ("op.execute('SELECT 1')\nop = 1", "UnboundLocalError: cannot access local variable 'op'"),
    ],
)
def test_a_slip_in_the_code_is_an_error_of_the_plan(body: str, said: str, project: Project) -> None:
    """What no missing result explains ends the plan and the apply with the error's own words, after a write as well."""
    project.table("a1", "first")
    project.revision("b2", f"op.get_bind().exec_driver_sql('CREATE TABLE x (id int)')\n{body}", down="a1")
    if "Unbound" in said:
        project.revision("b2", body, down="a1")
    for mode in ("plan", "apply"):
        code, lines = told(project.erm("migrate", "--mode", mode))
        assert (code, "revision b2 fails" in lines[0], said in lines[0]) == (1, True, True), lines


def test_what_a_missing_result_may_explain_is_told_with_the_error(project: Project) -> None:
    """Where a result that a plan does not have may explain a failure, the plan is not complete and shows the words."""
    project.revision("a1", "op.execute('CREATE TABLE x (id int)')\n{}['who']")
    planned = project.erm("migrate", "--mode", "plan")
    assert planned.returncode == 0, planned.stderr
    assert "needs the result of a statement that a plan does not run (KeyError: 'who')" in planned.stdout
