"""What a command may do: everything but hold up a run, take its stdout, or leave a secret behind."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.config.redaction import register_secret
from erm_alembic.hooks import process
from erm_alembic.hooks.output import KEPT_BYTES, SHOWN_BYTES, Output
from erm_alembic.hooks.process import Ended, run_command
from tests.faults.deploying import Project, tables, until
from tests.hooks.conftest import Hooked


def run(
    folder: Path,
    *words: str,
    timeout: float | None = 30,
    stdin: bytes = b"{}",
    signalled: Callable[[], bool] = lambda: False,
) -> tuple[Ended, list[str], str]:
    """Run a command: its ending, the lines that were shown, the text that is kept."""
    shown: list[str] = []
    output = Output(shown.append)
    ended = run_command(
        words, cwd=folder, environ=os.environ, stdin=stdin, timeout=timeout, output=output, signalled=signalled
    )
    return ended, shown, output.kept()


def python(folder: Path, body: str, **kw: Any) -> tuple[Ended, list[str], str]:
    """Run a Python program."""
    return run(folder, sys.executable, "-c", body, **kw)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody waited for has too."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


on_linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")


def test_a_command_that_floods_is_cut_and_its_end_is_kept(tmp_path: Path) -> None:
    """Megabytes of output: the first 256 kB are shown, the last 64 kB are kept, whole lines of them."""
    ended, shown, kept = python(tmp_path, "for n in range(150_000): print('line', n)")
    assert ended == Ended("done", 0)
    assert shown[:2] == ["line 0", "line 1"]
    assert shown[-1] == "... more than 256 kB; the ledger keeps the end of it"
    assert abs(sum(len(line) + 1 for line in shown[:-1]) - SHOWN_BYTES) < 128 * 1024
    assert kept.endswith("line 149998\nline 149999\n")
    assert KEPT_BYTES - 100 < len(kept) <= KEPT_BYTES


def test_a_command_that_reads_nothing_is_fine(tmp_path: Path) -> None:
    """It closes stdin, or ends while megabytes wait for it: no error of erm's."""
    megabytes = b"x" * 4_000_000
    assert run(tmp_path, "true", stdin=megabytes)[0] == Ended("done", 0)
    ended, _, kept = python(tmp_path, "import os; os.close(0); print('done')", stdin=megabytes)
    assert (ended, kept) == (Ended("done", 0), "done\n")


def test_a_command_that_reads_everything_gets_everything(tmp_path: Path) -> None:
    """Megabytes of a plan come through whole while as much is written back."""
    body = "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data); print(); print(len(data))"
    ended, _, kept = python(tmp_path, body, stdin=b"y" * 4_000_000)
    assert (ended, kept[-9:]) == (Ended("done", 0), "\n4000000\n")


@on_linux
def test_a_process_left_behind_does_not_hold_up_the_run(tmp_path: Path) -> None:
    """A command is over when it exits itself, although what it started keeps its output open."""
    body = "import subprocess as s; p = s.Popen(['sleep', '600']); print(p.pid)"
    begun = time.monotonic()
    ended, _, kept = python(tmp_path, body)
    os.kill(int(kept), signal.SIGKILL)
    assert ended == Ended("done", 0)
    assert time.monotonic() - begun < 60


def test_a_command_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    """The end of its output is not the end of it."""
    body = "import os, sys, time; os.close(1); os.close(2); time.sleep(0.3); sys.exit(5)"
    assert python(tmp_path, body)[0] == Ended("failed", 5)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file or directory"),
        (lambda path: path.write_text("#!/bin/sh\n"), "permission denied"),
        (lambda path: (path.write_text("echo no shebang\n"), path.chmod(0o755)), "exec format error"),
        (lambda path: (path.write_text("#!/nowhere/sh\n"), path.chmod(0o755)), "no such file or directory"),
    ],
)
def test_a_program_that_cannot_be_started(make: Callable[[Path], Any], reason: str, tmp_path: Path) -> None:
    """Missing, not executable, no program at all, or without its interpreter: the system's own words."""
    make(tmp_path / "hook")
    assert run(tmp_path, "./hook")[0] == Ended("not started", reason=reason)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """NUL, control characters and bytes that are not UTF-8 are kept as text that a database can hold."""
    body = r"import sys; sys.stdout.buffer.write(b'a\x00b\xff\xfe\x1b[31mc\r\nlast')"
    ended, shown, kept = python(tmp_path, body)
    assert ended.outcome == "done"
    assert kept == "ab\ufffd\ufffd\x1b[31mc\r\nlast"
    assert shown == ["a\x00b\ufffd\ufffd\x1b[31mc", "last"]


def test_a_character_in_two_pieces(tmp_path: Path) -> None:
    """What comes in the middle of a character is put together again."""
    body = (
        "import sys, time; o = sys.stdout.buffer\no.write(b'\\xc3'); o.flush(); time.sleep(0.2); o.write(b'\\xa9\\n')"
    )
    assert python(tmp_path, body)[1:] == (["é"], "é\n")


def test_a_progress_bar_is_shown_by_its_last_state(tmp_path: Path) -> None:
    """A line that is written over and over is one line."""
    assert python(tmp_path, "print('10%', end='\\r'); print('90%', end='\\r'); print('100%')")[1] == ["100%"]


def test_a_line_without_an_end_is_not_gathered_for_ever(tmp_path: Path) -> None:
    """A very long line is named instead of shown, so that a secret in it is never shown in part."""
    ended, shown, kept = python(tmp_path, "print('z' * 100_000); print('after')")
    assert (ended.outcome, shown) == ("done", ["(a line of more than 8 kB)", "after"])
    assert kept.endswith("zzz\nafter\n")


def test_secrets_are_masked_in_what_is_shown_and_in_what_is_kept(secret: str, tmp_path: Path) -> None:
    """A password that erm knows is masked, also where the kept text begins in the middle of one."""
    register_secret(secret)
    (tmp_path / "said").write_text(f"{secret}\n" + f"{secret} " * 9_000 + f"\nurl postgresql://u:{secret}@h/d\n")
    ended, shown, kept = run(tmp_path, "cat", "said")
    assert ended.outcome == "done"
    assert shown == ["***", "(a line of more than 8 kB)", "url postgresql://u:***@h/d"]
    for start in range(4, len(secret)):
        assert secret[-start:] not in kept
        assert secret[:start] not in kept
    assert kept.endswith("***@h/d\n")


@on_linux
@pytest.mark.parametrize("how", ["timeout", "signal"])
@pytest.mark.parametrize("obeys", [True, False])
def test_the_whole_group_is_ended(how: str, obeys: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its time, or on a signal to erm, the command and its children get SIGTERM, and SIGKILL when they stay."""
    if not obeys:
        monkeypatch.setattr(process, "GRACE", 0.2)
    ignore = "" if obeys else "import signal; signal.signal(15, signal.SIG_IGN);"
    child = f"{ignore} import time; print('child', flush=True); time.sleep(600)"
    body = (
        f"import os, subprocess as s, sys, time\n{ignore}\n"
        f"p = s.Popen([sys.executable, '-c', {child!r}], stdout=s.PIPE); p.stdout.readline()\n"
        "open('pids', 'w').write(f'{os.getpid()} {p.pid}')\ntime.sleep(600)"
    )
    written = tmp_path / "pids"
    ready: Callable[[], bool] = lambda: written.exists() and len(written.read_text().split()) == 2  # noqa: E731
    kw: dict[str, Any] = {"signalled": ready} if how == "signal" else {"timeout": 1.5}
    ended, _, _ = python(tmp_path, body, **kw)
    assert ended.outcome == ("interrupted" if how == "signal" else "timed out")
    assert ended.exit_status == (-15 if obeys else -9)
    pids = [int(pid) for pid in written.read_text().split()]
    until(lambda: all(gone(pid) for pid in pids))


def test_an_objection_names_how_the_command_ended(hooked: Hooked, one_database: Any) -> None:
    """A program that is missing, one past its time, one that a signal ended: each in words, none changes anything."""
    for command, said in (
        ("./nowhere.sh", "hook before_run: `./nowhere.sh` cannot be started: no such file or directory"),
        ("sleep 600", "hook before_run: `sleep 600` took longer than hooks.timeout and was ended"),
        ("sh -c 'kill -9 $$'", "hook before_run: `sh -c 'kill -9 $$'` was ended by SIGKILL"),
    ):
        hooked.hooks(before_run=command, timeout="300ms" if command.startswith("sleep") else "60s")
        done = hooked.project.apply("--format", "json")
        outcome = json.loads(done.stdout)["outcome"]
        assert (done.returncode, outcome["error"]) == (1, said)
    assert tables(one_database) <= {"alembic_version"}


def test_a_signal_ends_the_command_and_the_run_is_interrupted(hooked: Hooked, one_database: Any) -> None:
    """SIGTERM while a before_revision hook runs: nothing of it stays, and on_failure and after_run are told."""
    hooked.hooks(
        before_revision="sh -c 'touch started; exec sleep 600'",
        on_failure="sh -c 'cat > on_failure.json'",
        after_run="sh -c 'cat > after_run.json'",
    )
    with hooked.project.deploying() as deployer:
        until((hooked.root / "started").exists)
        deployer.signal(signal.SIGTERM)
        code, out, _ = deployer.ended()
    assert (code, "Interrupted" in out) == (143, True), out
    assert tables(one_database) <= {"alembic_version"}
    for event in ("on_failure", "after_run"):
        outcome = json.loads((hooked.root / f"{event}.json").read_text())["outcome"]
        assert (outcome["result"], outcome["signal_number"]) == ("interrupted", 15)
    assert [row[:3] for row in hooked.kept()] == [
        ("before_revision", "interrupted", -15),
        ("on_failure", "done", 0),
        ("after_run", "done", 0),
    ]
    assert hooked.project.runs()[-1]["outcome"] == "interrupted"


def test_another_signal_ends_the_hooks_of_a_failed_run_too(hooked: Hooked) -> None:
    """Whoever presses Ctrl-C while on_failure hangs is not kept waiting by it, nor by what would come after it."""
    hooked.project.revision("d4", "op.execute('SELECT 1 / 0')", down="c3")
    hooked.hooks(
        on_failure=["sh -c 'touch started; exec sleep 600'", "touch second"], after_run="touch third", timeout="10m"
    )
    with hooked.project.deploying() as deployer:
        until((hooked.root / "started").exists)
        deployer.signal(signal.SIGINT)
        code, out, err = deployer.ended()
    assert (code, "division by zero" in out) == (1, True), out
    assert "was ended by a signal to erm" in err
    assert not (hooked.root / "second").exists()
    assert not (hooked.root / "third").exists()


def test_stdout_stays_one_json_object_and_no_secret_is_shown_or_kept(
    hooked: Hooked, one_database: Any, secret: str
) -> None:
    """What hooks print goes to stderr and to the ledger, with the password of the address masked in both."""
    role = f"r_{one_database.name}"
    one_database.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{secret}'")
    try:
        url = one_database.url.replace("postgres@", f"{role}:{secret}@")
        assert secret in url
        (hooked.root / "said").write_text(f"it is {secret}\n\x00\x1b[2J\n")
        hooked.hooks(before_run="cat said", after_run="env")
        hooked.project.url = url
        done = hooked.project.apply("--format", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["outcome"]["result"] == "done"
        assert "  before_run | it is ***\n" in done.stderr
        assert "  before_run | \\x00\\x1b[2J\n" in done.stderr
        (before, after) = hooked.kept()
        assert before[3] == "it is ***\n\x1b[2J\n"
        assert "ERM_HOOK=after_run" in after[3]
        assert "ERM_DATABASE_URL" not in after[3]
        rows = one_database.execute("SELECT string_agg(h::text, '') FROM erm.hook h")
        assert secret not in rows[0][0]
    finally:
        hooked.project.url = one_database.url
        one_database.execute(f"DROP OWNED BY {role} CASCADE")
        one_database.execute(f"DROP ROLE {role}")


def test_hooks_without_a_file_do_not_exist(one_database: Any, tmp_path: Path) -> None:
    """A project without erm.yaml is deployed as before, with an empty table of hooks."""
    project = Project(tmp_path, one_database)
    project.table("a1", "first")
    assert project.apply().returncode == 0
    assert one_database.execute("SELECT count(*) FROM erm.hook") == [(0,)]
