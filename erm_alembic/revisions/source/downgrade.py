"""Whether a revision can go down, read from its syntax tree: the file is never imported and never run.

Every revision must be able to go down. One that cannot declares `irreversible = "reason"` at its top level.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from typing import Literal

from erm_alembic.errors import ProjectError
from erm_alembic.revisions.source.bindings import (
    Bound,
    Function,
    Imported,
    Opaque,
    bindings,
    constant,
    is_star,
    surely_binds,
)
from erm_alembic.revisions.source.effects import CodeReader, Scope, is_generator

__all__ = ["DowngradeReport", "DowngradeState", "inspect_downgrade", "inspect_tree", "parse_revision"]

DowngradeState = Literal["ok", "empty", "missing", "irreversible"]


@dataclass(frozen=True)
class DowngradeReport:
    """What is known about a revision's down script.

    Args:
        state: `ok`, `empty` (it does nothing, or only raises), `missing`, or `irreversible` (declared).
        line: where the down script (or the declaration) stands, from 1; None when it is missing or imported.
        reason: the revision's own words, when it is irreversible.
        contains: what stands there instead of a down script ("only `pass`"), when it is empty or missing.
        script: the name of the down script's file, where the revision is written in SQL.
        runs: False when there is nothing that could be run on the way down.
        keeps: the enum values that are declared to stay, such as `public.mood.'happy'`.
    """

    state: DowngradeState
    line: int | None = None
    reason: str | None = None
    contains: str = ""
    script: str | None = None
    runs: bool = True
    keeps: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """One thing that `downgrade` or `upgrade` can be."""

    acts: bool
    raises: bool = False
    line: int | None = None
    contains: str = ""
    runs: bool = True


def inspect_downgrade(source: str | bytes, *, path: str = "the revision file") -> DowngradeReport:
    """Tell whether a revision's source can be rolled back.

    Args:
        source: the text (or bytes, with their encoding declaration) of the revision file.
        path: the file's name, for the error message.

    Raises:
        ProjectError: the source is not valid Python.

    Example:
        >>> report = inspect_downgrade("def downgrade():\\n    pass\\n")
        >>> report.state, report.line, report.contains
        ('empty', 1, 'only `pass`')
    """
    return inspect_tree(parse_revision(source, path))


def parse_revision(source: str | bytes, path: str) -> ast.Module:
    """Parse a revision file, silently but for what makes it unreadable.

    Args:
        source: its text or bytes.
        path: its name, for the error message.

    Raises:
        ProjectError: it is not valid Python; the message names file and line.

    Example:
        >>> len(parse_revision("revision = 'a'", "a.py").body)
        1
    """
    try:
        with warnings.catch_warnings():
            # A regular expression with `\\d` in an old revision is not this command's concern.
            warnings.simplefilter("ignore")
            return ast.parse(source.removeprefix("\ufeff") if isinstance(source, str) else source)
    except SyntaxError as error:
        place = f"{path}:{error.lineno}" if error.lineno else path
        problem = error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        place, problem = path, str(error) or type(error).__name__
    raise ProjectError(
        f"{place}: this revision file is not valid Python: {problem}.",
        effect="It cannot be read, and Alembic cannot load it either. Nothing was changed.",
        cure=f"Correct {place}, then run the command again.",
    )


def inspect_tree(tree: ast.Module) -> DowngradeReport:
    """The same as `inspect_downgrade`, for a tree that is parsed already.

    Example:
        >>> inspect_tree(ast.parse("irreversible = 'drops personal data'")).reason
        'drops personal data'
    """
    try:
        return _inspect(tree)
    except RecursionError:
        # Expressions nested a thousand deep are somebody's data, and data is not nothing.
        return DowngradeReport("ok")


def _inspect(tree: ast.Module) -> DowngradeReport:
    declared = bindings(tree.body, "irreversible")
    # One that depends on a condition promises nothing.
    value = declared[0] if len(declared) == 1 and surely_binds(tree.body, "irreversible") else None
    reason = constant(value) if isinstance(value, ast.expr) else None
    if isinstance(reason, str) and reason.strip():
        return DowngradeReport("irreversible", _line(declared[-1]), reason.strip())
    unexplained = ", and `irreversible` gives no reason" if declared else ""

    readings = _readings(tree, "downgrade")
    if not readings:
        if any(isinstance(b, Imported) for b in bindings(tree.body, "downgrade")):
            return DowngradeReport("ok")
        return DowngradeReport("missing", None, None, f"no `downgrade` function{unexplained}")
    for reading in readings:
        if reading.acts and not reading.raises:
            return DowngradeReport("ok", reading.line)
    last = readings[-1]
    if not any(reading.raises for reading in readings) and _nothing_to_undo(tree):
        return DowngradeReport("ok", last.line)
    return DowngradeReport("empty", last.line, None, last.contains + unexplained)


def _nothing_to_undo(tree: ast.Module) -> bool:
    """Whether `upgrade` does nothing either: a merge of branches, a placeholder, a marker."""
    readings = _readings(tree, "upgrade")
    return bool(readings) and not any(reading.acts or reading.raises or not reading.runs for reading in readings)


def _readings(tree: ast.Module, name: str) -> list[_Reading]:
    """Everything that a function of the file can be; empty when it is missing or comes from a star import."""
    reader = CodeReader(tree)
    found = [bound for bound in bindings(tree.body, name) if not is_star(bound)]
    return [_read(reader, bound, set()) for bound in found]


def _read(reader: CodeReader, bound: Bound, seen: set[int]) -> _Reading:
    line = _line(bound)
    if id(bound) in seen:
        return _Reading(True, line=line)
    seen.add(id(bound))
    match bound:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return _read_function(reader, bound)
        case ast.Name():
            targets = [_read(reader, target, seen) for target in reader.lookup(bound.id, Scope())]
            return _likeliest(targets) if targets else _read_callee(reader, bound)
        case ast.IfExp():
            return _likeliest([_read(reader, part, seen) for part in (bound.body, bound.orelse)])
        case ast.Lambda():
            effect = reader.expression(bound.body, Scope())
            return _Reading(effect.acts, effect.raises, line, "a lambda that does nothing")
        case ast.Constant():
            return _Reading(False, True, line, f"`{ast.unparse(bound)}`, which is not a function")
        case ast.Attribute():
            method = reader.method(bound, Scope())
            return _read_function(reader, method) if method else _read_callee(reader, bound)
        case ast.Call():
            return _read_made(reader, bound, seen)
        case _:
            return _Reading(True, line=None if isinstance(bound, Imported) else line)


def _likeliest(readings: list[_Reading]) -> _Reading:
    """The reading that can do the work, else the last: a down script counts when one of its forms works."""
    return next((reading for reading in readings if reading.acts and not reading.raises), readings[-1])


def _read_callee(reader: CodeReader, function: ast.expr) -> _Reading:
    """What an alias of something outside the file does when Alembic calls it."""
    call = ast.copy_location(ast.Call(func=function, args=[], keywords=[]), function)
    effect = reader.call(call, Scope())
    return _Reading(effect.acts, effect.raises, function.lineno, f"only `{ast.unparse(function)}`")


def _read_made(reader: CodeReader, call: ast.Call, seen: set[int]) -> _Reading:
    """What a function made by a call does: `partial(f, ...)`, `staticmethod(f)`, `decorator(f)`."""
    origin = reader.origin(call.func, Scope())
    if origin == "functools.partial" and call.args:
        made = ast.copy_location(ast.Call(func=call.args[0], args=call.args[1:], keywords=call.keywords), call)
        effect = reader.call(made, Scope())
        return _Reading(effect.acts, effect.raises, call.lineno, f"only `{ast.unparse(call)}`")
    wraps_one = len(call.args) == 1 and not call.keywords and isinstance(call.args[0], ast.Name | ast.Lambda)
    if wraps_one:
        inner = _read(reader, call.args[0], seen)
        # A bare wrapper knows only the function that it is given; one that stands in this file can be read.
        if not inner.acts and not (isinstance(call.func, ast.Name) and reader.decorator_acts(call.func, Scope())):
            return inner
    return _Reading(True, line=call.lineno)


def _read_function(reader: CodeReader, function: Function) -> _Reading:
    effect = reader.function(function)
    line = function.lineno
    if not function.decorator_list:
        # Alembic calls the function and drops what it returns: a coroutine or a generator never starts.
        if isinstance(function, ast.AsyncFunctionDef):
            return _Reading(False, False, line, "an `async def`, which Alembic calls but never awaits", runs=False)
        if is_generator(function):
            return _Reading(False, False, line, "a generator, which Alembic calls but never iterates", runs=False)
    return _Reading(effect.acts, effect.raises, line, _in_words(function, effect.acts, effect.raises))


def _in_words(function: Function, acts: bool, raises: bool) -> str:
    """What a function that does nothing contains."""
    if raises:
        raised = next((node.exc for node in ast.walk(function) if isinstance(node, ast.Raise) and node.exc), None)
        name = ast.unparse(raised.func if isinstance(raised, ast.Call) else raised) if raised else ""
        what = f"`raise {name}`" if name else "an exception on every way through it"
        return f"work that always ends in {what}" if acts else f"only {what}"
    body = list(function.body)
    documented = ast.get_docstring(function, clean=False) is not None
    rest = body[1:] if documented else body
    if not rest:
        return "only a docstring"
    if all(isinstance(statement, ast.Pass) for statement in rest):
        return "only `pass`"
    if all(isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in rest):
        return "only `...`"
    if isinstance(rest[0], ast.Return):
        return f"only `{ast.unparse(rest[0])}`"
    return "nothing that changes the database"


def _line(bound: Bound) -> int | None:
    return bound.line if isinstance(bound, Imported | Opaque) else bound.lineno
