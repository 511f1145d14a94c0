"""Findings as annotations of a GitHub workflow, on the lines of the revisions (`--format github`).

Of each level a step may have ten annotations: the most severe come first, the tenth says how many more there are, and
the log has them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ErmError
from erm_alembic.findings import Finding
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.render.located import Located, located
from erm_alembic.render.presentation import Presentation
from erm_alembic.render.safe import block, clip, one_line
from erm_alembic.render.verdict import how_it_stands, what_it_is
from erm_alembic.render.words import counted
from erm_alembic.wording import first_few

__all__ = ["ANNOTATIONS", "command", "failure", "report"]

# How many annotations of a level GitHub keeps of one step.
ANNOTATIONS = 10
LEVELS = {"error": "error", "warning": "warning", "info": "notice"}
TITLE, MESSAGE = 200, 4000
MOST_RULES = 5


def command(name: str, properties: dict[str, str], message: str) -> str:
    """A workflow command, escaped by GitHub's rules.

    Args:
        name: `error`, `warning` or `notice`.
        properties: `file`, `line`, `title`.
        message: what it says; it may have several lines.

    Example:
        >>> command("error", {"file": "a,b.py", "line": "3"}, "100%\\nsure")
        '::error file=a%2Cb.py,line=3::100%25%0Asure'
    """
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {told}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def failure(error: ErmError, how: Presentation) -> str:
    """An error as the annotation of a command that has no result.

    Args:
        error: the error; secrets in its texts are hidden.
        how: where the files stand.

    Example:
        >>> failure(ErmError("The lock is held.", effect="", cure="Wait."), Presentation())
        '::error title=erm::The lock is held.%0AWait.\\n'
    """
    told = "\n".join(line for text in (error.what, error.effect, error.cure) if text for line in block(redact(text)))
    return command("error", {"title": "erm"}, clip(told, MESSAGE)) + "\n"


def report(plan: Plan | None, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation) -> str:
    """The findings as workflow commands, then a line for the log.

    Args:
        plan: the plan, or None.
        findings: what the checks say.
        outcome: how its apply or rollback ended, or None.
        how: where the files stand.

    Example:
        >>> finding = Finding("several-heads", "warning", "Two heads.", "Merge them.", path="a.py", line=3)
        >>> print(report(None, (finding,), None, Presentation("check")), end="")
        ::warning file=a.py,line=3,title=several-heads::Two heads.%0Ahelp: Merge them.
        erm check: 1 warning
    """
    places = located(plan, findings, outcome, how)
    lines: list[str] = []
    unannotated: list[Located] = []
    for severity, level in LEVELS.items():
        same = [each for each in places if each.finding.severity == severity]
        kept = same if len(same) <= ANNOTATIONS else same[: ANNOTATIONS - 1]
        lines += [_annotation(level, each) for each in kept]
        if left := same[len(kept) :]:
            lines.append(_more(level, left))
            unannotated += left
    lines += [_logged(each) for each in unannotated]
    return "".join(f"{line}\n" for line in [*lines, _summary(plan, places, outcome, how)])


def _annotation(level: str, found: Located) -> str:
    place = {"file": one_line(found.path), "line": str(found.line), "title": _title(found)}
    reason = found.finding.overridden
    passed = "" if reason is None else f"\nlet pass: {one_line(redact(reason))}"
    help_ = f"\nhelp: {found.help}" if found.help else ""
    return command(level, place, clip(f"{found.message}{passed}{help_}", MESSAGE))


def _title(found: Located) -> str:
    let_pass = " (let pass)" if found.finding.overridden is not None else ""
    return clip(one_line(found.finding.rule), TITLE) + let_pass


def _more(level: str, left: Sequence[Located]) -> str:
    rules = Counter(one_line(each.finding.rule) for each in left)
    told = first_few([f"{rule} ({count})" for rule, count in rules.most_common()], MOST_RULES)
    message = f"{told}. GitHub shows {ANNOTATIONS} annotations of a kind; the log of this step has all."
    return command(level, {"title": f"{counted(len(left), level)} more"}, message)


def _logged(found: Located) -> str:
    """A finding that is no annotation: a line of the log, which begins with a word of ours."""
    message = " ".join(found.message.split("\n"))
    return f"{found.finding.severity} {one_line(found.finding.rule)} {one_line(found.path)}:{found.line}: {message}"


def _summary(plan: Plan | None, places: Sequence[Located], outcome: Outcome | None, how: Presentation) -> str:
    if plan is not None:
        return f"{what_it_is(plan, outcome)} {one_line(plan.environment)}: {how_it_stands(plan, outcome)}"
    counts = ((each, sum(place.finding.severity == each for place in places)) for each in LEVELS)
    told = [counted(number, severity) for severity, number in counts if number]
    of = f" of {one_line(how.environment)}" if how.environment else ""
    return f"erm {how.command}{of}: {', '.join(told) or 'nothing objects'}"
