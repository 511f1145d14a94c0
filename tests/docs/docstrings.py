"""A docstring in its parts, and its example as one that runs by itself."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import importlib
import inspect
import re
from dataclasses import dataclass

from erm_alembic import routing

__all__ = ["Docstring", "read", "runnable"]

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example):$")
_ENTRY = re.compile(r"^(\*{0,2}\w+): (.*)$")


@dataclass(frozen=True)
class Docstring:
    """A docstring in its parts.

    Args:
        text: its paragraphs.
        arguments: by name what each is.
        returns: what comes back; empty where nothing is said of it.
        raises: by class when it is raised.
        example: the lines of its example.
    """

    text: str
    arguments: dict[str, str]
    returns: str
    raises: dict[str, str]
    example: str


def read(docstring: str) -> Docstring:
    """A docstring in its parts.

    Args:
        docstring: as it stands in the code.
    """
    sections: dict[str, list[str]] = {"": []}
    current = ""
    for line in inspect.cleandoc(docstring).splitlines():
        if found := _SECTION.match(line):
            current = found[1]
            sections[current] = []
        else:
            sections[current].append(line)
    return Docstring(
        text="\n".join(sections[""]).strip(),
        arguments=_entries(sections.get("Args", sections.get("Attributes", []))),
        returns=" ".join(line.strip() for line in sections.get("Returns", [])).strip(),
        raises=_entries(sections.get("Raises", [])),
        example=inspect.cleandoc("\n".join(sections.get("Example", []))),
    )


def runnable(docstring: Docstring, module: str) -> Docstring:
    """The same, where the example imports what it finds in its module.

    Args:
        docstring: the docstring.
        module: the name of the module that it stands in.
    """
    there = vars(importlib.import_module(module))
    imported: dict[str, list[str]] = {}
    for name in sorted(_names_of(docstring.example) & set(there)):
        source = routing.__name__ if name in routing.__all__ else there[name].__module__
        imported.setdefault(source, []).append(name)
    lines = [f">>> from {source} import {', '.join(names)}\n" for source, names in sorted(imported.items())]
    return dataclasses.replace(docstring, example="".join(lines) + docstring.example)


def _names_of(example: str) -> set[str]:
    """The names that an example uses without having brought them."""
    used: set[str] = set()
    brought: set[str] = set()
    for statement in doctest.DocTestParser().get_examples(example):
        for node in ast.walk(ast.parse(statement.source)):
            if isinstance(node, ast.alias):
                brought.add(node.asname or node.name)
            elif isinstance(node, ast.Name):
                (used if isinstance(node.ctx, ast.Load) else brought).add(node.id)
    return used - brought


def _entries(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc("\n".join(lines)).splitlines():
        if (entry := _ENTRY.match(line)) is not None:
            name = entry[1]
            found[name] = entry[2]
        elif line.strip():
            found[name] = f"{found[name]} {line.strip()}"
    return found
