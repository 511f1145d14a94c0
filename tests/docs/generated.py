"""The reference pages of the site: made from the code each time it is built, so that they are never behind it.

- every command and option, from the table of commands that `erm` itself runs;
- every key of erm.yaml, from the JSON schema that editors use;
- every key of a plan's JSON, from its schema;
- the functions of `erm_alembic` for Python callers, from their docstrings.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from erm_alembic.cli.main import COMMANDS, app
from tests.docs.docstrings import read
from tests.support.cli import REPOSITORY

__all__ = ["PAGES", "cli", "configuration", "plan", "python"]

FUNCTIONS = (
    "erm_alembic.migrate:plan",
    "erm_alembic.migrate:apply",
    "erm_alembic.migrate:plan_rollback",
    "erm_alembic.migrate:rollback",
    "erm_alembic.approvals:keep_plan",
    "erm_alembic.inspection:status",
    "erm_alembic.inspection:history",
    "erm_alembic.repairs:repair",
    "erm_alembic.comparing:drift",
    "erm_alembic.granting:least_grants",
)
SCHEMA_WORDS = {"null": "", "object": "mapping"}


def cli() -> str:
    """Every command with its options, as its `--help` has them."""
    lines = [
        "# Commands and options",
        "",
        "What `erm COMMAND --help` says, all of it. What the commands are for stands in [The command line](../cli.md).",
        "",
    ]
    program = typer.main.get_command(app)
    lines += ["## erm", "", *_options(program, program.make_context("erm", [], resilient_parsing=True))]
    for each in COMMANDS:
        command = each.load()
        lines += ["", f"## erm {each.name}", "", *_command(command, f"erm {each.name}")]
        for name, below in sorted(getattr(command, "commands", {}).items()):
            lines += ["", f"### erm {each.name} {name}", "", *_command(below, f"erm {each.name} {name}")]
    return "\n".join(lines) + "\n"


def _command(command: Any, typed: str) -> Iterator[str]:
    context = command.make_context(typed, [], resilient_parsing=True)
    yield from (
        "```text",
        " ".join([typed, *command.collect_usage_pieces(context)]),
        "```",
        "",
        _text(command.help),
        "",
    )
    yield from _options(command, context)
    examples = [line.strip() for line in (command.epilog or "").replace("\b", "").splitlines() if line.startswith("  ")]
    if examples:
        yield from ("", "```text", *examples, "```")


def _options(command: Any, context: Any) -> Iterator[str]:
    """What stands in its `--help`, as a table."""
    told = [record for each in command.params if (record := each.get_help_record(context)) is not None]
    if told:
        yield from ("| option | meaning |", "| --- | --- |")
    for names, meaning in told:
        yield f"| `{names.replace('|', chr(92) + '|')}` | {_cell(meaning)} |"


def configuration() -> str:
    """Every key of erm.yaml."""
    schema = json.loads((REPOSITORY / "docs" / "erm.schema.json").read_text(encoding="utf-8"))
    return _schema_page(
        schema,
        "Keys of erm.yaml",
        "From the schema that `erm config schema` prints. What they are for stands in "
        "[Configuration](../configuration.md).",
    )


def plan() -> str:
    """Every key of a plan's JSON."""
    schema = json.loads((REPOSITORY / "docs" / "plan.schema.json").read_text(encoding="utf-8"))
    told = "What `erm migrate --format json` prints. Keys are added, never renamed. How they are to be read stands in "
    told += "[The command line](../cli.md#the-plan-as-json)."
    return _schema_page(schema, "The plan as JSON", told)


def _schema_page(schema: Mapping[str, Any], title: str, told: str) -> str:
    lines = [f"# {title}", "", told, "", *_keys(schema)]
    for name, part in schema.get("$defs", {}).items():
        if part.get("properties"):
            lines += ["", f"## {name}", "", _text(part.get("description")), "", *_keys(part)]
    return "\n".join(lines) + "\n"


def _keys(part: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| key | value | meaning |", "| --- | --- | --- |")
    for name, value in part.get("properties", {}).items():
        yield f"| `{name}` | {_value(value)} | {_cell(value.get('description', ''))} |"


def _value(value: Mapping[str, Any]) -> str:
    """What a key may hold, in few words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in value:
        return " ".join(f"`{each}`" for each in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if "anyOf" in value:
        found = [_value(each) for each in value["anyOf"] if each.get("pattern") != "\\$\\{"]
        return " or ".join(dict.fromkeys(filter(None, found)))
    if value.get("type") == "array":
        return f"list of {_value(value.get('items', {})) or 'values'}"
    if isinstance(value.get("additionalProperties"), Mapping):
        return f"mapping to {_value(value['additionalProperties'])}"
    types = value.get("type", "")
    named = types if isinstance(types, list) else [types]
    return " or ".join(filter(None, (SCHEMA_WORDS.get(each, each) for each in named)))


def python() -> str:
    """The functions for Python callers."""
    told = (
        "What the commands do, for Python callers; how they belong together stands in [Python API](../python-api.md)."
    )
    lines = ["# Python functions", "", told, ""]
    for each in FUNCTIONS:
        module, _, name = each.partition(":")
        function = getattr(importlib.import_module(module), name)
        docstring = read(function.__doc__ or "")
        public = "erm_alembic" if name in importlib.import_module("erm_alembic").__all__ else module
        lines += ["", f"## {public}.{name}", ""]
        lines += ["```python", f"{name}{_signature(function)}", "```", "", docstring.text]
        if docstring.arguments:
            lines += ["", "| argument | meaning |", "| --- | --- |"]
            lines += [f"| `{argument}` | {_cell(what)} |" for argument, what in docstring.arguments.items()]
        if docstring.raises:
            lines += ["", "| raises | when |", "| --- | --- |"]
            lines += [f"| `{error}` | {_cell(what)} |" for error, what in docstring.raises.items()]
        if docstring.example:
            lines += ["", "```python", docstring.example, "```"]
    return "\n".join(lines) + "\n"


def _signature(function: Any) -> str:
    text = str(inspect.signature(function)).replace("'", "")
    if len(text) < 90:
        return text
    inner, _, ending = text[1:].rpartition(")")
    return "".join(["(\n    ", ",\n    ".join(re.split(r", (?=[a-z_*])", inner)), ",\n)", ending])


def _text(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    """A text as one cell of a table, in which nothing is taken for a tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


PAGES = {
    "reference/cli.md": cli,
    "reference/configuration.md": configuration,
    "reference/plan.md": plan,
    "reference/python.md": python,
}
