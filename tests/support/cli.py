"""The command line as a user runs it: another process, its own streams, its exit code."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.forking import start
from tests.support.secrecy import shown_in, without_secrets

REPOSITORY = Path(__file__).resolve().parents[2]
ANY_VERBOSE = {"-v", "-vv", "--verbose"}


def erm_environment(env: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The environment of a subprocess that imports the package under test; None removes a variable."""
    paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    environ = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "200"}
    for name, value in (env or {}).items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value
    return environ


def run_erm(
    *args: str | Path,
    cwd: Path,
    env: Mapping[str, str | None] | None = None,
    input: str | None = None,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run `erm` with arguments in a folder, and hold what must be true of every run.

    Args:
        args: the arguments after `erm`.
        cwd: working directory.
        env: variables added to this process's environment; None removes one.
        input: text for its standard input; without it the standard input is empty (and no terminal).
        timeout: seconds until it is killed and the test fails.

    Never a traceback on stderr (unless `-v` asked for it), never an issued secret on either stream.
    """
    process = start("erm_alembic", *args, cwd=cwd, environ=erm_environment(env), input=input or "")
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode is not None
    done = subprocess.CompletedProcess(["erm", *map(str, args)], process.returncode, out, err)
    for stream, text in (("stdout", done.stdout), ("stderr", done.stderr)):
        assert not shown_in(text), f"a secret on {stream}:\n{without_secrets(text)}"
    if not ANY_VERBOSE & set(map(str, args)):
        assert "Traceback (most recent call last)" not in done.stderr, without_secrets(done.stderr)
    return done
