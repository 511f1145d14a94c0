"""Reads erm.yaml with the line of every key.

Scalars are kept as the text that stands in the file, and the model gives them their type: so `off` stays a rule's
level, a revision `0012` keeps its zeros and `1e5` is not a float. Duplicate keys, which YAML parsers drop in silence,
are problems.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from erm_alembic.errors import ConfigurationError

__all__ = ["Document", "InvalidConfiguration", "KeyPath", "Problem", "dotted", "read_document"]

KeyPath = tuple[str | int, ...]

_MERGE_TAG = "tag:yaml.org,2002:merge"
_NULL_TAG = "tag:yaml.org,2002:null"
_CORE_TAGS = "tag:yaml.org,2002:"
# A few aliases of aliases can stand for billions of nodes.
_MOST_NODES = 50_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in the file.

    Args:
        line: the line in the file, counted from 1; None when it concerns no line.
        key: the dotted key.
        message: what is wrong.
        nearest: the known key or value that was probably meant.
    """

    line: int | None
    key: str
    message: str
    nearest: str | None = None

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line is not None else ""
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{place}{self.key + ': ' if self.key else ''}{self.message}{hint}"


class InvalidConfiguration(ConfigurationError):
    """All problems of one erm.yaml.

    Args:
        path: the file.
        problems: at least one.
    """

    def __init__(self, path: Path, problems: tuple[Problem, ...]) -> None:
        count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        super().__init__(
            f"{path.name} has {count}:\n" + "\n".join(f"  {problem}" for problem in problems),
            effect="Nothing was run.",
            cure=f"Correct {path}, then see what is in force with `erm config show`.",
        )
        self.path = path
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """A file as mappings, lists and texts, with the line of each key and list item.

    Args:
        path: the file; None for no file at all.
        data: the content; scalars are `str`, or None where nothing stands.
        lines: the line of every path.
        problems: what was already wrong while reading.
    """

    path: Path | None = None
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line_of(self, path: KeyPath) -> int | None:
        """The line of a key, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def origin_of(self, path: KeyPath) -> str:
        """Where a key stands, for people: `erm.yaml:12`."""
        name = self.path.name if self.path else "erm.yaml"
        line = self.line_of(path)
        return name if line is None else f"{name}:{line}"


def dotted(path: KeyPath) -> str:
    """Write a path as people do.

    Example:
        >>> dotted(("database", "replicas", 0, "name"))
        'database.replicas[0].name'
    """
    written = ""
    for part in path:
        written += f"[{part}]" if isinstance(part, int) else f".{part}" if written else part
    return written


def read_document(path: Path) -> Document:
    """Read a file.

    Args:
        path: the erm.yaml.

    Raises:
        InvalidConfiguration: it is not YAML at all; its text is not repeated.
        ConfigurationError: it cannot be opened.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {(error.strerror or type(error).__name__).lower()}.",
            effect="Nothing was run.",
            cure="Name a readable file with --config, or give this user the right to read it.",
        ) from None
    except UnicodeDecodeError:
        raise InvalidConfiguration(path, (Problem(None, "", "the file is not UTF-8 text"),)) from None
    except RecursionError:
        raise InvalidConfiguration(path, (Problem(None, "", "the file is nested too deeply"),)) from None
    except yaml.YAMLError as error:
        raise InvalidConfiguration(path, (_syntax_problem(error),)) from None
    if root is None:
        return Document(path)
    reader = _Reader()
    data = reader.value(root, ())
    if reader.nodes > _MOST_NODES:
        raise InvalidConfiguration(path, (Problem(None, "", "its aliases stand for too many values"),))
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InvalidConfiguration(path, (Problem(1, "", "the file must hold keys and values, as `database:`"),))
    return Document(path, data, reader.lines, tuple(reader.problems))


def _syntax_problem(error: yaml.YAMLError) -> Problem:
    """What YAML says, without the snippet of the file, which may show a password."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return Problem(mark.line + 1 if mark else None, "", f"not YAML: {error.problem or error.context}")
    return Problem(None, "", "not YAML: a character is not allowed in it")


class _Reader:
    """Turns YAML nodes into plain values, noting lines and problems on the way."""

    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self.nodes = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._problem(node, path, "the alias stands inside itself")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> str | None:
        if not node.tag.startswith(_CORE_TAGS) and path[:1] not in _FOREIGN:
            self._problem(node, path, f"the tag {node.tag} is not known")
        return None if node.tag == _NULL_TAG else str(node.value)

    def _item(self, node: yaml.Node, path: KeyPath) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _MERGE_TAG:
                merged.append(value_node)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, path, "a key must be a word")
                continue
            key = str(key_node.value)
            if key in first_lines:
                self._problem(key_node, (*path, key), f"the key is already on line {first_lines[key]}")
                continue
            first_lines[key] = self.lines[(*path, key)] = line
            result[key] = self.value(value_node, (*path, key))
        for source in self._sources(merged, path):
            for key, value in self._mapping(source, path).items() if id(source) not in self._open else ():
                result.setdefault(key, value)
        for key, line in first_lines.items():
            self.lines[(*path, key)] = line
        return result

    def _sources(self, merged: list[yaml.Node], path: KeyPath) -> Iterator[yaml.MappingNode]:
        """The mappings of `<<: *one` and `<<: [*one, *two]`."""
        for node in merged:
            for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
                if isinstance(source, yaml.MappingNode):
                    yield source
                else:
                    self._problem(source, path, "`<<` must name a mapping")

    def _problem(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        self.problems.append(Problem(node.start_mark.line + 1, dotted(path), message))


# Sections of other tools, whose tags and contents are none of erm's business.
FOREIGN_SECTIONS = ("module", "oidc", "graphql", "extensions")
_FOREIGN = tuple((name,) for name in FOREIGN_SECTIONS)
