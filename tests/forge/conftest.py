"""A platform each, with a bot, a person and a job that only reads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forge.github_server import HEAD, REPOSITORY, GitHubServer, github_server
from tests.forge.gitlab_server import PROJECT, GitLabServer, gitlab_server
from tests.support.secrecy import issue_secret

# What a pipeline around the tests says of itself must not reach them.
OF_PIPELINES = ("GITHUB_", "GITLAB_", "CI_", "GH_", "RUNNER_")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of this machine leads to no server of a test."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def bot_token() -> str:
    """The token of a job: of an app, which may not ask who it is."""
    return issue_secret()


@pytest.fixture
def github(bot_token: str) -> Iterator[GitHubServer]:
    """A repository with one pull request."""
    with github_server(users={bot_token: {"login": "github-actions[bot]", "type": "Bot"}}) as server:
        yield server


@pytest.fixture
def gitlab(bot_token: str) -> Iterator[GitLabServer]:
    """A project with one merge request."""
    with gitlab_server(users={bot_token: "project_1_bot"}) as server:
        yield server


@pytest.fixture
def outside() -> dict[str, str | None]:
    """The variables of no pipeline."""
    return {name: None for name in os.environ if name.startswith(OF_PIPELINES) or name == "CI"}


@pytest.fixture
def on_github(
    github: GitHubServer, bot_token: str, outside: dict[str, str | None], tmp_path: Path
) -> dict[str, str | None]:
    """The variables that the runner gives a job of a pull request."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"action": "opened", "pull_request": {"number": 17, "head": {"sha": HEAD}}}))
    return {
        **outside,
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": github.api_url,
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REF": "refs/pull/17/merge",
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_SHA": "f" * 40,
        "GITHUB_TOKEN": bot_token,
    }


@pytest.fixture
def on_gitlab(gitlab: GitLabServer, bot_token: str, outside: dict[str, str | None]) -> dict[str, str | None]:
    """The variables that the runner gives a job of a merge request."""
    return {
        **outside,
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_API_V4_URL": gitlab.api_url,
        "CI_PROJECT_ID": PROJECT,
        "CI_MERGE_REQUEST_IID": "5",
        "CI_COMMIT_SHA": "a" * 40,
        "CI_JOB_TOKEN": issue_secret(),
        "GITLAB_TOKEN": bot_token,
    }
