"""What a runner of GitHub does with a composite action, and one of GitLab with a job: its scripts, run by bash."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.cli import REPOSITORY, erm_environment
from tests.support.secrecy import shown_in

ACTION = REPOSITORY / "action.yml"
GITLAB = REPOSITORY / "gitlab" / "erm.gitlab-ci.yml"
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(&&|\|\||==|!=|!|\(|\))|([\w.-]+))")
OPERATORS = {"&&": " and ", "||": " or ", "==": "==", "!=": "!=", "!": " not ", "(": "(", ")": ")"}


def programs(folder: Path, erm: str | None = None) -> Path:
    """A folder for PATH with the `erm` that is tested, or another one, and its `python3`."""
    folder.mkdir(exist_ok=True)
    texts = {
        "erm": erm or f'#!/bin/sh\nexec "{sys.executable}" -m erm_alembic "$@"\n',
        "python3": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n',
    }
    for name, text in texts.items():
        program = folder / name
        program.write_text(text)
        program.chmod(0o755)
    return folder


@dataclass(frozen=True)
class Call:
    """How erm was called: its words, the database that it would have reached, and the token that it was given."""

    words: list[str]
    address: str
    token: str


@dataclass
class Calls:
    """An erm that does nothing but note how it is called.

    Args:
        folder: a folder of its own.
        answers: its exit code, by how its words begin; 0 for all others.
    """

    folder: Path
    answers: dict[str, int] = field(default_factory=dict)

    def program(self) -> str:
        """Its text."""
        cases = "".join(f"'{words}'*) exit {code};; " for words, code in self.answers.items())
        told = '"$ERM_DATABASE_URL" "${GITHUB_TOKEN:-$GITLAB_TOKEN}" "$@"'
        return f"#!/bin/sh\n(printf '%s\\0' {told}; printf '\\1') >> '{self._log}'\ncase \"$*\" in {cases}*) ;; esac\n"

    @property
    def _log(self) -> Path:
        return self.folder / "calls"

    @property
    def made(self) -> list[Call]:
        """The calls, in their order."""
        texts = self._log.read_text().split("\1")[:-1] if self._log.exists() else []
        parts = [text.split("\0")[:-1] for text in texts]
        return [Call(words, address, token) for address, token, *words in parts]

    @property
    def words(self) -> list[list[str]]:
        """The words of the calls."""
        return [call.words for call in self.made]

    def forget(self) -> None:
        """Begin anew."""
        self._log.unlink()


def bash(script: str, cwd: Path, environ: Mapping[str, str | None]) -> subprocess.CompletedProcess[str]:
    """Run a script as both runners do: it ends at the first command that fails."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=cwd, env=erm_environment(environ), capture_output=True, text=True, check=False, timeout=120
    )
    assert not shown_in(done.stdout + done.stderr), "a secret in the log of the job"
    return done


@dataclass
class Job:
    """How a job ended.

    Args:
        failed: the step that failed; None where none did.
        outputs: of the action.
        summary: what was written to the summary of its steps.
        log: what its steps printed.
    """

    failed: str | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    log: str = ""


class Runner:
    """Runs this repository's action.

    Args:
        folder: a folder of its own.
        workspace: where the repository is checked out.
        upload: takes what actions/upload-artifact is given: a name and a folder.
        download: fills a folder with what was kept under a name, as actions/download-artifact does.
        program: the text of another `erm`.
    """

    def __init__(
        self,
        folder: Path,
        workspace: Path,
        upload: Callable[[str, Path], None],
        program: str | None = None,
        download: Callable[[str, Path], None] = lambda name, folder: None,
    ) -> None:
        self.folder, self.workspace, self.program = folder, workspace, program
        self.artifacts = {"upload": upload, "download": download}
        self.action: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))

    def run(self, environ: Mapping[str, str | None], **inputs: str) -> Job:
        """Run the action.

        Args:
            environ: the variables of the job.
            inputs: what is given `with` it, `_` for `-`.
        """
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert set(given) <= set(self.action["inputs"])
        declared = {name: str(each.get("default", "")) for name, each in self.action["inputs"].items()}
        contexts: dict[str, Any] = {"inputs": {**declared, **given}, "steps": {}}
        contexts["github"] = {"token": environ.get("GITHUB_TOKEN") or ""}
        contexts["inputs"] = {name: self._filled(value, contexts) for name, value in contexts["inputs"].items()}
        job, failed = Job(), None
        for number, step in enumerate(self.action["runs"]["steps"]):
            if failed is not None or not self._truth(step.get("if", "true"), contexts):
                continue
            outputs, passed = self._step(number, step, environ, contexts, job)
            if "id" in step:
                contexts["steps"][step["id"]] = {"outputs": outputs}
            failed = None if passed else step["name"]
        job.failed = failed
        job.outputs = {name: self._filled(each["value"], contexts) for name, each in self.action["outputs"].items()}
        return job

    def _step(
        self, number: int, step: Mapping[str, Any], environ: Mapping[str, str | None], contexts: Any, job: Job
    ) -> tuple[dict[str, str], bool]:
        if "uses" in step:
            known = re.match("actions/(upload|download)-artifact@v", step["uses"])
            assert known, step["uses"]
            given = {name: self._filled(str(value), contexts) for name, value in step["with"].items()}
            self.artifacts[known[1]](given["name"], self.workspace / given["path"])
            return {}, True
        files = {name: self.folder / f"{name.lower()}-{number}" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        own = {name: self._filled(str(value), contexts) for name, value in step.get("env", {}).items()}
        # A token is only in a step that names it, as on GitHub.
        variables = {**environ, "GITHUB_TOKEN": None, "GITHUB_ACTION_PATH": str(REPOSITORY), **own}
        variables |= {name: str(path) for name, path in files.items()}
        variables["PATH"] = f"{programs(self.folder / 'bin', self.program)}{os.pathsep}{os.environ['PATH']}"
        assert step["shell"] == "bash"
        assert not EXPRESSION.search(step["run"])
        done = bash(step["run"], self.workspace / self._filled(step.get("working-directory", "."), contexts), variables)
        job.log += done.stdout + done.stderr
        job.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        return outputs, done.returncode == 0

    def _filled(self, text: str, contexts: Mapping[str, Any]) -> str:
        return EXPRESSION.sub(lambda match: str(self._value(match[1], contexts)), text)

    def _truth(self, expression: str, contexts: Mapping[str, Any]) -> bool:
        return bool(self._value(str(expression), contexts))

    def _value(self, expression: str, contexts: Mapping[str, Any]) -> Any:
        """What an expression says: strings, comparisons, and, or, not, and paths into the contexts."""
        written, place, expression = "", 0, expression.strip()
        while place < len(expression):
            token = TOKEN.match(expression, place)
            assert token, expression
            place = token.end()
            if token[1]:
                written += repr(token[1][1:-1].replace("''", "'"))
            else:
                written += OPERATORS[token[2]] if token[2] else repr(_looked_up(token[3], contexts))
        return eval(written, {"__builtins__": {}})


def _looked_up(path: str, contexts: Mapping[str, Any]) -> Any:
    if path in ("true", "false"):
        return path == "true"
    found: Any = contexts
    for part in path.split("."):
        found = found.get(part, {}) if isinstance(found, Mapping) else {}
    return "" if found == {} else found


def gitlab_job(
    name: str, folder: Path, workspace: Path, environ: Mapping[str, str | None], program: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the script of a job of the include.

    Args:
        name: the job.
        folder: a folder of its own.
        workspace: where the repository is checked out.
        environ: the variables of the job.
        program: the text of another `erm`.
    """
    document = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))
    job = {**document[".erm"], **document[name]}
    declared = {key: each["value"] for key, each in document["variables"].items()}
    variables = {**declared, **{key: str(each) for key, each in job.get("variables", {}).items()}, **environ}
    variables["PATH"] = f"{programs(folder / 'bin', program)}{os.pathsep}{os.environ['PATH']}"
    variables["ERM_CI_VERSION"] = "installed"
    return bash("\n".join([*job["before_script"], *job["script"]]), workspace, variables)
