"""A check run on GitHub: the verdict on a commit, with the findings on their lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from erm_alembic.errors import UsageError
from erm_alembic.findings import Finding, Severity
from erm_alembic.forge.ci import Run
from erm_alembic.forge.comments import fitting
from erm_alembic.forge.github import refusals
from erm_alembic.forge.http import Api
from erm_alembic.render.places import Places
from erm_alembic.render.safe import clip, one_line

__all__ = ["MOST_AT_ONCE", "Annotation", "Verdict", "annotated", "put_check_run"]

# What the API takes in one request; further ones are added by changing the check run.
MOST_AT_ONCE = 50
LONGEST_SUMMARY = 65_535
LONGEST_MESSAGE = 16_000  # characters, of the 64 KB that a message may have
LONGEST_TITLE = 255
LEVELS: dict[Severity, Literal["failure", "warning", "notice"]] = {
    "error": "failure",
    "warning": "warning",
    "info": "notice",
}


@dataclass(frozen=True)
class Annotation:
    """What is said of a line.

    Args:
        path: the file, from the repository's root on.
        line: the line, counted from 1.
        level: how bad it is.
        title: what it is, in a word.
        message: what is said.
    """

    path: str
    line: int
    level: Literal["failure", "warning", "notice"]
    title: str
    message: str

    def document(self) -> dict[str, Any]:
        """Its JSON for the API."""
        return {
            "path": self.path,
            "start_line": self.line,
            "end_line": self.line,
            "annotation_level": self.level,
            "title": clip(one_line(self.title), LONGEST_TITLE),
            "message": clip(self.message, LONGEST_MESSAGE),
        }


@dataclass(frozen=True)
class Verdict:
    """What a check run says of a commit.

    Args:
        passed: whether nothing objects.
        title: in a line.
        summary: in Markdown.
        annotations: what is said of lines.
    """

    passed: bool
    title: str
    summary: str
    annotations: tuple[Annotation, ...] = ()

    def output(self, annotations: Sequence[Annotation]) -> dict[str, Any]:
        """The JSON of the API for it, with some of its annotations."""
        return {
            "title": clip(one_line(self.title), LONGEST_TITLE),
            "summary": fitting(self.summary, LONGEST_SUMMARY),
            "annotations": [each.document() for each in annotations],
        }


def annotated(findings: Sequence[Finding], places: Places) -> Iterator[Annotation]:
    """What findings say of lines of the repository; one that is about no file is left to the summary.

    Args:
        findings: what the checks say.
        places: where files stand in the repository.

    Example:
        >>> [each.path for each in annotated((Finding("r", "error", "m", path="a.py"), Finding("s", "info", "n")),
        ...                                    Places())]
        ['a.py']
    """
    for finding in findings:
        path = None if finding.path is None else places.told(finding.path)
        if path is None or path.startswith(("/", "../")):
            continue
        said = finding.message if not finding.help else f"{finding.message}\n{finding.help}"
        yield Annotation(path, finding.line or 1, LEVELS[finding.severity], finding.rule, said)


def put_check_run(run: Run, api: Api, name: str, verdict: Verdict) -> str:
    """Write a check run; where people see it. One of the same name and commit is replaced by it on the page.

    Args:
        run: what the pipeline runs for.
        api: the API of GitHub.
        name: what the check is called.
        verdict: what it says.

    Raises:
        UsageError: no commit is known, or the platform has no check runs.
        ForgeError: GitHub refuses, or cannot be reached.
    """
    if run.provider != "github":
        raise UsageError(
            "GitLab has no check runs.",
            effect="Nothing was sent.",
            cure="Give it the report instead: --format gitlab, as the artifact codequality.",
        )
    if not run.sha:
        raise UsageError(
            "Which commit is meant is not known.",
            effect="Nothing was sent.",
            cure='Say it: --sha "$(git rev-parse HEAD)"',
        )
    told = verdict.annotations
    first, *further = [told[at : at + MOST_AT_ONCE] for at in range(0, max(len(told), 1), MOST_AT_ONCE)]
    body = {
        "name": name,
        "head_sha": run.sha,
        "status": "completed",
        "conclusion": "success" if verdict.passed else "failure",
        "output": verdict.output(first),
    }
    with refusals(run, "checks: write"):
        # A second one, where the first one was written all the same, takes its place.
        made = api.send("POST", f"/repos/{run.repository}/check-runs", body).json()
        for some in further:
            api.send("PATCH", f"/repos/{run.repository}/check-runs/{int(made['id'])}", {"output": verdict.output(some)})
        return str(made.get("html_url") or "")
