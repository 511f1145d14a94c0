"""What the variables of a pipeline say: which platform, repository, pull request and commit it runs for, as whom.

The token comes from a variable and from nowhere else: what is typed stands in the list of processes.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from erm_alembic.config.redaction import register_secret
from erm_alembic.errors import ConfigurationError, UsageError

__all__ = ["Provider", "Run", "Said", "run_of"]

Provider = Literal["github", "gitlab"]

NOTHING_SENT = "Nothing was sent."
TOKENS: Mapping[str, tuple[str, ...]] = {
    "github": ("GITHUB_TOKEN", "GH_TOKEN"),
    "gitlab": ("GITLAB_TOKEN", "CI_JOB_TOKEN"),
}
API = {"github": "https://api.github.com", "gitlab": "https://gitlab.com/api/v4"}
NO_TOKEN = {
    "github": "Give the step the job's token, and the job `permissions: {pull-requests: write}`:  "
    "env: {GITHUB_TOKEN: ${{ github.token }}}",
    "gitlab": "Make a project access token with the scope api (role Developer), and a masked variable GITLAB_TOKEN.",
}
REPOSITORY = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
PROJECT = re.compile(r"[0-9]+|[^/\s?#]+(/[^/\s?#]+)+")
SHA = re.compile(r"[0-9a-fA-F]{7,64}")

logger = logging.getLogger("erm_alembic")


@dataclass(frozen=True)
class Said:
    """What was typed, each None where it was not: it goes before what the pipeline says.

    Args:
        provider: the platform.
        api_url: the address of its API.
        repository: `owner/name`; of GitLab also the project's number.
        number: the number of the pull request.
        sha: the commit.
        author: who writes the bot's comments.
    """

    provider: str | None = None
    api_url: str | None = None
    repository: str | None = None
    number: int | None = None
    sha: str | None = None
    author: str | None = None


@dataclass(frozen=True)
class Run:
    """What a pipeline runs for.

    Args:
        provider: the platform.
        api_url: the address of its API.
        repository: the repository there.
        number: the pull request; None where it runs for none.
        sha: the newest commit of the pull request, else the one that the pipeline runs for; empty where unknown.
        token: as whom the API is asked.
        token_name: the variable that it comes from.
        author: who writes the bot's comments; None asks the platform.
        ca_file: a certificate authority of a platform of one's own.
        job_url: where the log of this job is; None outside of a pipeline.
    """

    provider: Provider
    api_url: str
    repository: str
    number: int | None
    sha: str
    token: str = field(repr=False)
    token_name: str
    author: str | None = None
    ca_file: str | None = None
    job_url: str | None = None

    def pull_request(self) -> int:
        """The number of the pull request.

        Raises:
            UsageError: the pipeline runs for none.
        """
        if self.number is None:
            event = "pull_request" if self.provider == "github" else "merge_request_event"
            raise UsageError(
                "This is no pipeline of a pull request, so there is nothing to comment on.",
                effect=NOTHING_SENT,
                cure=f"Run it on the event {event}, or say which one: --number 17",
            )
        return self.number


def run_of(said: Said, environ: Mapping[str, str]) -> Run:
    """What a pipeline runs for.

    Args:
        said: what was typed.
        environ: the variables.

    Raises:
        UsageError: what is needed was neither typed nor said by a pipeline, or has another shape.
        ConfigurationError: there is no token, or it is none.
    """
    provider = _provider(said.provider, environ)
    event = _event(environ) if provider == "github" else {}
    variable, fallback = ("GITHUB_API_URL", "GITHUB_REPOSITORY"), ("CI_API_V4_URL", "CI_PROJECT_ID")
    api_name, repository_name = variable if provider == "github" else fallback
    token, token_name = _token(provider, environ)
    run = Run(
        provider=provider,
        api_url=said.api_url or environ.get(api_name) or API[provider],
        repository=_repository(provider, said.repository or environ.get(repository_name, ""), repository_name),
        number=said.number if said.number is not None else _number(provider, event, environ),
        sha=_sha(said.sha or _head(provider, event, environ)),
        token=token,
        token_name=token_name,
        author=said.author,
        ca_file=environ.get("CI_SERVER_TLS_CA_FILE") if provider == "gitlab" else None,
        job_url=environ.get("CI_JOB_URL") if provider == "gitlab" else _run_url(environ),
    )
    host = urlsplit(run.api_url).hostname or ""
    if run.api_url.startswith("http://") and host not in ("127.0.0.1", "::1", "localhost"):
        logger.warning(f"{host} is asked without encryption: whoever is on the way can read {token_name}.")
    return run


def _provider(named: str | None, environ: Mapping[str, str]) -> Provider:
    if named == "github" or (named is None and environ.get("GITHUB_ACTIONS") == "true"):
        return "github"
    if named == "gitlab" or (named is None and environ.get("GITLAB_CI") == "true"):
        return "gitlab"
    raise UsageError(
        "Which platform is meant is not known: neither GitHub Actions nor GitLab CI runs this.",
        effect=NOTHING_SENT,
        cure="Say it: --provider github, or --provider gitlab",
    )


def _event(environ: Mapping[str, str]) -> Mapping[str, Any]:
    """What has happened, as the runner of GitHub tells it; nothing where it does not, or in a shape of its own."""
    path = environ.get("GITHUB_EVENT_PATH")
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _pull_request(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pull request of an event: its own, or of a comment on it, or the one that another workflow ran for."""
    found = event.get("pull_request")
    if isinstance(found, dict):
        return found
    issue = event.get("issue")
    if isinstance(issue, dict) and "pull_request" in issue:
        return {"number": issue.get("number")}
    ran = event.get("workflow_run")
    requests = ran.get("pull_requests") if isinstance(ran, dict) else None
    # For a fork the list is empty; of several it is not known which one is meant.
    return requests[0] if isinstance(requests, list) and len(requests) == 1 and isinstance(requests[0], dict) else {}


def _number(provider: Provider, event: Mapping[str, Any], environ: Mapping[str, str]) -> int | None:
    if provider == "gitlab":
        iid = environ.get("CI_MERGE_REQUEST_IID", "")
        return int(iid) if iid.isascii() and iid.isdigit() else None
    number = _pull_request(event).get("number")
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    ref = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", environ.get("GITHUB_REF", ""), re.ASCII)
    return int(ref[1]) if ref else None


def _head(provider: Provider, event: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """The newest commit of the pull request: what GITHUB_SHA names is made for the run, and has no checks.

    Of a comment on a pull request, GITHUB_SHA names the default branch, and the event no commit at all.
    """
    if provider == "gitlab":
        return environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or environ.get("CI_COMMIT_SHA", "")
    head = _pull_request(event).get("head")
    sha = head.get("sha") if isinstance(head, dict) else None
    if isinstance(sha, str):
        return sha
    return "" if "issue" in event else environ.get("GITHUB_SHA", "")


def _run_url(environ: Mapping[str, str]) -> str | None:
    parts = [environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    return "{}/{}/actions/runs/{}".format(*parts) if all(parts) else None


def _sha(text: str) -> str:
    if text and not SHA.fullmatch(text):
        raise UsageError(
            "--sha is no id of a commit.", effect=NOTHING_SENT, cure="Give its hexadecimal id, as `git rev-parse` does."
        )
    return text


def _repository(provider: Provider, text: str, variable: str) -> str:
    shape = REPOSITORY if provider == "github" else PROJECT
    parts = text.split("/")
    if not shape.fullmatch(text) or ".." in parts or "." in parts:
        example = "--repository owner/name" if provider == "github" else "--repository 4711, or group/name"
        raise UsageError(
            "Which repository is meant is not known." if not text else f"{text!r} names no repository.",
            effect=NOTHING_SENT,
            cure=f"Say it: {example} (in a pipeline, {variable} does).",
        )
    return text


def _token(provider: Provider, environ: Mapping[str, str]) -> tuple[str, str]:
    for name in TOKENS[provider]:
        token = environ.get(name, "").strip()
        if not token:
            continue
        register_secret(token)
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigurationError(
                f"{name} is no token: it has spaces, or characters that no token has.",
                effect=NOTHING_SENT,
                cure="Give the variable the token alone.",
            )
        return token, name
    raise ConfigurationError(
        f"There is no token: {' and '.join(TOKENS[provider])} are empty.", effect=NOTHING_SENT, cure=NO_TOKEN[provider]
    )
