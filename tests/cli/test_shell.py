"""The shell around every command: errors, exit codes, options before and after the command, light start-up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from erm_alembic import __version__
from erm_alembic.cli import console
from erm_alembic.cli.completion import complete_revisions
from erm_alembic.cli.main import COMMANDS, Terminated
from erm_alembic.cli.options import complete_environments
from erm_alembic.config.redaction import register_secret
from erm_alembic.errors import ErmError, Interrupted, LockNotHad
from erm_alembic.render.schema import plan_schema
from erm_alembic.under_way import under_way
from tests.cli.pipeline import FakePipeline, erm, install
from tests.faults.deploying import Project

Capture = pytest.CaptureFixture[str]
REPOSITORY = Path(__file__).resolve().parents[2]


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), **env}
    return subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "typed",
    ["migrate --mode plan", "migrate", "status", "history", "repair", "check downgrades", "config show --env x"],
)
def test_an_error_is_an_object_where_json_is_awaited(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """With --format json an error before the result is one object on stdout, and its lines stand on stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ERM_DATABASE_URL", raising=False)
    (tmp_path / "erm.yaml").write_text("database: {nonsense: 1}\n", encoding="utf-8")
    code, out, err = erm(capsys, *typed.split(), "--format", "json")
    told = json.loads(out)
    assert (code, told["error"]["exit_code"], told["schema_version"]) == (2, 2, 1)
    assert err.splitlines()[0] == f"error:  {told['error']['what'].splitlines()[0]}"
    assert set(told["error"]) == {"what", "effect", "cure", "exit_code"}
    assert plan_schema()["anyOf"][1]["required"] == sorted(["error", "schema_version"])


@pytest.mark.parametrize("typed", ["migrate --format=json --bogus", "no-such --format json"])
def test_bad_usage_is_an_object_where_json_is_awaited(typed: str, capsys: Capture) -> None:
    """What the parser refuses before it has read --format is told as JSON all the same."""
    code, out, _ = erm(capsys, *typed.split())
    assert (code, json.loads(out)["error"]["exit_code"]) == (2, 2)


@pytest.mark.parametrize(
    ("typed", "what", "cure"),
    [
        (
            "migrate --mode aply",
            "Invalid value for '--mode': 'aply' is not one of 'plan', 'apply', 'rollback'.",
            "Did you mean `--mode apply`? See erm migrate --help",
        ),
        (
            "status --format jsn",
            "Invalid value for '--format': 'jsn' is not one of 'text', 'json'.",
            "Did you mean `--format json`? See erm status --help",
        ),
        ("migrate --moed plan", "erm migrate has no option --moed.", "Did you mean `--mode`? See erm migrate --help"),
        (
            "migrate --dry-run",
            "erm migrate has no option --dry-run.",
            "Did you mean `--mode plan`? See erm migrate --help",
        ),
        ("migrate --badopt", "erm migrate has no option --badopt.", "erm migrate --help lists the options."),
        ("new x --format text", "erm new has no option --format.", "erm new --help lists the options."),
        (
            "drift --source database,models",
            "Invalid value for '--source': 'database,models' is not one of 'history', 'database', 'models'.",
            "Repeat the option: `--source database --source models`. See erm drift --help",
        ),
        ("migrate --to", "--to needs a value.", "Type one after it; see erm migrate --help"),
        (
            "--env prod status",
            "erm has no option --env.",
            "Options stand after the command, as in: erm status --env prod. See erm --help",
        ),
        ("migrate plan", "plan stands alone.", "Did you mean `--mode plan`? See erm migrate --help"),
        ("status prod", "prod stands alone.", "A profile is chosen by --env NAME. See erm status --help"),
        ("new add reviews", "reviews stands alone.", "Words that belong together stand in quotes. See erm new --help"),
        (
            "history restore",
            "erm history restore: REV is missing.",
            "erm history restore REV; see erm history restore --help",
        ),
        (
            "migrate --mode rollback --steps two",
            "--steps takes a whole number.",
            "Write it as in: --steps 2; see erm migrate --help",
        ),
        ("history --limit 1.5", "--limit takes a whole number.", "Write it as in: --limit 2; see erm history --help"),
        (
            "config",
            "erm config: which command?",
            "`erm config show`, `erm config sources`, `erm config check`, `erm config schema`; see erm config --help",
        ),
    ],
)
def test_what_was_probably_meant_is_said(typed: str, what: str, cure: str, capsys: Capture) -> None:
    """A mistyped value, a mistyped option and a missing command are three lines in one style."""
    expected = f"error:  {what}\neffect: Nothing was done.\ncure:   {cure}\n"
    assert erm(capsys, *typed.split()) == (2, "", expected)


def test_no_help_cuts_a_description_off(capsys: Capture) -> None:
    """The line of each subcommand is whole."""
    for group in ("history", "config", "dev", "check"):
        _, out, _ = erm(capsys, group, "--help")
        listed = out.partition("Commands:")[2].partition("Examples")[0]
        assert listed.strip() and "..." not in listed, out


def test_an_error_says_what_effect_and_cure(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """An error of erm is three lines on stderr, with the exit code of its class, and no traceback."""
    error = LockNotHad("Another deployer holds the lock.", effect="Nothing was changed.", cure="Wait:\n--wait 5m")
    install(monkeypatch, FakePipeline(raises=error))
    assert erm(capsys, "migrate") == (
        1,
        "",
        "[1/2] Applying a1b2c3  add orders\n"
        "      a1b2c3 done  (40 ms, 2 statements)\n"
        "[2/2] Applying d4e5f6  index orders\n"
        "      d4e5f6 done  (1.2 s, 1 statement)\n"
        "error:  Another deployer holds the lock.\n"
        "effect: Nothing was changed.\n"
        "cure:   Wait:\n"
        "        --wait 5m\n",
    )


def test_an_unexpected_exception_is_called_a_defect(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """What erm did not expect is called its defect, without a traceback and without the secret in it."""
    register_secret("swordfish-9")
    install(monkeypatch, FakePipeline(raises=RuntimeError("boom swordfish-9")))
    code, out, err = erm(capsys, "migrate", "--mode", "plan")
    assert (code, out) == (1, "")
    assert err == (
        "error:  This is a defect in erm: RuntimeError: boom ***\n"
        "effect: The command stopped where it was; `erm status` shows what the database has.\n"
        "cure:   Run the command again with -v and report its output.\n"
    )


@pytest.mark.parametrize("arguments", [["-v", "migrate", "--mode", "plan"], ["migrate", "--mode", "plan", "-v"]])
@pytest.mark.parametrize("kind", [RuntimeError, ErmError])
def test_verbose_adds_the_traceback_without_secrets(
    arguments: list[str], kind: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """-v before or after the command adds the traceback; a password in the exception is masked."""
    register_secret("swordfish-9")
    install(monkeypatch, FakePipeline(raises=kind("boom swordfish-9")))
    _, _, err = erm(capsys, *arguments)
    assert err.startswith("Traceback (most recent call last):\n")
    assert "swordfish-9" not in err


@pytest.mark.parametrize("arguments", [["--config", "c.yaml", "status"], ["status", "--config", "c.yaml"]])
def test_config_before_and_after_the_command(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """--config means the same before the command and after it."""
    pipeline = install(monkeypatch, FakePipeline(raises=ErmError("stop")))
    erm(capsys, *arguments)
    ((called, _, given),) = pipeline.calls
    assert (called, given["config"]) == ("status", Path("c.yaml"))


def test_the_nearer_config_wins(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """When --config stands on both sides, the one after the command counts."""
    pipeline = install(monkeypatch, FakePipeline())
    erm(capsys, "--config", "far.yaml", "history", "--config", "near.yaml")
    assert pipeline.calls[0][2]["config"] == Path("near.yaml")


@pytest.mark.parametrize(
    ("raised", "code", "what"),
    [
        (KeyboardInterrupt(), 130, "error:  Interrupted by SIGINT."),
        (Terminated(), 143, "error:  Interrupted by SIGTERM."),
        (Interrupted("Stopped at a1.", signal_number=15), 143, "error:  Stopped at a1."),
        (typer.Abort(), 1, "Stopped: nothing was done."),
    ],
)
def test_signals_have_their_exit_codes(
    raised: BaseException, code: int, what: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Ctrl-C exits 130 and SIGTERM 143; a prompt answered with no exits 1."""
    install(monkeypatch, FakePipeline(raises=raised))
    got, _, err = erm(capsys, "migrate", "--mode", "plan")
    assert (got, err.splitlines()[0]) == (code, what)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_real_signal_reaches_the_command(number: int, code: int) -> None:
    """A signal sent to the process while a command runs ends it with the signal's exit code and words."""
    done = python(
        "import os, erm_alembic.cli.status as status\n"
        "from erm_alembic.cli.main import run\n"
        "from erm_alembic.cli import console\n"
        "class Reserved:\n"
        "    def __enter__(self):\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        while True: pass\n"
        "    def __exit__(self, *args): return None\n"
        "console.stdout_reserved = Reserved\n"
        "import sys, types\n"
        "sys.modules['erm_alembic.inspection'] = types.ModuleType('erm_alembic.inspection')\n"
        "import erm_alembic; erm_alembic.inspection = sys.modules['erm_alembic.inspection']\n"
        "run(['status'])\n"
    )
    assert done.returncode == code
    assert f"Interrupted by {signal.Signals(number).name}." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_who_hangs_up_is_no_error() -> None:
    """Output into a pipe that nobody reads any more ends without a word on stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "erm_alembic.cli.main", "--help"],
            stdout=writer,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stderr == b""


def test_version_and_help_need_no_command(capsys: Capture) -> None:
    """`erm --version` prints the version; `erm` alone prints the help and every command of the table."""
    assert erm(capsys, "--version") == (0, f"erm {__version__}\n", "")
    code, out, _ = erm(capsys)
    assert code == 0
    assert all(f"  {command.name}" in out and command.summary in out for command in COMMANDS)


def test_an_unknown_command_is_a_usage_error(capsys: Capture) -> None:
    """A command that is near to none exits 2 and points to the help, a mistyped one to the one that was meant."""
    code, out, err = erm(capsys, "frobnicate")
    assert (code, out) == (2, "")
    assert err.startswith("error:  No such command 'frobnicate'.")
    assert err.endswith("cure:   erm --help\n")
    code, out, err = erm(capsys, "migrat")
    assert (code, out) == (2, "")
    assert err.endswith("cure:   Did you mean `erm migrate`?\n")


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_of_the_table_loads(command: str, capsys: Capture) -> None:
    """Each command of the table has a module with that command in it."""
    code, out, _ = erm(capsys, command, "--help")
    assert code == 0
    assert out.startswith(f"Usage: erm {command} ")


@pytest.mark.parametrize("command", ["migrate", "status", "history"])
def test_start_up_is_light(command: str) -> None:
    """The help of a command imports none of the heavy libraries."""
    done = python(
        "import sys\n"
        "from erm_alembic.cli.main import run\n"
        "try:\n"
        f"    run(['{command}', '--help'])\n"
        "except SystemExit as stopped:\n"
        "    assert stopped.code == 0\n"
        "print(sorted({'sqlalchemy', 'alembic', 'rich', 'psycopg2'} & set(sys.modules)), file=sys.stderr)\n"
    )
    assert done.stderr == "[]\n"


def test_an_encoding_without_the_character_is_no_crash() -> None:
    """On a stream that has only ASCII, other characters are written as escapes."""
    done = python(
        "from erm_alembic.cli import console\nconsole.prepare_streams()\nconsole.write('caf\\u00e9\\n')",
        PYTHONIOENCODING="ascii",
    )
    assert (done.returncode, done.stdout) == (0, "caf\\xe9\n")


def test_completion_offers_the_declared_profiles(tmp_path: Path) -> None:
    """--env completes the profiles of the file that --config names, and nothing when it is broken."""
    good, broken = tmp_path / "good.yaml", tmp_path / "broken.yaml"
    good.write_text("database: {environments: {prod: {}, preview: {}, dev: {}}}")
    broken.write_text("database: [")
    assert complete_environments(_context(good), "pr") == ["preview", "prod"]
    assert complete_environments(_context(broken), "") == []
    assert complete_environments(_context(tmp_path / "absent.yaml"), "") == []


def test_completion_offers_the_revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--to completes the ids in the revision files, each with its message; nothing is imported, and nothing said."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "erm.yaml"
    config.write_text("migrations: {directory: migrations}")
    assert complete_revisions(_context(config), "") == []
    project = Project(tmp_path, url="postgresql://db.example/none")
    project.table("a1", "first")
    project.revision("b2", "raise SystemExit", down="a1")
    project.revision("a2\x1b[2J", "pass", down="b2", name="odd")
    (project.versions / "broken.py").write_text("revision = 'a3'\nimport nothing_of_the_kind\ndef upgrade(:\n")
    assert complete_revisions(_context(config), "a") == [("a1", "make a1")]
    assert complete_revisions(_context(config), "") == [("a1", "make a1"), ("b2", "make b2")]
    config.write_text("migrations: [")
    assert complete_revisions(_context(config), "") == []


@pytest.mark.parametrize(("terminal", "heard"), [(False, ["Replaying 3 revisions in a shadow ..."]), (True, None)])
def test_a_log_is_told_once_that_work_is_under_way(
    terminal: bool, heard: list[str] | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what takes longer than a second; a terminal is told all of it."""
    words = ["reading the revisions", "replaying 3 revisions in a shadow", "rehearsing 1 revision in a shadow"]
    monkeypatch.setattr(console, "wants_bar", lambda stream: terminal)
    with console.tell_under_way():
        under_way(words[0], brief=True)
        for each in (words[1], words[1], words[2]):
            under_way(each)
    assert capsys.readouterr().err.splitlines() == (heard or [f"{each.capitalize()} ..." for each in words])


def _context(config: Path) -> typer.Context:
    context = typer.Context(typer.main.get_command(_plain_app()))
    context.params = {"config": config}
    return context


def _plain_app() -> typer.Typer:
    app = typer.Typer()
    app.command()(lambda: None)
    return app
