"""Whether revisions can tell the project's modules: if they cannot, an edited model does not change what they make.

env.py usually loads the models for autogenerate alone. Where that shows in its text, and no revision loads a module of
the project, a replay of the history does not depend on them. Whatever is not that plain is taken to depend on all.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

__all__ = ["loads_of_project", "only_for_metadata"]

METADATA = "target_metadata"
# Ways to a module, or to the metadata, that no import statement shows.
ROUNDABOUT = frozenset({"importlib", "__import__", "exec", "eval", "runpy", "pkgutil", METADATA, "opts"})
ROUNDABOUT_WORDS = frozenset(word.encode("ascii") for word in ROUNDABOUT)
WORD = re.compile(rb"\w+")
IMPORTING = re.compile(rb"^.*\bimport\b.*$", re.MULTILINE)
# One module a line, nothing before and nothing after it but names and a comment.
PLAIN_IMPORT = re.compile(
    rb"[ \t]*(?:from[ \t]+([A-Za-z_][\w.]*)[ \t]+import\b[\w \t,*()]*"
    rb"|import[ \t]+([A-Za-z_][\w.]*)(?:[ \t]+as[ \t]+\w+)?[ \t]*)(?:#.*)?"
)


def loads_of_project(sources: Iterable[bytes], is_project: Callable[[str], bool]) -> bool:
    """Whether one of some revision files may load a module of the project, or reach the models another way.

    Args:
        sources: the files' contents.
        is_project: whether a module, by its first name, is one of the project; the empty name is a relative one.

    Example:
        >>> loads_of_project([b"from alembic import op"], lambda name: name == "shop")
        False
        >>> loads_of_project([b"def upgrade():\\n    from shop.models import Base"], lambda name: name == "shop")
        True
    """
    for source in sources:
        named = _named_at_a_glance(source)
        if named is not None and not any(map(is_project, named)):
            continue
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            return True
        if any(is_project(name) for name, _ in _imported(tree)) or ROUNDABOUT & set(_names(tree)):
            return True
    return False


def only_for_metadata(source: bytes, is_project: Callable[[str], bool]) -> bool:
    """Whether env.py uses what it loads of the project for `target_metadata` alone.

    Args:
        source: the file's content.
        is_project: as for `loads_of_project`.

    Example:
        >>> shop = lambda name: name == "shop"
        >>> only_for_metadata(b"from shop.models import Base\\ntarget_metadata = Base.metadata", shop)
        True
        >>> only_for_metadata(b"from shop import settings\\nschema = settings.SCHEMA", shop)
        False
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    bound = {alias for name, alias in _imported(tree) if is_project(name)}
    if not bound or (ROUNDABOUT - {METADATA, "opts"}) & set(_names(tree)):
        return False
    allowed = {id(node) for part in _metadata_parts(tree) for node in ast.walk(part)}
    uses = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    return "*" not in bound and all(id(node) in allowed for node in uses if node.id in bound)


def _named_at_a_glance(source: bytes) -> set[str] | None:
    """The first names of the modules that a source may import; None where that takes a closer look.

    Most revisions of thousands of lines have two imports at their head: that no other line says anything of the kind is
    seen a hundred times faster than what all of them say.
    """
    if (
        not source.isascii()
        or b"\\\n" in source
        or b"\r" in source
        or not ROUNDABOUT_WORDS.isdisjoint(WORD.findall(source))
    ):
        return None
    found = set()
    for line in IMPORTING.findall(source):
        plain = PLAIN_IMPORT.fullmatch(line)
        if plain is None:
            return None
        found.add((plain[1] or plain[2]).decode("ascii").partition(".")[0])
    return found


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The first name of each module that is imported, and the name under which something of it is known."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield first, alias.asname or first
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield "" if node.level else (node.module or "").partition(".")[0], alias.asname or alias.name


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.name.partition(".")[0] for alias in node.names)


def _metadata_parts(tree: ast.Module) -> Iterator[ast.expr]:
    """The expressions that become the metadata."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            if all(isinstance(target, ast.Name) and target.id == METADATA for target in node.targets):
                yield node.value
        elif isinstance(node, ast.keyword) and node.arg == METADATA:
            yield node.value
