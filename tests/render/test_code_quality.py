"""Code quality reports of GitLab, and SARIF: valid by their schemas, and the same finding in every run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import given, settings

from erm_alembic.checks import CHECKS
from erm_alembic.errors import ErmError
from erm_alembic.findings import Finding, Ignored
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.render import gitlab, pages, sarif
from erm_alembic.render.places import Places
from erm_alembic.render.presentation import Presentation
from tests.render.hostile import HOSTILE, hostile, outcome_of, plan_of
from tests.render.plans import BLOCKED, DONE, EMPTY, FAILED, PLAN, ROLLBACK

SCHEMAS = Path(__file__).parent / "schemas"
HOW = Presentation(places=Places(Path("/srv/mono/shop"), Path("/srv/mono")))
LOSES = Finding(
    "downgrade-lossy", "warning", "Loses 12 rows (40 ms) of public.t1.", "Put them back.", path="v/a.py", line=7
)


def _validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


@pytest.fixture(scope="module")
def of_sarif() -> Any:
    return _validator("sarif-2.1.0.json")


@pytest.fixture(scope="module")
def of_gitlab() -> Any:
    return _validator("gitlab-code-quality.json")


def run_of(plan: Plan | None, findings: tuple[Finding, ...] = (), outcome: Outcome | None = None) -> dict[str, Any]:
    """The only run of a SARIF log."""
    (run,) = json.loads(sarif.report(plan, findings, outcome, HOW))["runs"]
    return dict(run)


@pytest.mark.parametrize(
    ("plan", "outcome"),
    [(PLAN, None), (BLOCKED, None), (ROLLBACK, None), (EMPTY, None), (PLAN, DONE), (PLAN, FAILED)],
)
def test_every_report_is_valid(plan: Plan, outcome: Outcome | None, of_sarif: Any, of_gitlab: Any) -> None:
    """SARIF by the schema of OASIS, code quality by what GitLab's documentation asks for."""
    findings = (*plan.findings, LOSES)
    of_sarif.validate(json.loads(sarif.report(plan, findings, outcome, HOW)))
    of_gitlab.validate(json.loads(gitlab.report(plan, findings, outcome, HOW)))


@given(hostile())
@settings(max_examples=settings().max_examples // 5)
def test_an_error_is_a_valid_report(of_sarif: Any, of_gitlab: Any, text: str) -> None:
    """Which is not empty: an empty one would say that nothing objects."""
    error = ErmError(text, effect=text, cure=text)
    log, issues = json.loads(sarif.failure(error, HOW)), json.loads(gitlab.failure(error, HOW))
    of_sarif.validate(log)
    of_gitlab.validate(issues)
    assert [issue["severity"] for issue in issues] == ["blocker"]
    (ended,) = log["runs"][0]["invocations"]
    assert (ended["executionSuccessful"], len(ended["toolExecutionNotifications"])) == (False, 1)


def test_the_schemas_object_to_a_wrong_report(of_sarif: Any, of_gitlab: Any) -> None:
    """They are no empty words."""
    log = json.loads(sarif.report(None, (LOSES,), None, HOW))
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not of_sarif.is_valid(log)
    assert not of_gitlab.is_valid([{"description": "no place"}])


def test_gitlab_is_told_file_line_and_severity() -> None:
    """An error blocks the plan, so that it is a blocker there."""
    (first, second) = json.loads(gitlab.report(BLOCKED, (LOSES, *BLOCKED.findings), None, HOW))
    assert first["description"].startswith("Revision 000111 is recorded, but its file is gone. Write it back:")
    assert (first["check_name"], first["severity"]) == ("missing-revision", "blocker")
    assert first["location"] == {"path": "shop/migrations/versions", "lines": {"begin": 3}}
    assert (second["severity"], second["location"]["lines"]["begin"]) == ("major", 7)


def test_a_finding_is_known_again_by_what_does_not_change() -> None:
    """Neither its line nor the rows and times of the day make another finding; another table does."""
    later = replace(LOSES, message="Loses 1,400 rows (1.2 s) of public.t1.", line=70)
    other = replace(LOSES, message="Loses 12 rows (40 ms) of public.t2.")
    prints = [json.loads(gitlab.report(None, (each,), None, HOW))[0]["fingerprint"] for each in (LOSES, later, other)]
    assert prints[0] == prints[1] != prints[2]
    twice = json.loads(gitlab.report(None, (LOSES, LOSES), None, HOW))
    assert len({each["fingerprint"] for each in twice}) == 2 and twice[0]["fingerprint"] == prints[0]
    (result,) = run_of(None, (LOSES,))["results"]
    assert result["partialFingerprints"]["ermFinding/v1"] == prints[0]


def test_sarif_has_a_rule_with_its_page_for_each_result() -> None:
    """Who sees an alert reads there why the rule is there and what is safe."""
    run = run_of(PLAN, (LOSES, Finding("squawk/ban-drop-column", "error", "m")))
    rules = run["tool"]["driver"]["rules"]
    assert [rules[each["ruleIndex"]]["id"] for each in run["results"]] == [each["ruleId"] for each in run["results"]]
    by_id = {rule["id"]: rule for rule in rules}
    assert by_id["downgrade-lossy"]["help"]["markdown"].startswith("# downgrade-lossy\n")
    assert by_id["squawk/ban-drop-column"]["helpUri"] == "https://squawkhq.com/docs/ban-drop-column"
    assert run["automationDetails"]["id"] == "erm/plan/prod/"


def test_every_rule_has_a_page_and_an_address_where_the_project_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address comes from what the distribution says of itself."""
    pages.page_of.cache_clear()
    monkeypatch.setattr(pages, "documentation", lambda: "https://docs.example/erm/")
    try:
        found = {check.rule: pages.page_of(check.rule) for check in CHECKS}
    finally:
        pages.page_of.cache_clear()
    assert [rule for rule, page in found.items() if not (page.text.startswith(f"# {rule}\n") and page.summary)] == []
    assert found["data-loss"].address == "https://docs.example/erm/checks/data-loss.md"


def test_what_is_let_pass_is_told_as_such() -> None:
    """By an override with its reason, and by a comment in the file."""
    passed = replace(LOSES, severity="info", overridden="the rows are copies")
    plan = replace(PLAN, ignored=(Ignored("squawk/ban-drop-column", "unused since 2.1", "a1", "v/b.py", 4),))
    first, second = run_of(plan, (passed,))["results"]
    assert first["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "the rows are copies"}]
    assert second["suppressions"][0]["kind"] == "inSource"
    assert second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "shop/v/b.py"


def test_a_message_has_neither_placeholders_nor_links_of_its_own() -> None:
    """SARIF gives braces and brackets a meaning."""
    (result,) = run_of(None, (replace(LOSES, message="{0} of [x](https://evil.example)", help=""),))["results"]
    assert result["message"]["text"] == "{{0}} of [x] (https://evil.example)"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_reports_are_valid_and_plain(text: str, of_sarif: Any, of_gitlab: Any) -> None:
    """Nothing invisible, nothing that a runner takes for a command, and a path that leads where it should."""
    plan = plan_of(text)
    for told, validator in (
        (sarif.report(plan, plan.findings, outcome_of(text), HOW), of_sarif),
        (gitlab.report(plan, plan.findings, outcome_of(text), HOW), of_gitlab),
    ):
        assert told.isascii() and "##[" not in told
        assert [
            each for each in _texts(json.loads(told)) if not each.replace("\n", "").replace("\u200d", "").isprintable()
        ] == []
        validator.validate(json.loads(told))


def _texts(value: Any) -> Iterator[str]:
    """Every text of a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


@settings(max_examples=settings().max_examples // 5)
@given(text=hostile())
def test_made_up_reports_are_valid(text: str, of_sarif: Any, of_gitlab: Any) -> None:
    """Whatever findings say, and wherever they are."""
    plan = plan_of(text)
    log = json.loads(sarif.report(plan, plan.findings, None, Presentation()))
    of_sarif.validate(log)
    of_gitlab.validate(json.loads(gitlab.report(plan, plan.findings, None, Presentation())))
    for result in log["runs"][0]["results"]:
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert unquote(uri).isprintable() or not text.isprintable()
