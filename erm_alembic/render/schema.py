"""The JSON Schema of a plan, generated from the dataclasses that it is printed from (docs/plan.schema.json).

Write it again after a change of the model, for readers and into the package:
`python -m erm_alembic.render.schema | tee docs/plan.schema.json > erm_alembic/render/plan.schema.json`.
"""

from __future__ import annotations

import re
import sys
import types
from dataclasses import fields
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from erm_alembic.findings import Finding, Ignored, Override
from erm_alembic.ledger.backups import LostObject, RunGuard
from erm_alembic.planning.approved_plan import FILE_VERSION, SCHEMA_VERSION
from erm_alembic.planning.backups import HeldBackup, PlannedBackup
from erm_alembic.planning.comparison import Comparison, LeftOut
from erm_alembic.planning.model import DataLoss, Drift, HalfDoneRevision, Outcome, Statement, Step, StepOutcome
from erm_alembic.planning.rehearsal import (
    EarlierPredictions,
    Estimate,
    FailedRevision,
    FailureOnRows,
    Observed,
    ObservedLock,
    Prediction,
    Proof,
    Rehearsal,
)
from erm_alembic.planning.sizes import TableSize
from erm_alembic.render.json import NEVER_SERIALISED, dump

__all__ = ["SCHEMA_ID", "plan_schema", "render_schema"]

# A name, not an address: its number is the `schema_version` of what it describes.
SCHEMA_ID = f"urn:erm-alembic:plan:{SCHEMA_VERSION}"

Schema = dict[str, Any]

DEFINITIONS: tuple[type[Any], ...] = (
    Statement,
    ObservedLock,
    Estimate,
    Step,
    Proof,
    Rehearsal,
    FailedRevision,
    FailureOnRows,
    Prediction,
    EarlierPredictions,
    HalfDoneRevision,
    Drift,
    Comparison,
    LeftOut,
    Finding,
    Ignored,
    Override,
    DataLoss,
    TableSize,
    LostObject,
    HeldBackup,
    PlannedBackup,
    RunGuard,
    StepOutcome,
    Outcome,
)

SCALARS: dict[type[Any], str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    float: "number",
    types.NoneType: "null",
}

REVISIONS: Schema = {"type": "array", "items": {"type": "string"}}


def _reference(model: type[Any]) -> Schema:
    return {"$ref": f"#/$defs/{model.__name__}"}


def _many(model: type[Any], description: str) -> Schema:
    return {"type": "array", "items": _reference(model), "description": description}


def _type(annotation: Any) -> Schema:
    """The schema of one annotation of the model.

    Raises:
        TypeError: the model uses a type that this generator does not know.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is datetime:
        return {"type": "string", "format": "date-time"}
    if annotation in SCALARS:
        return {"type": SCALARS[annotation]}
    if annotation in DEFINITIONS:
        return _reference(annotation)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return {"type": "array", "items": _type(arguments[0])}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_type(argument) for argument in arguments]}
    raise TypeError(f"no JSON Schema is known for {annotation!r}")


def _descriptions(model: type[Any]) -> dict[str, str]:
    """What the docstring's `Args:` says about each field."""
    section = (model.__doc__ or "").partition("Args:")[2].partition("Example:")[0]
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _definition(model: type[Any]) -> Schema:
    hints, descriptions = get_type_hints(model), _descriptions(model)
    properties = {
        field.name: {**_type(hints[field.name]), "description": descriptions.get(field.name, "")}
        for field in fields(model)
        if (model, field.name) not in NEVER_SERIALISED
    }
    if model is Statement:
        properties |= _of_observed()
    if model is Step:
        properties["down_revision"] = properties.pop("down_revisions")
    summary = (model.__doc__ or "").partition("\n")[0]
    return {
        "type": "object",
        "description": summary,
        "properties": properties,
        "required": sorted(properties),
    }


def _of_observed() -> Schema:
    """What a statement carries of a rehearsal; null where it was not seen there."""
    hints, descriptions = get_type_hints(Observed), _descriptions(Observed)
    return {
        field.name: {**_or_null(_type(hints[field.name])), "description": descriptions[field.name]}
        for field in fields(Observed)
    }


def _or_null(schema: Schema) -> Schema:
    choices = schema.get("anyOf", [schema])
    null = {"type": "null"}
    return {"anyOf": choices if null in choices else [*choices, null]}


def _error() -> Schema:
    texts = {"what": "What happened.", "effect": "What it means for the database.", "cure": "What to do."}
    members: Schema = {name: {"type": "string", "description": text} for name, text in texts.items()}
    members["exit_code"] = {"type": "integer", "description": "The exit code of the command."}
    return {
        "type": "object",
        "description": "Why there is no plan; then this and `schema_version` are the only keys.",
        "properties": members,
        "required": sorted(members),
    }


def _approval() -> Schema:
    """What the file of an approved plan has beside the plan."""
    text, optional, number = {"type": "string"}, {"type": ["string", "null"]}, {"type": "integer"}
    target = {"system_identifier": optional, "database_oid": number, "database": text}
    partial = {"revision": text, "certain": number}
    signature = {"algorithm": {"const": "ed25519"}, "key": text, "value": text}
    hidden = {"revision": text, "statement": number, "known_by": text}
    members: Schema = {
        "version": {"const": FILE_VERSION},
        "target": {"type": "object", "properties": target, "required": sorted(target)},
        "version_table": text,
        "schema": optional,
        "role": text,
        "to": optional,
        "steps": number,
        "catalog": text,
        "partial": {
            "type": "array",
            "items": {"type": "object", "properties": partial, "required": sorted(partial)},
        },
        "hidden": {
            "type": "array",
            "items": {"type": "object", "properties": hidden, "required": sorted(hidden)},
        },
        "created_at": {"type": "string", "format": "date-time"},
        "erm_version": text,
        "checksum": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }
    return {
        "type": "object",
        "description": "What was approved with the plan; only in a file of --out.",
        "properties": {**members, "signature": {"type": "object", "properties": signature}},
        "required": sorted(members),
    }


def plan_schema() -> Schema:
    """The schema of what `erm migrate --format json` prints, as a dictionary.

    Unknown keys are allowed on purpose: later versions add keys.

    Example:
        >>> plan_schema()["properties"]["blocked"]["type"]
        'boolean'
    """
    database = {"url": {"type": "string"}, "server_version": {"type": "string"}}
    properties: Schema = {
        "schema_version": {
            "const": SCHEMA_VERSION,
            "description": "Raised only when a key changes its meaning.",
        },
        "environment": {"type": "string", "description": "The profile that the plan was made for."},
        "scope": {
            "type": ["string", "null"],
            "description": "Always null: every plan is about a whole database.",
        },
        "database": {
            "type": "object",
            "description": "The target; its URL carries no password.",
            "properties": database,
            "required": sorted(database),
        },
        "direction": {"enum": ["upgrade", "downgrade"], "description": "`downgrade` for a rollback."},
        "current": {**REVISIONS, "description": "The revisions recorded in the database."},
        "heads": {**REVISIONS, "description": "The heads of the project's revision files."},
        "pending": _many(Step, "The revisions that would run, in their order."),
        "cannot_run": {
            "type": ["string", "null"],
            "description": "Why nothing can be run, whatever the rules say; then `pending` may not be all.",
        },
        "half_done": _many(HalfDoneRevision, "Revisions of which only a part is committed."),
        "drift": _many(Drift, "Where database, recorded history and models differ."),
        "comparisons": _many(Comparison, "How each comparison that looks for drift ended."),
        "left_out": _many(LeftOut, "What `drift.ignore` left out of them, and other tools' histories."),
        "findings": _many(Finding, "What the checks say."),
        "ignored": _many(Ignored, "The findings that comments in their files let pass."),
        "overrides": _many(Override, "The rules that may pass this once, whether they object or not."),
        "data_loss": _many(DataLoss, "What a rollback would lose; empty for an upgrade."),
        "tables": _many(TableSize, "How large the tables are that the statements are about, as far as they are there."),
        "backup": {
            "anyOf": [_reference(PlannedBackup), {"type": "null"}],
            "description": "What is to be said of backups; null where none is demanded, and none holds what is lost.",
        },
        "exempted": {"type": "integer", "description": "Revisions exempted by `safety.downgrades_since`."},
        "blocked": {"type": "boolean", "description": "Whether apply and rollback refuse this plan."},
        "rehearsal": {
            "anyOf": [_reference(Rehearsal), {"type": "null"}],
            "description": "Whether the plan was tried out in a shadow; null where nothing was to be tried.",
        },
        "digest": {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "SHA-256 of target, current revisions, pending files and statements, and the schema.",
        },
    }
    required = sorted(properties)
    properties["outcome"] = {
        **_reference(Outcome),
        "description": "How it ended; only for apply and rollback.",
    }
    properties["approval"] = _approval()
    properties["error"] = _error()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "The plan of erm migrate --format json",
        "type": "object",
        "properties": properties,
        "anyOf": [{"required": required}, {"required": ["error", "schema_version"]}],
        "$defs": {model.__name__: _definition(model) for model in DEFINITIONS},
    }


def render_schema() -> str:
    """The schema as the text of docs/plan.schema.json."""
    return dump(plan_schema())


if __name__ == "__main__":
    sys.stdout.write(render_schema())
