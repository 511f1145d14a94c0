"""`erm smoke` as a user runs it: what passes, what is refused, and that nothing of it stays."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from tests.smoke.projects import ALONE, BAD, GOOD, is_untouched, make_project, outcomes, run_smoke
from tests.support.cli import REPOSITORY, erm_environment, run_erm
from tests.support.databases import Database

# Some of those that are refused, by SQLAlchemy's ways and by others: their tracebacks end in the project.
ESCAPES = ("test_writes_without_saying_so", "test_commits", "test_calls_what_commits", "test_connects_by_psycopg2")


def test_tests_read_and_write_and_leave_nothing(filled: Database, tmp_path: Path) -> None:
    """The application's own engine takes part, its commits end savepoints where the mark says so."""
    project = make_project(tmp_path, GOOD)
    (project / "pytest.ini").write_text("[pytest]\naddopts = -n 2 --strict-markers\n")
    document = run_smoke(project, filled, PYTEST_DISABLE_PLUGIN_AUTOLOAD=None)
    assert set(outcomes(document).values()) == {"passed"}
    assert len(document["tests"]) == 9
    assert (document["outcome"], document["problems"], document["escapes"]) == ("passed", [], [])
    assert ["while a later one of another thread was open" in note for note in document["notes"]] == [True]
    assert {name for test in document["tests"] for name in test["sequences"]} == {"public.t_id_seq"}
    assert is_untouched(filled)


def test_what_would_outlive_the_transaction_is_refused(filled: Database, tmp_path: Path, secret: str) -> None:
    """Each fails with its own reason, also where the test catches it; no password is told, and nothing is left."""
    project = make_project(tmp_path, BAD)
    address = re.sub(r"//\w*@", f"//postgres:{secret}@", filled.url)
    assert secret in address
    known = {"ERM_DATABASE_URL": address, "PGPASSWORD": secret, "DB_PASSWORD": secret, "SMOKE_URL": address}
    document = run_smoke(project, filled, "--junit", "out.xml", code=1, **known)
    reasons = {test["id"].partition("::")[2]: test["reason"] for test in document["tests"]}
    wanted = dict(re.findall(r"def (test_\w+)\(.*\):  # (.+)", BAD))
    assert wanted.pop("test_that_comes_after_it") and wanted.pop("test_commits_as_expected")
    assert {name: words for name, words in wanted.items() if words not in (reasons.get(name) or "")} == {}
    found = outcomes(document)
    assert found.pop("test_commits_as_expected") == "xfailed"
    assert set(found.values()) == {"failed", "error"} and "test_that_comes_after_it" not in found
    assert document["outcome"] == "failed"
    assert "No test was run after tests/test_smoke.py::test_commits_past_everything" in document["problems"][0]
    assert len(document["escapes"]) >= 8
    report = project / "out.xml"
    assert "test_commits_by_text" in report.read_text() and secret not in report.read_text()
    assert report.stat().st_mode & 0o077 == 0
    told = {case.get("name"): "".join(case.itertext()) for case in ElementTree.parse(report).iter("testcase")}
    assert [name for name in ESCAPES if "test_smoke.py:" not in told[name] or "site-packages" in told[name]] == []
    assert "app.py:" in told["test_calls_what_commits"]
    assert is_untouched(filled)


CONFIGURED = """
import socket

import psycopg2
import pytest
from sqlalchemy import text

pytestmark = pytest.mark.erm_smoke


def test_acts_as_the_role(erm_smoke_session):
    assert erm_smoke_session.scalar(text("SELECT current_user")) == "pg_read_all_stats"
    assert erm_smoke_session.scalar(text("SHOW statement_timeout")) == "3s"


def test_reaches_what_is_named_and_no_database_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    with pytest.raises(Exception, match="connection of its own"):
        psycopg2.connect(host="127.0.0.1")
"""


def test_what_erm_yaml_says_holds(filled: Database, tmp_path: Path) -> None:
    """The role, the hosts of other services; what is typed wins."""
    configuration = "smoke: {paths: [tests], role: pg_read_all_stats, hosts: [127.0.0.1], timeout: 2s}"
    project = make_project(tmp_path, CONFIGURED, configuration)
    document = run_smoke(project, filled, "--timeout", "3s", code=1)
    assert outcomes(document) == {
        "test_acts_as_the_role": "passed",
        "test_reaches_what_is_named_and_no_database_there": "failed",
    }
    assert document["notes"] == []
    assert document["tests"][1]["reason"].startswith("A smoke test opens a connection of its own: 127.0.0.1")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("{timout: 3s}", "smoke.timout: unknown key; did you mean timeout?"),
        ("{timeout: 0s}", "smoke.timeout: a smoke test always has a limit"),
        ("{run_timeout: 5}", "smoke.run_timeout: '5' is not a duration"),
        ("{paths: tests}", "smoke.paths: a list is expected here"),
        ("{paths: [nowhere]}", "smoke.paths[0]: there is no file or folder"),
    ],
)
def test_what_erm_yaml_says_wrongly_is_told(section: str, words: str, tmp_path: Path) -> None:
    """With its key, and the nearest known one."""
    (tmp_path / "erm.yaml").write_text(f"database: {{url: postgresql:///x}}\nsmoke: {section}\n")
    done = run_erm("config", "check", cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr, done.stderr


UNHELD = """
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection, cursor as Cursor


@pytest.mark.erm_smoke(writes=True)
def test_wants_out(erm_smoke_connection):
    held = erm_smoke_connection.connection.dbapi_connection
    with Connection.cursor(held, cursor_factory=Cursor) as cursor:
        cursor.execute("DELETE FROM erm_smoke_guard; INSERT INTO t (n) VALUES (2); COMMIT")
"""


def test_what_gets_out_all_the_same_is_told(filled: Database, tmp_path: Path) -> None:
    """Python holds nobody who wants out; the server says so afterwards, and the run does not claim otherwise."""
    project = make_project(tmp_path, UNHELD)
    done = run_erm("smoke", cwd=project, env={"ERM_DATABASE_URL": filled.url, **ALONE})
    assert done.returncode == 1
    assert re.search(r"kept     The transaction \d+ of .*test_wants_out is not rolled back: committed", done.stdout)
    assert "Not all is known to be rolled back." in done.stdout
    assert filled.execute("SELECT count(*) FROM t") == [(2,)]


def test_a_password_is_masked_however_xml_spells_it(filled: Database, tmp_path: Path) -> None:
    """The report of pytest is the owner's own file, also where an older one stood, and where a link did."""
    password = "a&b<c\"d'e"
    address = re.sub(r"//\w*@", f"//postgres:{quote(password)}@", filled.url)
    assert quote(password) in address
    tests = (
        f"import pytest\n@pytest.mark.erm_smoke\ndef test_x():\n    print({password!r})\n    assert 0, {password!r}\n"
    )
    project = make_project(tmp_path, tests)
    report, elsewhere = project / "out.xml", project / "elsewhere"
    elsewhere.write_text("kept")
    report.symlink_to(elsewhere)
    run_smoke(project, filled, "--junit", "out.xml", code=1, ERM_DATABASE_URL=address)
    failure = ElementTree.parse(report).find(".//failure")
    assert failure is not None and "***" in failure.attrib["message"] and "***" in (failure.text or "")
    assert "b&lt;c" not in report.read_text()
    assert elsewhere.read_text() == "kept" and report.lstat().st_mode & 0o777 == 0o600


def test_a_place_where_the_report_cannot_be_kept_is_told_before_the_run(filled: Database, tmp_path: Path) -> None:
    """Nothing is run for a report that nobody gets."""
    ran = "from pathlib import Path\nPath('ran').touch()\n"
    project = make_project(tmp_path, ran)
    for place in (".", "nowhere/out.xml"):
        done = run_erm("smoke", "--junit", place, cwd=project, env={"ERM_DATABASE_URL": filled.url, **ALONE})
        assert done.returncode == 2 and "--junit" in done.stderr, done.stderr
    assert not (project / "ran").exists()


def test_a_run_of_nothing_is_no_success(filled: Database, tmp_path: Path) -> None:
    """Where nothing that matches is marked, but for what is skipped."""
    project = make_project(tmp_path, GOOD + "\n@smoke\n@pytest.mark.skip\ndef test_left_out(): ...\n")
    assert run_smoke(project, filled, "-k", "that_is_none or left_out", code=1)["outcome"] == "nothing-ran"


def test_what_is_asked_for_wrongly_is_told(filled: Database, tmp_path: Path) -> None:
    """A path, a replica, a duration and a mark that are not there end with 2, before anything is run."""
    project = make_project(tmp_path, "import pytest\n@pytest.mark.erm_smoke(write=True)\ndef test_x(): ...\n")
    env = {"ERM_DATABASE_URL": filled.url, **ALONE}
    for arguments, words in (
        (("nowhere.py",), "There is no file or folder"),
        (("--on", "east"), "There is no replica 'east'"),
        (("--timeout", "0s"), "--timeout: 0s is no limit"),
        ((), "did you mean writes?"),
    ):
        done = run_erm("smoke", *arguments, cwd=project, env=env)
        assert done.returncode == 2, done.stderr
        assert words in done.stderr


def test_a_module_that_cannot_be_imported_fails_the_run(filled: Database, tmp_path: Path) -> None:
    """So does one that asks the database while it is imported."""
    project = make_project(tmp_path, "import app\napp.count()\n")
    document = run_smoke(project, filled, code=1, VAULT_TOKEN="s.1")
    assert document["outcome"] == "failed"
    assert any("VAULT_TOKEN" in note for note in document["notes"])
    assert "while no smoke test runs" in document["problems"][0]


EXITING = """
import pytest

pytestmark = pytest.mark.erm_smoke


def test_before(erm_smoke_session): ...


def test_exits(erm_smoke_session):
    pytest.exit("enough", returncode=0)


def test_fails():
    raise AssertionError
"""


def test_a_session_that_a_test_has_ended_is_no_success(filled: Database, tmp_path: Path) -> None:
    """Whatever code pytest.exit() is given: the run says how many tests did not run, and why."""
    document = run_smoke(make_project(tmp_path, EXITING), filled, code=1)
    assert outcomes(document) == {"test_before": "passed"}
    assert document["outcome"] == "failed"
    assert document["problems"] == ["2 of the 3 tests that were collected were not run to the end: enough"]


def test_a_project_that_makes_errors_of_warnings_is_run(filled: Database, tmp_path: Path) -> None:
    """pytest warns that erm, which runs already, cannot be rewritten; as an installed plugin it asks for that."""
    project = make_project(tmp_path, "import pytest\n@pytest.mark.erm_smoke\ndef test_x(erm_smoke_session): ...\n")
    (project / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (project / "conftest.py").write_text("import pytest\npytest.register_assert_rewrite('erm_alembic')\n")
    assert outcomes(run_smoke(project, filled)) == {"test_x": "passed"}


def test_the_smoke_tests_of_the_sample_project_are_those_of_the_page(one_database: Database, tmp_path: Path) -> None:
    """They pass on a database that is deployed, which `erm history` shows; where nothing is deployed, that is said."""
    project = tmp_path / "shop"
    shutil.copytree(REPOSITORY / "examples" / "shop", project, ignore=shutil.ignore_patterns(".erm", "__pycache__"))
    env = {"ERM_DATABASE_URL": one_database.url, **ALONE}
    undeployed = run_smoke(project, one_database, code=1)
    assert undeployed["notes"] == [
        "No revision is recorded on this database, so that its tables may be missing. To deploy: erm migrate"
    ]
    assert run_erm("migrate", cwd=project, env=env).returncode == 0
    done = run_erm("smoke", "--env", "dev", cwd=project, env=env)
    assert done.returncode == 0, done.stdout
    assert "numbers that 1 test took from public.customers_id_seq stay taken" in done.stdout
    assert "Passed: 2 passed, in " in done.stdout
    assert one_database.execute("SELECT environment, outcome, passed, failed FROM erm.smoke") == [
        ("dev", "passed", 2, 0)
    ]
    assert one_database.execute("SELECT count(*) FROM orders") == [(0,)]
    history = run_erm("history", cwd=project, env=env)
    first = r"smoke 1  \S+ \S+ UTC  smoke tests passed  dev, \S+ \(postgres\)@.*\n  2 passed  \("
    assert re.match(first, history.stdout)
    assert "\n\nrun 1  " in history.stdout
    told = json.loads(run_erm("history", "--limit", "1", "--format", "json", cwd=project, env=env).stdout)
    assert [(each["outcome"], each["passed"]) for each in told["smoke"]] == [("passed", 2)]
    assert [run["mode"] for run in told["runs"]] == ["apply"]
    page = (REPOSITORY / "docs" / "smoke.md").read_text(encoding="utf-8")
    assert (project / "tests" / "smoke" / "test_orders.py").read_text(encoding="utf-8") in page


def test_every_other_run_leaves_smoke_tests_out(tmp_path: Path, pytester_free: Callable[..., str]) -> None:
    """And says how they are run."""
    told = pytester_free(tmp_path, "import pytest\n@pytest.mark.erm_smoke\ndef test_x(erm_smoke_session): ...\n")
    assert "run it with: erm smoke --env NAME" in told


@pytest.fixture
def pytester_free() -> Callable[..., str]:
    """Runs pytest on one file with the plugin, in a process of its own."""

    def run(folder: Path, tests: str) -> str:
        (folder / "test_x.py").write_text(tests)
        command = [sys.executable, "-m", "pytest", "-rs", "-p", "erm_alembic.testing", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, "--strict-markers", "test_x.py"],
            cwd=folder,
            env=erm_environment(ALONE),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run
