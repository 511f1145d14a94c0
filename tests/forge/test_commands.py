"""`erm comment`, `erm check-run`, `erm fetch-plan` as a pipeline runs them: variables, files, exit codes, secrets."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.findings import Finding
from erm_alembic.forge.ci import Said, run_of
from erm_alembic.planning.model import Plan
from erm_alembic.planning.read_plan import read_plan
from erm_alembic.render.json import render_json
from tests.faults.deploying import Project, told
from tests.forge.github_server import HEAD, GitHubServer
from tests.forge.gitlab_server import GitLabServer
from tests.forge.serving import Reply, Request
from tests.render import plans
from tests.support.cli import run_erm
from tests.support.databases import Database
from tests.support.secrecy import issue_secret

Variables = dict[str, str | None]
MERGED = "d" * 40


def erm(*words: str, cwd: Path, env: Variables, input: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run erm in a folder with an erm.yaml."""
    (cwd / "erm.yaml").write_text("database: {url: postgresql://db/shop}\n")
    return run_erm(*words, cwd=cwd, env=env, input=input)


def shown(folder: Path, plan: Plan = plans.PLAN) -> str:
    """The file of a plan as --format json prints it."""
    path = folder / "shown.json"
    path.write_text(render_json(plan))
    return str(path)


def test_a_plan_is_shown_on_the_pull_request_of_the_job(
    github: GitHubServer, on_github: Variables, tmp_path: Path
) -> None:
    """Nothing has to be typed but the file: repository, pull request, address and token come from the job."""
    done = erm("comment", "--plan", shown(tmp_path), cwd=tmp_path, env=on_github)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"The comment is written. {github.comments[0]['html_url']}\n"
    assert plans.PLAN.steps[0].revision in github.comments[0]["body"]
    assert github.comments[0]["body"].endswith(f"\n\nOf commit `{HEAD[:10]}`.\n")
    again = erm("comment", "--plan", shown(tmp_path), "--format", "json", cwd=tmp_path, env=on_github)
    assert json.loads(again.stdout)["action"] == "unchanged"


def test_everything_can_be_typed(github: GitHubServer, outside: Variables, bot_token: str, tmp_path: Path) -> None:
    """Outside of a pipeline the same comment is written by what is typed, and stdin may be its text."""
    place = ("--provider", "github", "--api-url", github.api_url, "--repository", "acme/shop", "--number", "17")
    env = {**outside, "GH_TOKEN": bot_token}
    done = erm("comment", *place, "--key", "smoke", "--body", "-", cwd=tmp_path, env=env, input="All is **well**.\n")
    assert done.returncode == 0, done.stderr
    assert github.comments[0]["body"] == "<!-- erm-comment: smoke -->\nAll is **well**.\n"


def test_a_report_in_markdown_and_its_plan_are_the_same_comment(
    github: GitHubServer, on_github: Variables, tmp_path: Path
) -> None:
    """Whether a pipeline posts what --report has written, or the plan itself, it is one comment."""
    erm("comment", "--plan", shown(tmp_path), cwd=tmp_path, env=on_github)
    (tmp_path / "comment.md").write_text(github.comments[0]["body"] + "\nmore\n")
    done = erm("comment", "--body", "comment.md", cwd=tmp_path, env=on_github)
    assert (done.returncode, len(github.comments)) == (0, 1)


def test_a_plan_that_could_not_be_made_takes_the_place_of_an_older_one(
    github: GitHubServer, on_github: Variables, tmp_path: Path
) -> None:
    """Nobody is to approve by a plan of an earlier commit; the log of the job is linked."""
    place = {"GITHUB_SERVER_URL": "https://github.example", "GITHUB_RUN_ID": "99"}
    plan = replace(plans.PLAN, environment="a --> b")
    erm("comment", "--plan", shown(tmp_path, plan), cwd=tmp_path, env=on_github)
    words = ("comment", "--failed", "--env", plan.environment)
    done = erm(*words, "--format", "json", cwd=tmp_path, env={**on_github, **place})
    assert json.loads(done.stdout)["action"] == "updated"
    (comment,) = github.comments
    assert comment["body"].splitlines()[1] == "### Plan for `a --> b`: could not be made"
    assert "(https://github.example/acme/shop/actions/runs/99)" in comment["body"]
    assert erm("comment", "--plan", shown(tmp_path), "--env", "prod", cwd=tmp_path, env=on_github).returncode == 2


def test_a_note_on_gitlab(gitlab: GitLabServer, on_gitlab: Variables, tmp_path: Path) -> None:
    """The variables of GitLab's runner are as good as those of GitHub's."""
    done = erm("comment", "--plan", shown(tmp_path), cwd=tmp_path, env=on_gitlab)
    assert (done.returncode, done.stdout) == (0, "The comment is written.\n")
    assert len(gitlab.notes) == 1


def test_a_token_that_only_reads_puts_the_plan_into_the_summary(
    github: GitHubServer, on_github: Variables, bot_token: str, tmp_path: Path
) -> None:
    """With a summary the pipeline goes on; without one the exit code says that nobody sees the plan."""
    github.read_only.add(bot_token)
    summary = tmp_path / "summary.md"
    env = {**on_github, "GITHUB_STEP_SUMMARY": str(summary)}
    done = erm("comment", "--plan", shown(tmp_path), cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (0, "The comment is in the summary of the job.\n")
    assert "from a fork" in done.stderr
    assert summary.read_text().startswith("<!-- erm-plan:")
    code, lines = told(erm("comment", "--plan", shown(tmp_path), cwd=tmp_path, env=on_github))
    assert (code, lines[0]) == (
        1,
        "error:  The token in GITHUB_TOKEN may not write (HTTP 403: Resource not accessible by integration).",
    )


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"GITHUB_TOKEN": " "}, "error:  There is no token: GITHUB_TOKEN and GH_TOKEN are empty."),
        ({"GITHUB_TOKEN": "two words"}, "error:  GITHUB_TOKEN is no token"),
        ({"GITHUB_ACTIONS": None}, "error:  Which platform is meant is not known"),
        ({"GITHUB_REPOSITORY": "a/../b"}, "error:  'a/../b' names no repository."),
        ({"GITHUB_REPOSITORY": None}, "error:  Which repository is meant is not known."),
        ({"GITHUB_EVENT_PATH": None, "GITHUB_REF": "refs/heads/main"}, "error:  This is no pipeline of a pull request"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_sent(
    github: GitHubServer, on_github: Variables, tmp_path: Path, changed: Variables, what: str
) -> None:
    """Bad usage or configuration ends with 2, and says which variable."""
    done = erm("comment", "--plan", shown(tmp_path), cwd=tmp_path, env={**on_github, **changed})
    code, lines = told(done)
    assert (code, lines[0][: len(what)], lines[1]) == (2, what, "effect: Nothing was sent.")
    assert github.platform.asked == []


def test_the_pull_request_is_found_in_every_kind_of_event(
    github: GitHubServer, on_github: Variables, tmp_path: Path
) -> None:
    """A comment on it, another workflow's run for it, and the ref alone name it as well."""
    events: list[tuple[dict[str, Any], str]] = [
        ({"issue": {"number": 17, "pull_request": {}}}, "refs/heads/main"),
        ({"workflow_run": {"pull_requests": [{"number": 17, "head": {"sha": HEAD}}]}}, "refs/heads/main"),
        ({}, "refs/pull/17/merge"),
    ]
    for number, (event, ref) in enumerate(events):
        path = tmp_path / f"event-{number}.json"
        path.write_text(json.dumps(event))
        env = {**on_github, "GITHUB_EVENT_PATH": str(path), "GITHUB_REF": ref}
        done = erm("comment", "--body", "-", cwd=tmp_path, env=env, input=f"event {number}")
        assert done.returncode == 0, done.stderr
    assert ["event 2" in each["body"] for each in github.comments] == [True]


def test_of_a_comment_on_a_pull_request_no_commit_is_named(on_github: Variables, tmp_path: Path) -> None:
    """Its event has none, and what the variables name is that of the default branch: nobody approves by a wrong one."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"issue": {"number": 17, "pull_request": {}}}))
    environ = {name: value or "" for name, value in on_github.items()}
    environ |= {"GITHUB_EVENT_PATH": str(event), "GITHUB_SHA": HEAD}
    assert run_of(Said(), environ).sha == ""
    event.write_text("{}")
    assert run_of(Said(), environ).sha == HEAD


@pytest.mark.parametrize(
    "content", ["", "nonsense", "[]", '{"schema_version": 1, "pending": [{}]}', "NaN", "[" * 100_000]
)
def test_a_file_that_is_no_plan_is_refused(
    github: GitHubServer, on_github: Variables, tmp_path: Path, content: str
) -> None:
    """What a failed command has left is not posted as a plan."""
    (tmp_path / "shown.json").write_text(content)
    code, lines = told(erm("comment", "--plan", "shown.json", cwd=tmp_path, env=on_github))
    assert (code, lines[0].split(" ")[2]) == (2, "shown.json")
    assert github.platform.asked == []


def test_the_error_in_place_of_a_plan_is_told(on_github: Variables, tmp_path: Path) -> None:
    """Where the plan failed, its own error is in the message."""
    (tmp_path / "shown.json").write_text('{"schema_version": 1, "error": {"what": "The server is gone."}}')
    _, lines = told(erm("comment", "--plan", "shown.json", cwd=tmp_path, env=on_github))
    assert lines[0] == "error:  shown.json is no plan: the command that wrote it failed: The server is gone."


def test_a_plan_read_back_is_the_plan(tmp_path: Path) -> None:
    """Whatever a plan has, its JSON read back gives the same JSON, its digest too."""
    for plan in (plans.PLAN, plans.BLOCKED, plans.ROLLBACK, plans.EMPTY):
        written = render_json(plan)
        assert render_json(read_plan(written.encode(), "it")) == written


def test_a_check_run_has_every_finding_on_its_line(github: GitHubServer, on_github: Variables, tmp_path: Path) -> None:
    """More than fifty annotations come in several requests, on the newest commit of the pull request."""
    findings = tuple(
        Finding(
            "no-lock-timeout",
            ("error", "warning", "info")[number % 3],
            f"message {number}",
            "help",
            path="a.py",
            line=number,
        )
        for number in range(1, 121)
    )
    plan = Plan(
        "prod",
        "postgresql://db/shop",
        "18.0",
        "upgrade",
        (),
        (),
        (),
        findings=(*findings, Finding("r", "info", "of no file")),
    )
    done = erm("check-run", "--plan", shown(tmp_path, plan), "--format", "json", cwd=tmp_path, env=on_github)
    assert done.returncode == 0, done.stderr
    (check,) = github.checks
    assert (check["head_sha"], check["conclusion"], check["name"]) == (HEAD, "failure", "erm (prod)")
    assert [each["start_line"] for each in check["annotations"]] == list(range(1, 121))
    assert {each["annotation_level"] for each in check["annotations"]} == {"failure", "warning", "notice"}
    assert len(github.platform.writes()) == 3
    assert json.loads(done.stdout) == {"schema_version": 1, "url": check["html_url"], "annotations": 120}


@pytest.mark.parametrize("yaml", ["", "database: [\n"], ids=["right", "wrong"])
def test_a_check_run_says_that_there_is_no_plan(
    github: GitHubServer, on_github: Variables, tmp_path: Path, yaml: str
) -> None:
    """It fails under the name that the plan's would have, also where erm.yaml is what is wrong."""
    (tmp_path / "erm.yaml").write_text(yaml)
    done = erm("check-run", "--failed", "--env", "prod", cwd=tmp_path, env=on_github)
    assert done.returncode == 0, done.stderr
    (check,) = github.checks
    assert (check["head_sha"], check["conclusion"], check["name"]) == (HEAD, "failure", "erm (prod)")
    assert (
        check["output"]["title"] == "The plan could not be made" and "could not be made" in check["output"]["summary"]
    )
    assert erm("comment", "--failed", "--env", "prod", cwd=tmp_path, env=on_github).returncode == 0
    for wrong in (("--failed", "--plan", "plan.json"), (), ("--plan", "plan.json", "--env", "prod")):
        assert erm("check-run", *wrong, cwd=tmp_path, env=on_github).returncode == 2


def test_a_check_run_that_a_token_may_not_write_is_left_to_the_summary(
    github: GitHubServer, on_github: Variables, bot_token: str, tmp_path: Path
) -> None:
    """A pull request from a fork does not fail for it, and its plan stands in the summary once."""
    github.read_only.add(bot_token)
    summary = tmp_path / "summary.md"
    env = {**on_github, "GITHUB_STEP_SUMMARY": str(summary)}
    for _ in range(2):
        done = erm("check-run", "--plan", shown(tmp_path), cwd=tmp_path, env=env)
        assert (done.returncode, done.stdout) == (0, "")
        assert "There is no check run; the plan is in the summary of the job instead." in done.stderr
    assert summary.read_text().count("<!-- erm-plan:") == 1
    assert erm("check-run", "--plan", shown(tmp_path), cwd=tmp_path, env=on_github).returncode == 1
    assert github.checks == []


def test_a_person_s_token_may_not_write_check_runs(github: GitHubServer, on_github: Variables, tmp_path: Path) -> None:
    """GitHub's own reason is in the error."""
    token = issue_secret()
    github.users[token] = {"login": "ann", "type": "User"}
    done = erm("check-run", "--plan", shown(tmp_path), cwd=tmp_path, env={**on_github, "GITHUB_TOKEN": token})
    assert (done.returncode, "You must authenticate via a GitHub App" in done.stderr) == (1, True)


@pytest.fixture
def kept(one_database: Database, tmp_path: Path) -> bytes:
    """A plan to be approved."""
    project = Project(tmp_path / "project", one_database, env={"ERM_NO_SHADOW": "1"})
    project.table("a1", "first")
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    return (project.root / "plan.json").read_bytes()


def test_the_plan_of_the_merged_pull_request_is_fetched(
    github: GitHubServer, on_github: Variables, tmp_path: Path, kept: bytes
) -> None:
    """The newest of its newest commit, as it was kept, for its owner only, in place of an older one."""
    github.merge(MERGED, HEAD)
    github.keep("erm-plan-prod", {"plan.json": b"{}"}, "b" * 40)
    github.keep("erm-plan-prod", {"plan.json": b"older"}, HEAD)
    github.keep("erm-plan-staging", {"plan.json": b"other"}, HEAD)
    github.keep("erm-plan-prod", {"shown.json": b"{}", "plan.json": kept}, HEAD)
    env = {**on_github, "GITHUB_SHA": MERGED, "GITHUB_EVENT_PATH": None}
    done = erm("fetch-plan", "--artifact", "erm-plan-prod", "--out", "plan.json", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "plan.json").read_bytes() == kept
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600
    assert json.loads(kept)["digest"] in done.stdout
    assert [each.path for each in github.storage.asked] == ["/blob/503"]
    assert erm("fetch-plan", "--artifact", "erm-plan-prod", "--out", "plan.json", cwd=tmp_path, env=env).returncode == 0


def test_no_plan_is_taken_from_elsewhere(
    github: GitHubServer, on_github: Variables, tmp_path: Path, kept: bytes
) -> None:
    """Not of a fork or another commit, none that has expired or is not there, and nothing that is no plan."""
    env = {**on_github, "GITHUB_SHA": MERGED, "GITHUB_EVENT_PATH": None}

    def fetched(name: str) -> str:
        code, lines = told(erm("fetch-plan", "--artifact", name, "--out", "plan.json", cwd=tmp_path, env=env))
        assert code in (1, 2) and not (tmp_path / "plan.json").exists()
        return lines[0]

    words = ("fetch-plan", "--artifact", "any", "--out", "plan.json")
    assert '`plan: ""` of the action' in erm(*words, cwd=tmp_path, env=env).stderr
    assert fetched("any") == f"error:  The commit {MERGED[:12]} came with no merged pull request."
    github.merge(MERGED, HEAD)
    github.keep("of-a-fork", {"plan.json": kept}, HEAD, fork=True)
    github.keep("of-another-commit", {"plan.json": kept}, "b" * 40)
    old = github.keep("old", {"plan.json": kept}, HEAD)
    github.artifacts[old]["expired"] = True
    github.keep("without", {"shown.json": b"{}"}, HEAD)
    github.keep("changed", {"plan.json": kept.replace(b'"first"', b'"other"').replace(b"first", b"other")}, HEAD)
    broken = github.keep("broken", {}, HEAD)
    github.packed[broken] = b"no archive"
    assert "came from a fork" in fetched("of-a-fork")
    assert "No pipeline has kept of-another-commit" in fetched("of-another-commit")
    assert "has expired" in fetched("old")
    assert "has no plan.json" in fetched("without")
    assert "was changed after it was written" in fetched("changed")
    assert "no archive that can be read" in fetched("broken")


def test_what_cannot_be_replaced_is_refused_before_anything_is_asked(
    github: GitHubServer, on_github: Variables, tmp_path: Path
) -> None:
    """A file that is no plan stays."""
    (tmp_path / "notes.txt").write_text("mine")
    done = erm("fetch-plan", "--artifact", "any", "--out", "notes.txt", cwd=tmp_path, env=on_github)
    assert (done.returncode, (tmp_path / "notes.txt").read_text(), github.platform.asked) == (2, "mine", [])


def test_a_merge_request_from_a_fork_has_no_plan(
    gitlab: GitLabServer, on_gitlab: Variables, tmp_path: Path, kept: bytes
) -> None:
    """GitLab's pipelines of forks are no more to be believed than GitHub's."""
    gitlab.keep("erm plan", "plan.json", kept, HEAD)
    gitlab.merge(MERGED, HEAD, source=2)
    env = {**on_gitlab, "CI_COMMIT_SHA": MERGED, "CI_MERGE_REQUEST_IID": None}
    words = ("fetch-plan", "--artifact", "erm plan", "--out", "plan.json")
    assert "came from a fork" in erm(*words, cwd=tmp_path, env=env).stderr
    gitlab.merge(MERGED, HEAD)
    assert erm(*words, cwd=tmp_path, env=env).returncode == 0
    assert (tmp_path / "plan.json").read_bytes() == kept


def test_a_token_is_in_no_output(github: GitHubServer, on_github: Variables, bot_token: str, tmp_path: Path) -> None:
    """Not where the server repeats it in its reason, and not in a traceback; nor in the list of processes."""
    github.platform.fail("GET", Reply(400, {"message": f"what is {bot_token}?"}))
    done = erm("comment", "--plan", shown(tmp_path), "-v", cwd=tmp_path, env=on_github)
    assert done.returncode == 1
    assert "HTTP 400: what is ***?" in done.stderr


def test_a_command_that_waits_for_a_silent_server_can_be_ended(
    github: GitHubServer, on_github: Variables, tmp_path: Path
) -> None:
    """Ctrl-C ends it at once, with the exit code of that and without words about databases."""
    asked, release = threading.Event(), threading.Event()

    def silent(request: Request) -> Reply:
        asked.set()
        release.wait(30)
        return Reply(503)

    github.platform.answer = silent
    (tmp_path / "comment.md").write_text("words")
    project = Project(tmp_path, url="postgresql://db/shop", env=on_github)
    with project.running("comment", "--body", "comment.md") as process:
        process.until(asked.is_set)
        process.signal(signal.SIGINT)
        assert process.ended() == (130, "", "")
        release.set()
