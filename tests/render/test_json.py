"""The JSON of a plan: its contract, its schema, and what must never be in it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from erm_alembic.checks.without_target import DowngradeCheck, ProjectCheck
from erm_alembic.config.redaction import register_secret
from erm_alembic.config.settings import Settings
from erm_alembic.ledger.model import History
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.planning.terms import plan_digest
from erm_alembic.postgres.embedded.server import ServerStatus
from erm_alembic.render.check import check_json
from erm_alembic.render.json import render_json
from erm_alembic.render.project_check import project_check_json, rules_json
from erm_alembic.render.runs import history_json
from erm_alembic.render.schema import plan_schema, render_schema
from erm_alembic.render.server import server_json
from erm_alembic.render.settings import settings_json
from tests.render.plans import BLOCKED, DONE, EMPTY, FAILED, HOSTILE, INDEX, ORDERS, PLAN, ROLLBACK

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "plan.schema.json"


def test_the_contract_of_the_plan() -> None:
    """The printed object has the keys of the contract with the plan's values."""
    document: dict[str, Any] = json.loads(render_json(PLAN))
    assert {key: value for key, value in document.items() if key not in ("pending", "digest")} == {
        "schema_version": 1,
        "environment": "prod",
        "scope": None,
        "database": {"url": "postgresql://app:***@db/shop", "server_version": "15.18"},
        "direction": "upgrade",
        "current": ["000111"],
        "heads": ["d4e5f6"],
        "cannot_run": None,
        "half_done": [],
        "drift": [],
        "comparisons": [],
        "left_out": [],
        "findings": [],
        "ignored": [],
        "overrides": [],
        "data_loss": [],
        "tables": [],
        "backup": None,
        "exempted": 0,
        "blocked": False,
        "rehearsal": None,
    }
    assert document["pending"][1] == {
        "revision": "d4e5f6",
        "down_revision": ["a1b2c3"],
        "message": "index orders",
        "path": "migrations/versions/d4e5f6_index_orders.py",
        "direction": "upgrade",
        "downgrade": "empty",
        "irreversible_reason": None,
        "transactional": False,
        "rendered": "partial",
        "reason": "the revision reads what it wrote before",
        "source_hash": "cd" * 32,
        "certain": None,
        "proof": None,
        "predicted": None,
        "keeps": [],
        "statements": [
            {
                "sql": "CREATE INDEX CONCURRENTLY i ON orders (id)",
                "line": 9,
                "autocommit": True,
                "parameter_sets": 0,
                "raw": True,
                "read": False,
                "done": False,
                "path": None,
                "estimate": None,
                **dict.fromkeys(("locks", "rewrites", "builds", "scans", "rows", "duration_ms")),
            }
        ],
    }


def test_findings_and_drift_carry_their_place() -> None:
    """A finding and a drift have rule, severity, place, message and help under the contract's keys."""
    document = json.loads(render_json(BLOCKED))
    assert document["blocked"] is True
    assert document["findings"][0] == {
        "rule": "missing-revision",
        "severity": "error",
        "message": "Revision 000111 is recorded, but its file is gone.",
        "help": "Write it back: erm history restore 000111",
        "revision": "000111",
        "path": "migrations/versions",
        "line": 3,
        "overridden": None,
    }
    assert set(document["drift"][0]) >= {"kind", "object", "source", "expected", "found"}


@pytest.mark.parametrize(
    ("plan", "outcome"),
    [(PLAN, None), (BLOCKED, None), (ROLLBACK, None), (EMPTY, None), (PLAN, DONE), (PLAN, FAILED)],
)
def test_what_is_printed_conforms_to_the_schema(plan: Plan, outcome: Outcome | None) -> None:
    """Every printed plan, with and without an outcome, conforms to the shipped schema."""
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(render_json(plan, outcome)))


def test_the_schema_objects_to_a_wrong_plan() -> None:
    """The schema is not empty words: a plan with a key missing or an unknown severity does not conform."""
    validator = jsonschema.Draft202012Validator(plan_schema())
    document = json.loads(render_json(BLOCKED))
    missing = {key: value for key, value in document.items() if key != "blocked"}
    assert not validator.is_valid(missing)
    document["findings"][0]["severity"] = "fatal"
    assert not validator.is_valid(document)


def test_the_schema_file_is_current() -> None:
    """docs/plan.schema.json is what the generator writes from the model of today."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == render_schema()


def test_the_schema_is_in_the_package_under_its_name() -> None:
    """Whoever has installed erm can validate without fetching anything; the name has the version of the plan."""
    packed = resources.files("erm_alembic.render").joinpath("plan.schema.json").read_text(encoding="utf-8")
    assert packed == SCHEMA_FILE.read_text(encoding="utf-8")
    version = json.loads(render_json(PLAN))["schema_version"]
    assert json.loads(packed)["$id"] == f"urn:erm-alembic:plan:{version}"


def test_json_says_nothing_to_the_log_that_it_is_printed_to() -> None:
    """What a runner of workflows takes for a command wherever it stands is escaped, and comes back as it was."""
    text = render_json(replace(PLAN, environment="##[add-mask]x"))
    assert "##[" not in text and json.loads(text)["environment"] == "##[add-mask]x"


def test_the_schema_explains_every_key() -> None:
    """Every key of the schema has a description, taken from the model's docstrings."""
    schema = plan_schema()
    tables = [schema["properties"], *(model["properties"] for model in schema["$defs"].values())]
    assert [name for table in tables for name, value in table.items() if not value.get("description")] == []


def test_values_are_never_serialised() -> None:
    """The literal text of a statement, with its values, is in neither the plan nor its digest."""
    assert "41" not in render_json(PLAN).replace(plan_digest(PLAN), "")
    without = replace(ORDERS, statements=tuple(replace(item, literal=None) for item in ORDERS.statements))
    assert plan_digest(replace(PLAN, steps=(without, INDEX))) == plan_digest(PLAN)


def test_an_error_that_quotes_a_secret_is_masked() -> None:
    """A driver's error in the outcome loses the passwords that it quotes."""
    register_secret("lion-in-the-tank")
    text = render_json(PLAN, replace(FAILED, error="password=lion-in-the-tank"))
    assert "lion-in-the-tank" not in text


def test_hostile_names_stay_data() -> None:
    """Names with control characters come back unchanged from the JSON, which itself is plain ASCII."""
    text = render_json(replace(PLAN, steps=(replace(ORDERS, message=HOSTILE),)))
    assert json.loads(text)["pending"][0]["message"] == HOSTILE
    assert text.isascii()
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "changed",
    [
        replace(PLAN, current=()),
        replace(PLAN, environment="staging"),
        replace(PLAN, database_url="postgresql://other/shop"),
        replace(PLAN, steps=(INDEX, ORDERS)),
        replace(PLAN, steps=(replace(ORDERS, source_hash="ef" * 32), INDEX)),
        replace(PLAN, steps=(replace(ORDERS, statements=ORDERS.statements[:1]), INDEX)),
    ],
)
def test_the_digest_changes_with_what_would_run(changed: Plan) -> None:
    """Another target, state, order, file or statement is another digest."""
    assert plan_digest(changed) != plan_digest(PLAN)


def test_the_digest_leaves_judgement_out() -> None:
    """The same statements on the same state have the same digest, whatever the checks say."""
    assert plan_digest(replace(PLAN, findings=BLOCKED.findings)) == plan_digest(PLAN)


@pytest.mark.parametrize(
    "text",
    [
        check_json(DowngradeCheck((), 0)),
        project_check_json(ProjectCheck((), (), 0, 0, ())),
        rules_json(()),
        history_json(History()),
        server_json(ServerStatus(False, None, None, None, None, None)),
        settings_json(Settings("dev", Path("/srv"))),
    ],
)
def test_what_other_commands_print_has_a_version_of_its_schema_too(text: str) -> None:
    """Whoever reads an object can tell by which rules its keys are to be read."""
    assert json.loads(text)["schema_version"] == 1
