"""What a name of a revision file stands for, read from the syntax tree: nothing is imported, nothing is run.

A name may be bound several times (redefinitions, branches of an `if`, `try` with a fallback), so the
answer is everything that it can be when the block has run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Bound", "Function", "Imported", "Opaque", "bindings", "constant", "is_star", "surely_binds", "truth"]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Imported:
    """A name that comes from another module.

    Args:
        origin: the dotted name it has there, as in `alembic.op`; ends in `*` for a star import.
        line: where it is imported.
    """

    origin: str
    line: int


@dataclass(frozen=True)
class Opaque:
    """A name bound to something that only running the code can tell (a loop variable, a tuple's part)."""

    line: int


Bound = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr | Imported | Opaque


def bindings(body: Sequence[ast.stmt], name: str) -> tuple[Bound, ...]:
    """Everything that `name` can be once `body` has run; empty when nothing in it binds the name.

    Args:
        body: the statements of a module or of a function, in order.
        name: the name looked for.

    Example:
        >>> tree = ast.parse("def downgrade(): pass\\ndowngrade = lambda: None")
        >>> [type(bound).__name__ for bound in bindings(tree.body, "downgrade")]
        ['Lambda']
    """
    return _block(body, name)[0]


def surely_binds(body: Sequence[ast.stmt], name: str) -> bool:
    """Whether the block (re)binds the name whatever its conditions turn out to be.

    Example:
        >>> surely_binds(ast.parse("if x: irreversible = 'r'").body, "irreversible")
        False
    """
    return _block(body, name)[1]


def _block(body: Sequence[ast.stmt], name: str) -> tuple[tuple[Bound, ...], bool]:
    """What the block can bind the name to, and whether it rebinds it on every way through."""
    found: tuple[Bound, ...] = ()
    certain = False
    for statement in body:
        new, sure = _statement(statement, name)
        found = new if sure else found + new
        certain = certain or sure
    return found, certain


def _statement(statement: ast.stmt, name: str) -> tuple[tuple[Bound, ...], bool]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return ((statement,), True) if statement.name == name else ((), False)
        case ast.Import() | ast.ImportFrom():
            return _import(statement, name)
        case ast.Assign():
            bound = tuple(b for target in statement.targets for b in _target(target, statement.value, name))
            return bound[-1:], bool(bound)
        case ast.AnnAssign(value=ast.expr() as value):
            bound = tuple(_target(statement.target, value, name))
            return bound, bool(bound)
        case ast.AugAssign(target=ast.Name(id=target)) if target == name:
            return (Opaque(statement.lineno),), True
        case ast.Delete():
            return (), any(isinstance(target, ast.Name) and target.id == name for target in statement.targets)
        case _:
            return _compound(statement, name)


def _compound(statement: ast.stmt, name: str) -> tuple[tuple[Bound, ...], bool]:
    match statement:
        case ast.If():
            known = truth(statement.test)
            if known is not None:
                return _block(statement.body if known else statement.orelse, name)
            then, surely_then = _block(statement.body, name)
            other, surely_other = _block(statement.orelse, name)
            return then + other, surely_then and surely_other
        case ast.Try() | ast.TryStar():
            found, certain = _block([*statement.body, *statement.orelse], name)
            for handler in statement.handlers:
                found += _block(handler.body, name)[0]
            last, sure = _block(statement.finalbody, name)
            return (last, True) if sure else (found + last, certain)
        case ast.With() | ast.AsyncWith():
            targets = [item.optional_vars for item in statement.items if item.optional_vars]
            bound = tuple(b for target in targets for b in _target(target, None, name))
            found, certain = _block(statement.body, name)
            return (found, True) if certain else (bound + found, bool(bound))
        case ast.For() | ast.AsyncFor():
            inside = _block([*statement.body, *statement.orelse], name)[0]
            return tuple(_target(statement.target, None, name)) + inside, False
        case ast.While():
            return _block([*statement.body, *statement.orelse], name)[0], False
        case ast.Match():
            return tuple(b for case in statement.cases for b in _block(case.body, name)[0]), False
        case _:
            return (), False


def _import(statement: ast.Import | ast.ImportFrom, name: str) -> tuple[tuple[Bound, ...], bool]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            # `import a.b` binds `a`; `import a.b as c` binds the whole path.
            if (alias.asname or alias.name.partition(".")[0]) == name:
                origin = alias.name if alias.asname else name
                return (Imported(origin, statement.lineno),), True
        return (), False
    module = "." * statement.level + (statement.module or "")
    for alias in statement.names:
        if alias.name == "*":
            return (Imported(f"{module}.*", statement.lineno),), False
        if (alias.asname or alias.name) == name:
            return (Imported(f"{module}.{alias.name}", statement.lineno),), True
    return (), False


def _target(target: ast.expr, value: ast.expr | None, name: str) -> Iterator[Bound]:
    """What assigning `value` (None: unknown) to `target` binds the name to."""
    match target:
        case ast.Name(id=found) if found == name:
            yield value if value is not None else Opaque(target.lineno)
        case ast.Tuple() | ast.List():
            parts: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                parts = list(value.elts)
            for element, part in zip(target.elts, parts, strict=True):
                yield from _target(element, part, name)
        case ast.Starred():
            yield from _target(target.value, None, name)
        case ast.Subscript(value=ast.Call(func=ast.Name(id="globals")), slice=ast.Constant(value=key)):
            if key == name:
                yield value if value is not None else Opaque(target.lineno)


def is_star(bound: Bound) -> bool:
    """Whether it is a star import, which may or may not bring the name.

    Example:
        >>> is_star(Imported("helpers.*", 1))
        True
    """
    return isinstance(bound, Imported) and bound.origin.endswith(".*")


def constant(expression: ast.expr) -> object:
    """The value of an expression made of constants only; `NotImplemented` when running it would be needed.

    Example:
        >>> constant(ast.parse("('a' + 'b', None)", mode="eval").body)
        ('ab', None)
    """
    match expression:
        case ast.Constant():
            return expression.value
        case ast.JoinedStr() if all(isinstance(part, ast.Constant) for part in expression.values):
            return "".join(str(part.value) for part in expression.values if isinstance(part, ast.Constant))
        case ast.BinOp(op=ast.Add()):
            left, right = constant(expression.left), constant(expression.right)
            if isinstance(left, str) and isinstance(right, str):
                return left + right
        case ast.Tuple() | ast.List() | ast.Set():
            values = tuple(constant(element) for element in expression.elts)
            if NotImplemented not in values:
                return values
    return NotImplemented


def truth(test: ast.expr) -> bool | None:
    """Whether a condition is always true or always false; None when only running the code can tell.

    Example:
        >>> [truth(ast.parse(text, mode="eval").body) for text in ("0", "not False", "x and False", "x")]
        [False, True, False, None]
    """
    match test:
        case ast.Constant():
            return bool(test.value)
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.UnaryOp(op=ast.Not()):
            known = truth(test.operand)
            return None if known is None else not known
        case ast.BoolOp():
            values = [truth(value) for value in test.values]
            decisive = isinstance(test.op, ast.Or)
            if decisive in values:
                return decisive
            return None if None in values else not decisive
        case ast.Tuple() | ast.List() | ast.Dict():
            return bool(test.keys if isinstance(test, ast.Dict) else test.elts)
        case _:
            return None
