"""What the scripts of pipelines make of what they are given: which commands they call, and with which words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.forge.runner import Calls, Runner, gitlab_job

HOSTILE = "\"; touch hacked; ' $(touch hacked) `touch hacked` * ${IFS} -x"


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    """An erm that only notes how it is called, and says that revisions are pending."""
    (tmp_path / "work").mkdir()
    return Calls(tmp_path, answers={"migrate --mode plan --check": 3})


def on_github(calls: Calls, **inputs: str) -> str | None:
    """Run the action; the step that failed."""
    runner = Runner(calls.folder, calls.folder / "work", lambda name, folder: None, program=calls.program())
    return runner.run({"GITHUB_EVENT_NAME": "push"}, version="installed", **inputs).failed


@pytest.mark.parametrize("name", ["env", "config", "to", "artifact", "wait", "approve_partial", "plan"])
@pytest.mark.parametrize("mode", ["plan", "sign", "apply", "rollback"])
def test_an_input_is_a_value_whatever_it_looks_like(calls: Calls, mode: str, name: str) -> None:
    """No input is a part of a command's text: each is one word for erm, or none."""
    on_github(calls, **{"mode": mode, name: HOSTILE})
    assert list(calls.folder.rglob("hacked")) == []
    split = {word for words in calls.words for word in words if word in ("touch", "hacked;")}
    assert split == ({"touch", "hacked;"} if (mode, name) == ("plan", "approve_partial") else set())


def test_what_is_asked_for_reaches_erm(calls: Calls) -> None:
    """Each input becomes the option of its name; a plan that nobody is to approve is not kept."""
    on_github(calls, mode="plan", env="prod", config="c.yaml", to="b2", keep="false", approve_partial="b2")
    on_github(calls, mode="plan", env="prod", approve_partial="b2\nc3\n")
    on_github(calls, mode="sign", env="prod", sign_key="-----BEGIN", digest="0123456789ab")
    on_github(calls, mode="rollback", env="prod", to="a1", wait="5m")
    planned, kept, back = [words for words in calls.words if words[0] == "migrate"]
    assert planned[:9] == ["migrate", "--mode", "plan", "--format", "github", "--env", "prod", "--config", "c.yaml"]
    assert (planned[9], planned[10]) == ("--to", "b2") and "--out" not in planned
    assert kept[kept.index("--out") :][:6] == [
        "--out", ".erm/ci/kept/plan.json", "--approve-partial", "b2", "--approve-partial", "c3",
    ]  # fmt: skip
    (signed,) = [words for words in calls.words if words[0] == "sign"]
    assert signed == [
        "sign",
        ".erm/ci/to-sign/plan.json",
        "--digest",
        "0123456789ab",
        "--sign-key",
        "${INPUT_SIGN_KEY}",
    ]
    assert back[7:11] == ["--to", "a1", "--wait", "5m"]


def test_a_label_of_the_pull_request_lets_a_revision_be_approved_in_part(calls: Calls) -> None:
    """On GitHub and on GitLab, beside those of the input; a label of another kind is none."""
    names = [
        "bug",
        "erm-approve-partial:b2",
        "erm-approve-partial: c3 ",
        "x erm-approve-partial:d4",
        "erm-approve-partial:$(id)",
    ]
    event = calls.folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"labels": [{"name": name} for name in names]}}))
    runner = Runner(calls.folder, calls.folder / "work", lambda name, folder: None, program=calls.program())
    environ = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event)}
    runner.run(environ, version="installed", mode="plan", approve_partial="a1")
    variables = {"CI_MERGE_REQUEST_LABELS": ",".join(names), "ERM_CI_APPROVE_PARTIAL": "a1"}
    gitlab_job("erm plan", calls.folder, calls.folder / "work", variables, program=calls.program())
    planned = [words for words in calls.words if words[:3] == ["migrate", "--mode", "plan"]]
    named = [[words[at + 1] for at, word in enumerate(words) if word == "--approve-partial"] for words in planned]
    assert named == [["a1", "b2", "c3"], ["a1", "b2", "c3"]]


def test_a_merge_without_revisions_needs_no_plan(calls: Calls) -> None:
    """Nothing is fetched where nothing is pending; where something is, only the approved plan is run."""
    assert on_github(calls, mode="apply", env="prod") is None
    assert [words[0] for words in calls.words[1:]] == ["migrate", "fetch-plan", "migrate"]
    assert calls.words[2][-3:] == ["erm-plan-prod", "--out", ".erm/ci/approved.json"]
    assert calls.words[3][calls.words[3].index("--plan") + 1] == ".erm/ci/approved.json"
    calls.answers.clear()
    calls.forget()
    assert on_github(calls, mode="apply", env="prod") is None
    assert [words[0] for words in calls.words] == ["--version", "migrate"]


def test_the_project_s_own_code_sees_no_token(calls: Calls) -> None:
    """What runs env.py and revisions is called without the token that comments, or fetches plans."""
    runner = Runner(calls.folder, calls.folder / "work", lambda name, folder: None, program=calls.program())
    for mode in ("plan", "apply", "rollback"):
        runner.run({"GITHUB_EVENT_NAME": "push", "GITHUB_TOKEN": "t0ken"}, version="installed", mode=mode)
    runner.run({"GITHUB_EVENT_NAME": "push", "GITHUB_TOKEN": "t0ken"}, version="installed", mode="apply", plan="")
    for job in ("erm plan", "erm apply"):
        gitlab_job(job, calls.folder, calls.folder / "work", {"GITLAB_TOKEN": "t0ken"}, program=calls.program())
    assert {call.token for call in calls.made if call.words[0] == "migrate"} == {""}
    assert {call.token for call in calls.made if call.words[0] == "fetch-plan"} == {"t0ken"}


def test_the_nightly_job_reaches_no_other_database_than_its_own(calls: Calls) -> None:
    """Variables of the project win over those of a job: the address that is deployed to is not what is taken back."""
    variables = {"ERM_DATABASE_URL": "postgresql://db.example/prod", "ERM_CI_ENV": "prod"}
    done = gitlab_job("erm rollbacks", calls.folder, calls.folder / "work", variables, program=calls.program())
    assert done.returncode == 0, done.stderr
    assert len(calls.made) == 4
    assert {call.address for call in calls.made} == {"postgresql://postgres:postgres@postgres:5432/nightly"}


def test_a_job_without_a_token_keeps_its_plan_and_says_so(calls: Calls) -> None:
    """Where GitLab gives a pipeline no token, nothing is commented and nothing fails."""
    work = calls.folder / "work"
    done = gitlab_job("erm plan", calls.folder, work, {"GITLAB_TOKEN": None}, program=calls.program())
    assert (done.returncode, [words[0] for words in calls.words]) == (0, ["migrate"])
    assert "There is no GITLAB_TOKEN" in done.stdout


def test_where_there_is_no_plan_comment_and_check_run_say_so(calls: Calls) -> None:
    """Both are asked for, also where the comment cannot be written; the job fails."""
    calls.answers["comment --provider github"] = 1
    runner = Runner(calls.folder, calls.folder / "work", lambda name, folder: None, program=calls.program())
    done = runner.run({"GITHUB_EVENT_NAME": "pull_request"}, version="installed", env="prod", check_run="true")
    assert [words for words in calls.words if words[0] in ("comment", "check-run")] == [
        ["comment", "--provider", "github", "--summary", "--failed", "--env", "prod"],
        ["check-run", "--failed", "--env", "prod"],
    ]
    assert done.failed == "Show the plan"


def test_an_unknown_mode_is_refused(calls: Calls) -> None:
    """A mistyped mode runs nothing and does not pass."""
    assert on_github(calls, mode="aply") == "Refuse an unknown mode"
    assert [words[0] for words in calls.words] == ["--version"]


def test_the_results_are_lines_that_the_runner_reads(tmp_path: Path) -> None:
    """Each is one line, also where a name has two."""
    from ci import outputs

    (tmp_path / "kept").mkdir()
    shown = tmp_path / "shown.json"
    shown.write_text(json.dumps({"blocked": False, "pending": [1, 2], "digest": "abc"}))
    found = outputs.results(shown, tmp_path / "kept", "erm-plan-prod")
    assert found == {
        "blocked": "false", "pending": "2", "digest": "abc", "plan-file": "", "kept": "", "artifact": "erm-plan-prod",
    }  # fmt: skip
    with pytest.raises(SystemExit):
        outputs.written({"a": "b\nc=d"})
