"""What `erm migrate` does with its options and with the pipeline's answers (the pipeline itself is a stand-in here)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.planning.model import Outcome
from tests.cli.pipeline import AlembicOptions, FakePipeline, Override, erm, install
from tests.render.plans import BLOCKED, EMPTY, FAILED, PLAN

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "pipeline", "code"),
    [
        (["--mode", "plan"], FakePipeline(), 0),
        (["--mode", "plan", "--check"], FakePipeline(), 3),
        (["--mode", "plan", "--check"], FakePipeline(answer_plan=EMPTY), 0),
        (["--mode", "plan"], FakePipeline(answer_plan=BLOCKED), 1),
        (["--mode", "plan", "--check"], FakePipeline(answer_plan=BLOCKED), 1),
        (["--mode", "plan", "--sql"], FakePipeline(), 0),
        (["--mode", "rollback", "--check"], FakePipeline(), 3),
        ([], FakePipeline(), 0),
        ([], FakePipeline(answer_plan=EMPTY, outcome=Outcome("nothing-to-do")), 0),
        ([], FakePipeline(outcome=FAILED), 1),
        ([], FakePipeline(answer_plan=BLOCKED, outcome=Outcome("refused")), 1),
        ([], FakePipeline(outcome=Outcome("interrupted")), 130),
        (["--mode", "rollback"], FakePipeline(), 0),
        (["--mode", "rollback"], FakePipeline(outcome=FAILED), 1),
    ],
)
def test_exit_codes(
    arguments: list[str], pipeline: FakePipeline, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The exit code says done, refused or failed, or pending with --check."""
    install(monkeypatch, pipeline)
    assert erm(capsys, "migrate", *arguments)[0] == code


@pytest.mark.parametrize("arguments", [["--mode", "plan"], ["--mode", "apply"], ["--mode", "rollback"]])
def test_json_is_alone_on_stdout(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """With --format json stdout is one object, whatever env.py prints and the progress says."""
    install(monkeypatch, FakePipeline(prints="hello from env.py"))
    _, out, err = erm(capsys, "migrate", *arguments, "--format", "json")
    assert ("outcome" in json.loads(out)) is (arguments[1] != "plan")
    assert "hello from env.py" in err


def test_progress_is_plain_lines_when_stderr_is_no_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """In CI, each step has a line at its start and one at its end, on stderr."""
    install(monkeypatch, FakePipeline())
    _, out, err = erm(capsys, "migrate")
    assert err == (
        "[1/2] Applying a1b2c3  add orders\n"
        "      a1b2c3 done  (40 ms, 2 statements)\n"
        "[2/2] Applying d4e5f6  index orders\n"
        "      d4e5f6 done  (1.2 s, 1 statement)\n"
    )
    assert "\x1b" not in out + err


def test_verbose_progress_has_every_statement(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """With -v, each statement has its line as it is sent."""
    install(monkeypatch, FakePipeline())
    assert "      line 12: CREATE TABLE orders ( id int PRIMARY KEY )\n" in erm(capsys, "migrate", "-v")[2]


def test_apply_hands_everything_on(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Every option of apply reaches the pipeline in its own type."""
    pipeline = install(monkeypatch, FakePipeline())
    typed = "--env prod --to a1 --wait 5m --accept-environment --no-rehearse -x a=1 -x b=2"
    typed += " --name two --tag t --config c.yaml"
    code, _, _ = erm(capsys, "migrate", *typed.split(), "--override", "r1", "--override", "r2", "--reason", "why")
    [(function, args, kwargs)] = pipeline.calls
    kwargs.pop("progress")
    assert (code, function, args) == (0, "apply", ("prod",))
    assert kwargs == {
        "config": Path("c.yaml"),
        "to": "a1",
        "wait": 300.0,
        "overrides": (Override("r1", "why"), Override("r2", "why")),
        "accept_environment": True,
        "rehearse": False,
        "approved": None,
        "options": AlembicOptions(x=("a=1", "b=2"), name="two", tag="t"),
    }


def test_each_override_may_have_its_own_reason(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """As many reasons as overrides are paired in their order."""
    pipeline = install(monkeypatch, FakePipeline())
    erm(capsys, "migrate", *["--override", "r1", "--reason", "one", "--override", "r2", "--reason", "two"])
    assert pipeline.calls[0][2]["overrides"] == (Override("r1", "one"), Override("r2", "two"))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("--mode rollback", {"steps": 1, "to": None, "allow_data_loss": False, "wait": None}),
        ("--mode rollback --steps 3 --allow-data-loss", {"steps": 3, "allow_data_loss": True}),
        ("--mode rollback --to base", {"to": "base"}),
    ],
)
def test_rollback_hands_everything_on(
    typed: str, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """How far to roll back, and what may be lost, reach the pipeline."""
    pipeline = install(monkeypatch, FakePipeline())
    erm(capsys, "migrate", *typed.split())
    [(function, _, kwargs)] = pipeline.calls
    assert function == "rollback"
    assert {name: kwargs[name] for name in expected} == expected


def test_the_script_has_its_values(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """--sql prints nothing but the script, with the values that a plan never shows."""
    install(monkeypatch, FakePipeline())
    _, out, _ = erm(capsys, "migrate", "--mode", "plan", "--sql")
    assert out.startswith("-- erm: upgrade of prod")
    assert "VALUES (41), (42), (43);" in out


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ("--sql", "--sql prints a script and apply runs the plan."),
        ("--check", "--check looks without touching and apply runs the plan."),
        ("--steps 2", "--steps counts revisions to roll back; apply goes up to a revision."),
        ("--mode plan --steps 2", "--steps counts revisions to roll back; plan goes up to a revision."),
        ("--mode rollback --steps 0", "--steps 0 rolls back nothing."),
        ("--mode rollback --steps 1 --to a", "--steps and --to both say how far to roll back."),
        ("--mode plan --sql --format json", "--sql prints SQL and --format json prints JSON."),
        ("--mode plan --sql --check", "--sql prints a script and --check only exits with a code."),
        ("--allow-data-loss", "--allow-data-loss is for a rollback, not for apply."),
        ("--reason why", "--reason says why a rule is overridden, and none is."),
        ("--override r", "--override needs --reason TEXT."),
        ("--override a --override b --override c --reason x --reason y", "3 times --override and 2 times"),
        ("--mode plan --wait 5m", "--wait has an effect on apply and rollback only, and this command runs nothing."),
        ("--wait soon", "--wait: 'soon' is not a duration"),
        ("--wait 5", "--wait: '5' is not a duration"),
        ("--mode sideways", "Invalid value for '--mode'"),
        ("--stpes 2", "erm migrate has no option --stpes."),
        ("surplus", "surplus stands alone."),
    ],
)
def test_bad_combinations_are_refused_in_words(
    typed: str, what: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Options that contradict each other exit 2 before the pipeline is called, and say what to type."""
    pipeline = install(monkeypatch, FakePipeline())
    code, out, err = erm(capsys, "migrate", *typed.split())
    assert (code, pipeline.calls) == (2, [])
    assert (out != "") is ("--format json" in typed)
    assert err.startswith(f"error:  {what}")
    assert "\neffect: Nothing was " in err
    assert "\ncure:   " in err


def test_an_empty_reason_is_no_reason(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """An override is recorded with its reason, so a blank one is refused."""
    install(monkeypatch, FakePipeline())
    code, _, err = erm(capsys, "migrate", "--override", "r", "--reason", "  ")
    assert (code, err.splitlines()[0]) == (2, "error:  --reason is empty.")


def test_help_has_examples(capsys: Capture) -> None:
    """--help ends with commands to copy."""
    code, out, _ = erm(capsys, "migrate", "--help")
    assert code == 0
    assert "  erm migrate --mode plan --check --env prod       exit 3 when there is any\n" in out


def test_the_next_command_is_about_the_same_plan(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A plan up to one revision does not suggest a command that goes further."""
    install(monkeypatch, FakePipeline())
    _, out, _ = erm(capsys, "migrate", *["--mode", "plan", "--to", "a1", "-x", "tenant=7", "--config", "c.yaml"])
    assert out.endswith("\nTo run it: erm migrate --env prod --to a1 --config c.yaml -x tenant=7\n")


def test_a_blocked_plan_that_was_to_be_kept_is_kept_by_the_command_that_lets_it_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    """It plans again with all that was typed, and runs nothing; nor does a rollback that is kept."""
    monkeypatch.chdir(tmp_path)
    install(monkeypatch, FakePipeline(answer_plan=BLOCKED))
    _, out, _ = erm(
        *(capsys, "migrate", "--mode", "plan", "--to", "a1", "--out", "p.json", "--approve-partial", "a1"),
        *("--no-rehearse",),
    )
    typed = "--to a1 --out p.json --approve-partial a1 --no-rehearse"
    assert f"\nDo what the help lines say, then: erm migrate --mode plan --env prod {typed}\n" in out
    assert out.splitlines()[-1].startswith(f"  erm migrate --mode plan --env prod {typed} --override ")
    install(monkeypatch, FakePipeline(answer_plan=replace(BLOCKED, direction="downgrade")))
    _, out, _ = erm(capsys, "migrate", "--mode", "rollback", "--steps", "2", "--out", "p.json")
    assert "\nDo what the help lines say, then: erm migrate --mode rollback --env prod --steps 2 --out p.json\n" in out
    lets_pass = "  erm migrate --mode rollback --env prod --steps 2 --out p.json --override "
    assert out.splitlines()[-1].startswith(lets_pass)


def test_a_second_look_has_what_the_first_one_had(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """`--check` and `--copy-data` belong into it, and not into the command that lets the plan pass."""
    install(monkeypatch, FakePipeline(answer_plan=BLOCKED))
    _, out, _ = erm(capsys, "migrate", "--mode", "plan", "--check", "--copy-data", "t:5", "--rehearse")
    again = "erm migrate --mode plan --env prod --check --copy-data t:5 --rehearse"
    assert f"\nDo what the help lines say, then: {again}\n" in out
    assert out.splitlines()[-1].startswith("  erm migrate --env prod --rehearse --override ")


def test_text_is_the_default(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Without --format, the plan is printed as text."""
    install(monkeypatch, FakePipeline(answer_plan=replace(PLAN, environment="staging")))
    assert erm(capsys, "migrate", "--mode", "plan")[1].startswith("Target   staging  postgresql://")
