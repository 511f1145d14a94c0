"""From the push to the deployment: the scripts of the action and of the include, run as the runners do."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.faults.deploying import ENV_PY, tables
from tests.forge.github_server import GitHubServer
from tests.forge.gitlab_server import GitLabServer
from tests.forge.repository import Repository
from tests.forge.runner import Job, Runner, gitlab_job
from tests.support.databases import Database

Variables = dict[str, str | None]


@pytest.fixture
def repository(one_database: Database, tmp_path: Path) -> Repository:
    """A repository whose main branch has a revision that is deployed."""
    repository = Repository(tmp_path, one_database)
    repository.project.config("database: {environments: {prod: {url: '${PROD_URL:-}'}}}\n")
    repository.project.table("a1", "first")
    repository.push("main", "the first revision")
    assert repository.project.apply("--env", "prod").returncode == 0
    return repository


class OnGitHub:
    """Jobs on GitHub for one repository."""

    def __init__(self, repository: Repository, server: GitHubServer, variables: Variables) -> None:
        self.repository, self.server = repository, server
        self.variables = {**variables, **repository.project.environ()}
        self.jobs = 0

    def job(self, commit: str, event: str, document: dict[str, Any], **inputs: str) -> Job:
        """Run the action on a commit."""
        self.jobs += 1
        folder = self.repository.folder / f"job-{self.jobs}"
        folder.mkdir()
        (folder / "event.json").write_text(json.dumps(document))

        def upload(name: str, kept: Path) -> None:
            self.server.keep(name, {path.name: path.read_bytes() for path in kept.iterdir()}, commit)

        def download(name: str, into: Path) -> None:
            kept = max(number for number, each in self.server.artifacts.items() if each["name"] == name)
            with zipfile.ZipFile(io.BytesIO(self.server.packed[kept])) as archive:
                archive.extractall(into)

        variables = {
            **self.variables,
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_REF": "refs/heads/main" if event == "push" else "refs/pull/17/merge",
            "GITHUB_SHA": commit if event == "push" else "e" * 40,
        }
        workspace = self.repository.checked_out(f"workspace-{self.jobs}", commit)
        runner = Runner(folder, workspace, upload, download=download)
        return runner.run(variables, version="installed", env="prod", **inputs)

    def plan(self, commit: str, **inputs: str) -> Job:
        """The job of a pull request."""
        document = {"pull_request": {"number": 17, "head": {"sha": commit}}}
        return self.job(commit, "pull_request", document, mode="plan", **inputs)

    def sign(self, commit: str, **inputs: str) -> Job:
        """The job behind it, which has the key."""
        document = {"pull_request": {"number": 17, "head": {"sha": commit}}}
        return self.job(commit, "pull_request", document, mode="sign", **inputs)

    def apply(self, commit: str, head: str, **inputs: str) -> Job:
        """The job on main, after the pull request was merged."""
        self.server.merge(commit, head)
        return self.job(commit, "push", {"after": commit}, mode="apply", **inputs)


@pytest.fixture
def on_main(repository: Repository, github: GitHubServer, on_github: Variables) -> OnGitHub:
    """Jobs on GitHub."""
    return OnGitHub(repository, github, on_github)


def test_a_pull_request_from_its_first_push_to_the_deployment(
    repository: Repository, on_main: OnGitHub, github: GitHubServer, one_database: Database
) -> None:
    """The plan is commented, brought up to date by the next push, and after the merge it is what is applied."""
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.project.table("b2", "second", down="a1")
    first = on_main.plan(repository.push("feature", "the second revision"), check_run="true")
    assert first.failed is None, first.log
    assert {name: first.outputs[name] for name in ("blocked", "pending")} == {"blocked": "false", "pending": "1"}
    assert "b2" in first.summary
    ((comment,), (check,)) = github.comments, github.checks
    assert comment["body"].startswith("<!-- erm-plan: prod -->\n") and "b2" in comment["body"]
    assert (check["conclusion"], check["name"]) == ("success", "erm (prod)")

    repository.project.table("c3", "third", down="b2")
    head = repository.push("feature", "the third revision")
    second = on_main.plan(head)
    assert second.failed is None, second.log
    assert second.outputs["pending"] == "2" and second.outputs["digest"] != first.outputs["digest"]
    assert [each["id"] for each in github.comments] == [comment["id"]]
    assert "c3" in github.comments[0]["body"]
    assert tables(one_database) == {"alembic_version", "first"}

    applied = on_main.apply(repository.merge("feature"), head)
    assert applied.failed is None, applied.log
    assert tables(one_database) == {"alembic_version", "first", "second", "third"}
    (run,) = [each for each in repository.project.history() if each["approved"]]
    assert run["approved"]["digest"] == second.outputs["digest"]
    assert "c3" in applied.summary


def test_a_plan_that_was_changed_after_its_approval_is_refused(
    repository: Repository, on_main: OnGitHub, one_database: Database
) -> None:
    """What is merged is not what was approved: nothing is run, and the log says what differs."""
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.project.table("b2", "second", down="a1")
    head = repository.push("feature", "the second revision")
    assert on_main.plan(head, comment="false").failed is None
    repository.project.table("b2", "other", down="a1")
    repository.push("feature", "changed when nobody looked")
    applied = on_main.apply(repository.merge("feature"), head)
    assert applied.failed == "Apply"
    assert "b2" in applied.log and "approved" in applied.log
    assert tables(one_database) == {"alembic_version", "first"}


def test_a_pull_request_from_a_fork_shows_its_plan_in_the_summary(
    repository: Repository, on_main: OnGitHub, github: GitHubServer, bot_token: str
) -> None:
    """A token that only reads fails nothing, and says where the plan is."""
    github.read_only.add(bot_token)
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.project.table("b2", "second", down="a1")
    job = on_main.plan(repository.push("feature", "from a fork"), check_run="true")
    assert job.failed is None, job.log
    assert github.comments == []
    assert job.summary.count("<!-- erm-plan: prod -->") == 1
    assert "read-only tokens" in job.log


def test_what_cannot_be_approved_is_shown_and_fails_the_job(
    repository: Repository, on_main: OnGitHub, github: GitHubServer
) -> None:
    """Push by push: blocked, dependent on data, then approved by name and signed, and at last broken."""
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.project.revision("b2", "op.execute('CREATE TABLE second ()')", "pass", down="a1")
    blocked = on_main.plan(repository.push("feature", "without a way down"), check_run="true")
    assert blocked.failed == "Refuse what is blocked"
    assert (blocked.outputs["blocked"], blocked.outputs["plan-file"]) == ("true", "")
    assert "missing-downgrade" in github.comments[0]["body"]
    (check,) = github.checks
    assert check["conclusion"] == "failure"
    assert [each["path"] for each in check["annotations"]] == ["migrations/versions/b2.py"]
    assert "::error file=migrations/versions/b2.py" in blocked.log

    repository.project.table("b2", "second", down="a1")
    reads = "rows = op.get_bind().execute(sa.text('SELECT id FROM second')).all()"
    path = repository.project.revision("c3", f"{reads}\nop.execute('ANALYZE second')", down="b2")
    commit = repository.push("feature", "depends on data")
    dependent = on_main.plan(commit, check_run="true")
    assert dependent.failed == "Refuse what is blocked"
    assert (dependent.outputs["blocked"], dependent.outputs["plan-file"]) == ("true", "")
    assert "--approve-partial c3" in dependent.log and "::error file=migrations/versions/c3.py" in dependent.log
    assert github.checks[-1]["conclusion"] == "failure"
    assert [each["title"] for each in github.checks[-1]["annotations"]].count("not-kept") == 1
    body = github.comments[0]["body"]
    assert "blocked by 1 error" in body and "`erm-approve-partial:c3`" in body
    assert ".erm/ci" not in body and "To run it" not in body
    approved = on_main.plan(commit, approve_partial="c3")
    assert approved.failed is None, approved.log
    assert "`erm migrate --env prod --plan plan.json`, where `plan.json` is" in github.comments[0]["body"]
    assert approved.outputs["plan-file"] == ".erm/ci/kept/plan.json"

    path.write_text("def (:")
    broken = on_main.plan(repository.push("feature", "broken"))
    assert (broken.failed, broken.outputs["plan-file"]) == ("Refuse what is blocked", "")
    (comment,) = github.comments
    assert "### Plan for `prod`: could not be made" in comment["body"]


def test_a_plan_is_signed_by_a_job_that_runs_nothing_of_the_project(
    repository: Repository, on_main: OnGitHub, one_database: Database
) -> None:
    """The key is where no code of the pull request is; what was signed there is run, and what was not is refused."""
    private, public = key_pair()
    (repository.project.root / "erm.yaml").write_text(
        "database: {environments: {prod: {url: '${PROD_URL:-}'}}}\n" + f"safety: {{plan_keys: ['{public}']}}\n"
    )
    repository.push("main", "signatures")
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.project.table("b2", "second", down="a1")
    repository.project.env_py("import os\nassert 'PRIVATE' not in str(os.environ)\n" + ENV_PY)
    head = repository.push("feature", "the second revision")
    planned = on_main.plan(head, comment="false")
    assert planned.failed is None, planned.log
    commit = repository.merge("feature")
    refused = on_main.apply(commit, head)
    assert refused.failed == "Apply" and "is not signed" in refused.log
    other = on_main.sign(head, sign_key=private, digest="0" * 64)
    assert other.failed == "Sign" and "It was not signed." in other.log
    signed = on_main.sign(head, sign_key=private, digest=planned.outputs["digest"])
    assert signed.failed is None, signed.log
    assert "CREATE TABLE second" in signed.log and private.splitlines()[1] not in signed.log
    applied = on_main.apply(commit, head)
    assert applied.failed is None, applied.log
    assert tables(one_database) == {"alembic_version", "first", "second"}


def key_pair() -> tuple[str, str]:
    """A new key that signs plans, as PEM, and the public one as a line."""
    key = ed25519.Ed25519PrivateKey.generate()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode(), public.splitlines()[1]


def test_a_merge_request_from_its_first_push_to_the_deployment(
    repository: Repository, gitlab: GitLabServer, on_gitlab: Variables, one_database: Database
) -> None:
    """On GitLab as on GitHub: a note that is brought up to date, and the approved plan after the merge."""
    variables = {**on_gitlab, **repository.project.environ(), "ERM_CI_ENV": "prod"}

    def job(name: str, workspace: Path, commit: str) -> Any:
        of_job = {**variables, "CI_COMMIT_SHA": commit, "CI_PROJECT_DIR": str(workspace)}
        of_job |= {} if name == "erm plan" else {"CI_MERGE_REQUEST_IID": None}
        return gitlab_job(name, repository.folder, workspace, of_job)

    repository.git("checkout", "--quiet", "-b", "feature")
    head = ""
    for revision, table, down in (("b2", "second", "a1"), ("c3", "third", "b2")):
        repository.project.table(revision, table, down=down)
        head = repository.push("feature", f"adds {table}")
        workspace = repository.checked_out(f"plan-{revision}", head)
        planned = job("erm plan", workspace, head)
        assert planned.returncode == 0, planned.stderr
        assert isinstance(json.loads((workspace / "gl-code-quality-report.json").read_text()), list)
        gitlab.keep("erm plan", "plan.json", (workspace / "plan.json").read_bytes(), head)
    (note,) = gitlab.notes
    assert note["body"].startswith("<!-- erm-plan: prod -->\n") and "c3" in note["body"]
    commit = repository.merge("feature")
    gitlab.merge(commit, head)
    applied = job("erm apply", repository.checked_out("apply", commit), commit)
    assert applied.returncode == 0, applied.stderr
    assert tables(one_database) == {"alembic_version", "first", "second", "third"}
