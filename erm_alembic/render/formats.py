"""The formats of a report: the one tuple from which `--format`, its help and docs/formats.md are made.

A format is a module of this package with a function `report`. To add one, write the module and a line in the tuple.
Nothing is imported before a format is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from erm_alembic.errors import ErmError
    from erm_alembic.findings import Finding
    from erm_alembic.planning.model import Outcome, Plan
    from erm_alembic.render.presentation import Presentation

__all__ = ["FORMATS", "Format", "Renderer", "failure", "formats_of", "render"]


class Renderer(Protocol):
    """What a format does."""

    def __call__(
        self, plan: Plan | None, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation
    ) -> str:
        """Show a plan, or only findings.

        Args:
            plan: the plan; None where there are only findings (`erm check`, `erm drift`).
            findings: what the checks say.
            outcome: how the plan's apply or rollback ended; None where it was only computed.
            how: how to show it.
        """


@dataclass(frozen=True)
class Format:
    """A format of `--format`.

    Args:
        name: what is typed.
        purpose: what it is for, in a few words that stand after its name.
        module: the module that has its `report`, a `Renderer`.
        commands: the commands that know it.
        endings: how files are called that `--report` writes in it; none where it is no format of a file.
        tells_failure: whether its module has a `failure` too, which tells an error to a program that reads the format.
    """

    name: str
    purpose: str
    module: str
    commands: tuple[str, ...] = ("migrate", "check", "drift")
    endings: tuple[str, ...] = ()
    tells_failure: bool = False

    def load(self) -> Renderer:
        """Import the module and return its renderer."""
        return cast(Renderer, import_module(self.module).report)


FORMATS: tuple[Format, ...] = (
    Format("text", "for a terminal", "erm_alembic.render.text"),
    Format("json", "one object, for programs", "erm_alembic.render.json", endings=(".json",), tells_failure=True),
    Format("html", "a page for a browser", "erm_alembic.render.html", ("migrate",), (".html", ".htm")),
    Format("markdown", "a comment on a pull request", "erm_alembic.render.markdown.page", endings=(".md",)),
    Format("github", "annotations of a GitHub workflow", "erm_alembic.render.github", tells_failure=True),
    Format("gitlab", "a GitLab code quality report", "erm_alembic.render.gitlab", tells_failure=True),
    Format("sarif", "code scanning, SARIF 2.1.0", "erm_alembic.render.sarif", endings=(".sarif",), tells_failure=True),
)


def formats_of(command: str) -> tuple[Format, ...]:
    """The formats that a command knows, in their order.

    Args:
        command: `migrate`, `check` or `drift`.

    Example:
        >>> {"text", "json", "markdown"} <= {each.name for each in formats_of("migrate")}
        True
    """
    return tuple(each for each in FORMATS if command in each.commands)


def failure(name: str, error: ErmError, how: Presentation) -> str | None:
    """An error as the whole result of a command, for a program that reads a format; None where people read it.

    Args:
        name: the format's name; one that does not exist is told nothing.
        error: the error; secrets in its texts are hidden.
        how: where the files stand.

    Example:
        >>> from erm_alembic.errors import ErmError
        >>> from erm_alembic.render.presentation import Presentation
        >>> failure("text", ErmError("The lock is held.", effect="", cure="Wait."), Presentation()) is None
        True
    """
    for each in FORMATS:
        if each.name == name and each.tells_failure:
            return cast(str, import_module(each.module).failure(error, how))
    return None


def render(
    name: str, plan: Plan | None, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation
) -> str:
    """A report in the format of that name.

    Args:
        name: the format's name.
        plan: the plan; None where there are only findings.
        findings: what the checks say.
        outcome: how its apply or rollback ended, or None.
        how: how to show it.

    Raises:
        KeyError: there is no format of that name.

    Example:
        >>> from erm_alembic.planning.model import Plan
        >>> from erm_alembic.render.presentation import Presentation
        >>> plan = Plan("dev", "postgresql://localhost/app", "15.18", "upgrade", (), (), ())
        >>> render("text", plan, (), None, Presentation()).splitlines()[-1]
        'Nothing objects.'
    """
    known = {each.name: each for each in FORMATS}
    return known[name].load()(plan, findings, outcome, how)
