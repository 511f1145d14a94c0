"""Whether a piece of a revision's code can do anything to a database, read from its syntax tree.

The reader follows what stands in the same file (helpers, aliases, nested functions, decorators) and drops
what can never run (code after a `return`, `if False:`). What comes from elsewhere is taken to do something.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from erm_alembic.revisions.source.bindings import Bound, Function, Imported, Opaque, bindings, is_star, truth
from erm_alembic.revisions.source.inert import INERT_BUILTINS, always_exits, is_inert

__all__ = ["CodeReader", "Effect", "Scope", "is_generator"]

FALL, RETURN, RAISE, LOOP = "fall", "return", "raise", "loop"
_LAZY = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Effect:
    """What running a block can come to.

    Args:
        acts: something in it may change a database.
        ends: how control can leave it: `fall` (to the next statement), `return`, `raise`, `loop` (break).
    """

    acts: bool
    ends: frozenset[str]

    @property
    def raises(self) -> bool:
        """Whether every way through it raises."""
        return self.ends == {RAISE}


@dataclass(frozen=True)
class Scope:
    """The functions that enclose a piece of code, innermost first, and those already being followed.

    Args:
        functions: the enclosing functions.
        following: ids of the functions on the way, so that recursion ends.
    """

    functions: tuple[Function, ...] = ()
    following: frozenset[int] = frozenset()


NOTHING = Effect(False, frozenset({FALL}))
ACTS = Effect(True, frozenset({FALL}))
RAISES = Effect(False, frozenset({RAISE}))


class CodeReader:
    """Reads the code of one revision file.

    Args:
        module: the file's syntax tree.

    Example:
        >>> tree = ast.parse("def _undo(): pass\\ndef downgrade(): _undo()")
        >>> CodeReader(tree).function(tree.body[1]).acts
        False
    """

    def __init__(self, module: ast.Module) -> None:
        self._module = module

    def function(self, function: Function, scope: Scope = Scope()) -> Effect:
        """What calling a function of this file does."""
        if id(function) in scope.following:
            return NOTHING
        if any(self.decorator_acts(decorator, scope) for decorator in function.decorator_list):
            return ACTS
        # Names are looked up where the function stands, not where it is called.
        around = tuple(outer for outer in scope.functions if _encloses(outer, function))
        inner = Scope((function, *around), scope.following | {id(function)})
        effect = self._block(function.body, inner)
        return Effect(effect.acts, frozenset(FALL if end == RETURN else end for end in effect.ends))

    def lookup(self, name: str, scope: Scope) -> tuple[Bound, ...]:
        """Everything that a name can be in this place of the file; empty for builtins and unknown names."""
        for function in scope.functions:
            if name in _parameters(function):
                return (Opaque(function.lineno),)
            found = bindings(function.body, name)
            if found:
                return found
        return bindings(self._module.body, name)

    def origin(self, expression: ast.expr, scope: Scope, depth: int = 0) -> str:
        """The dotted path that an expression leads to; `()` stands for a call, `?` for the unknown."""
        match expression:
            case ast.Name(id=name):
                found = [bound for bound in self.lookup(name, scope) if not is_star(bound)]
                if not found:
                    return name
                if len(found) == 1 and isinstance(found[0], Imported):
                    return found[0].origin
                if len(found) == 1 and isinstance(found[0], ast.expr) and depth < 8:
                    return self.origin(found[0], scope, depth + 1)
                return f"?{name}"
            case ast.Attribute():
                return f"{self.origin(expression.value, scope, depth)}.{expression.attr}"
            case ast.Call():
                return f"{self.origin(expression.func, scope, depth)}()"
            case _:
                return "?"

    def call(self, call: ast.Call, scope: Scope) -> Effect:
        """What a call does, its arguments included."""
        effect = self._callee(call.func, scope)
        inside = [*call.args, *(keyword.value for keyword in call.keywords)]
        if isinstance(call.func, ast.Attribute | ast.Call):
            inside.append(call.func.value if isinstance(call.func, ast.Attribute) else call.func)
        return Effect(effect.acts or self._any(inside, scope), effect.ends)

    def expression(self, expression: ast.expr | None, scope: Scope) -> Effect:
        """What evaluating an expression does."""
        match expression:
            case None:
                return NOTHING
            case ast.Call():
                return self.call(expression, scope)
            case ast.Await():
                return self.expression(expression.value, scope)
            case ast.IfExp() if (known := truth(expression.test)) is not None:
                return self.expression(expression.body if known else expression.orelse, scope)
            case ast.BoolOp():
                return self._short_circuit(expression, scope)
            case ast.Lambda():
                return NOTHING
            case _:
                parts: Iterable[ast.AST] = ast.iter_child_nodes(expression)
                if isinstance(expression, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
                    parts = (node for node in ast.walk(expression) if isinstance(node, ast.Call))
                return ACTS if self._any((p for p in parts if isinstance(p, ast.expr)), scope) else NOTHING

    def _any(self, expressions: Iterable[ast.expr], scope: Scope) -> bool:
        return any(self.expression(expression, scope).acts for expression in expressions)

    def _short_circuit(self, expression: ast.BoolOp, scope: Scope) -> Effect:
        stops_at = isinstance(expression.op, ast.Or)
        for value in expression.values:
            if self.expression(value, scope).acts:
                return ACTS
            if truth(value) is stops_at:
                break
        return NOTHING

    def _callee(self, function: ast.expr, scope: Scope) -> Effect:
        """What running the thing that is called does."""
        if isinstance(function, ast.Lambda):
            return self.expression(function.body, scope)
        if isinstance(function, ast.Name):
            found = [bound for bound in self.lookup(function.id, scope) if not is_star(bound)]
            if any(not isinstance(bound, Imported) for bound in found):
                effects = [self.bound(bound, scope) for bound in found]
                return Effect(
                    any(effect.acts for effect in effects),
                    frozenset(end for effect in effects for end in effect.ends),
                )
            if not found and function.id in INERT_BUILTINS:
                return NOTHING
        method = self.method(function, scope)
        if method is not None:
            return self.function(method, scope)
        origin = self.origin(function, scope)
        if always_exits(origin):
            return RAISES
        return NOTHING if is_inert(origin) else ACTS

    def bound(self, bound: Bound, scope: Scope) -> Effect:
        """What calling something that a name is bound to does."""
        match bound:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return self.function(bound, scope)
            case Imported():
                return NOTHING if is_inert(bound.origin) else ACTS
            case ast.expr() if id(bound) not in scope.following:
                if isinstance(bound, ast.Name | ast.Attribute | ast.Lambda):
                    return self._callee(bound, Scope(scope.functions, scope.following | {id(bound)}))
        return ACTS

    def method(self, expression: ast.expr, scope: Scope) -> Function | None:
        """The method that `Class.method` or `Class().method` means, when the class stands in this file."""
        if not isinstance(expression, ast.Attribute):
            return None
        owner = expression.value.func if isinstance(expression.value, ast.Call) else expression.value
        if not isinstance(owner, ast.Name):
            return None
        found = self.lookup(owner.id, scope)
        if len(found) != 1 or not isinstance(found[0], ast.ClassDef):
            return None
        methods = bindings(found[0].body, expression.attr)
        last = methods[-1] if methods else None
        return last if isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef) else None

    def decorator_acts(self, decorator: ast.expr, scope: Scope) -> bool:
        """Whether a decorator may do the work: one with arguments may carry it, a bare one only wraps."""
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        found = self.lookup(called.id, scope) if isinstance(called, ast.Name) else ()
        local = [bound for bound in found if isinstance(bound, ast.FunctionDef | ast.AsyncFunctionDef)]
        if local:
            return any(self._wrapper_acts(function, scope) for function in local)
        if not isinstance(decorator, ast.Call) or is_inert(self.origin(called, scope)):
            return False
        return bool(decorator.args or decorator.keywords)

    def _wrapper_acts(self, decorator: Function, scope: Scope) -> bool:
        """Whether a decorator of this file does more than call what it wraps."""
        if id(decorator) in scope.following:
            return False
        following = scope.following | {id(decorator)}
        nested = [n for n in ast.walk(decorator) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        passed_on = {name for function in nested for name in (function.name, *_parameters(function))}
        calls = (node for node in ast.walk(decorator) if isinstance(node, ast.Call))
        return any(
            self._callee(call.func, Scope((decorator,), following)).acts
            for call in calls
            if not (isinstance(call.func, ast.Name) and call.func.id in passed_on)
        )

    def _block(self, body: Sequence[ast.stmt], scope: Scope) -> Effect:
        acts = False
        ends: frozenset[str] = frozenset()
        for statement in body:
            effect = self._statement(statement, scope)
            acts = acts or effect.acts
            ends |= effect.ends - {FALL}
            if FALL not in effect.ends:
                return Effect(acts, ends)
        return Effect(acts, ends | {FALL})

    def _statement(self, statement: ast.stmt, scope: Scope) -> Effect:
        match statement:
            case ast.Expr() | ast.Assign() | ast.AugAssign() | ast.AnnAssign():
                return self.expression(statement.value, scope)
            case ast.Return():
                effect = self.expression(statement.value, scope)
                return effect if effect.raises else Effect(effect.acts, frozenset({RETURN}))
            case ast.Raise():
                return RAISES
            case ast.Break() | ast.Continue():
                return Effect(False, frozenset({LOOP}))
            case ast.Assert():
                if truth(statement.test) is False:
                    return RAISES
                return Effect(self.expression(statement.test, scope).acts, NOTHING.ends)
            case ast.If():
                return self._if(statement, scope)
            case ast.For() | ast.AsyncFor() | ast.While():
                return self._loop(statement, scope)
            case ast.With() | ast.AsyncWith():
                acts = self._any((item.context_expr for item in statement.items), scope)
                body = self._block(statement.body, scope)
                # A context manager may swallow what is raised inside it.
                swallowed = {FALL} if RAISE in body.ends else set()
                return Effect(acts or body.acts, body.ends | swallowed)
            case ast.Try() | ast.TryStar():
                return self._try(statement, scope)
            case ast.Match():
                cases = [self._block(case.body, scope) for case in statement.cases]
                acts = self.expression(statement.subject, scope).acts or any(case.acts for case in cases)
                return Effect(acts, frozenset({FALL}).union(*(case.ends for case in cases)))
            case _:
                return NOTHING

    def _if(self, statement: ast.If, scope: Scope) -> Effect:
        known = truth(statement.test)
        acts = self.expression(statement.test, scope).acts
        branches = [statement.body, statement.orelse] if known is None else []
        if known is not None:
            branches = [statement.body if known else statement.orelse]
        effects = [self._block(branch, scope) for branch in branches]
        return Effect(
            acts or any(effect.acts for effect in effects),
            frozenset(end for effect in effects for end in effect.ends),
        )

    def _loop(self, statement: ast.For | ast.AsyncFor | ast.While, scope: Scope) -> Effect:
        head = statement.test if isinstance(statement, ast.While) else statement.iter
        known = truth(head)
        otherwise = self._block(statement.orelse, scope)
        if known is False:
            return otherwise
        body = self._block(statement.body, scope)
        acts = self.expression(head, scope).acts or body.acts or otherwise.acts
        ends = (body.ends | otherwise.ends) - {LOOP}
        if known and isinstance(statement, ast.While) and LOOP not in body.ends:
            ends = (body.ends - {FALL}) or NOTHING.ends
        elif known is None or LOOP in body.ends:
            ends |= {FALL}
        return Effect(acts, ends)

    def _try(self, statement: ast.Try | ast.TryStar, scope: Scope) -> Effect:
        body = self._block(statement.body, scope)
        blocks = [body]
        if FALL in body.ends:
            blocks.append(self._block(statement.orelse, scope))
        cannot_fail = all(isinstance(s, ast.Pass) or _is_literal(s) for s in statement.body)
        if not cannot_fail:
            blocks += [self._block(handler.body, scope) for handler in statement.handlers]
        ends = frozenset(end for block in blocks for end in block.ends)
        if statement.handlers and body.ends == {RAISE}:
            ends = frozenset(end for block in blocks[1:] for end in block.ends)
        last = self._block(statement.finalbody, scope)
        if FALL not in last.ends:
            ends = last.ends
        return Effect(last.acts or any(block.acts for block in blocks), ends)


def is_generator(function: Function) -> bool:
    """Whether the function's body yields, so that calling it runs nothing."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, _LAZY):
            waiting.extend(ast.iter_child_nodes(node))
    return False


def _encloses(outer: Function, inner: Function) -> bool:
    return outer is not inner and outer.lineno <= inner.lineno and _end(outer) >= _end(inner)


def _end(function: Function) -> int:
    return function.end_lineno or function.lineno


def _parameters(function: Function) -> set[str]:
    args = function.args
    named = [*args.posonlyargs, *args.args, *args.kwonlyargs, *(a for a in (args.vararg, args.kwarg) if a)]
    return {argument.arg for argument in named}


def _is_literal(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
