"""Texts that would break out of a report, and plans that have them everywhere."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from erm_alembic.findings import Finding, Ignored, Override
from erm_alembic.planning.model import DataLoss, Drift, Outcome, Plan, Statement, Step, StepOutcome
from erm_alembic.planning.rehearsal import (
    Estimate,
    FailedRevision,
    Observed,
    ObservedLock,
    Prediction,
    Proof,
    Rehearsal,
)
from tests.render.plans import PLAN

__all__ = ["FRAGMENTS", "HOSTILE", "findings_of", "hostile", "outcome_of", "plan_of"]

FRAGMENTS = (
    "|",
    "\\|",
    "\\",
    "`",
    "``",
    "```",
    "````\n",
    "~~~",
    "</details>",
    "</summary>",
    "</code></pre>",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--",
    "-->",
    "--",
    "@everyone",
    "@octocat",
    "#123",
    "GH-12",
    "owner/repo#1",
    "!7",
    "~label",
    "&12",
    ":smile:",
    "https://evil.example/x",
    "www.evil.example",
    "mailto:a@b.example",
    "a@b.example",
    "[x](https://evil.example)",
    "![x](//evil.example/y.png)",
    "[x]: https://evil.example",
    "deadbeefcafe",
    "**x**",
    "__x__",
    "~~x~~",
    "$x$",
    "# x",
    "- x",
    "1. x",
    "> x",
    "---",
    "===",
    "&#64;x",
    "&amp;",
    "\n",
    "\n\n",
    "\r",
    "\r\n",
    "\t",
    " ",
    "    ",
    "\x1b[31m",
    "\x1b]0;t\x07",
    "\x00",
    "\x85",
    "\u2028",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\ud800",
    "\udfff",
    "::error::x",
    "::set-env name=A::b",
    "##[error]x",
    "##[add-mask]x",
    "::stop-commands::t",
    "%0A",
    "%0D%0A::error::x",
    "%25",
    "a:b,c=d",
    "{0}",
    "{}",
    '"',
    "'",
    "word",
    "(",
    ")",
    "é",
    "🐘",
    "public.orders",
)

# All of them at once, one after another and on lines of their own.
HOSTILE = ("".join(FRAGMENTS), " ".join(FRAGMENTS), "\n".join(FRAGMENTS))


def hostile() -> st.SearchStrategy[str]:
    """Any text that has something visible, mostly made of what means something to somebody."""
    parts = st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4))
    return st.lists(parts, min_size=1, max_size=6).map("".join).filter(lambda text: bool(text.strip()))


def findings_of(text: str) -> tuple[Finding, ...]:
    """Findings that say nothing but this."""
    return (
        Finding(text, "error", text, text, revision=text, path=text, line=3),
        Finding(text, "warning", text, text, overridden=text),
        Finding(text, "info", text),
    )


def plan_of(text: str, **changed: object) -> Plan:
    """A plan that has a text wherever one may stand."""
    locks = (ObservedLock(text, "AccessExclusiveLock", text),)
    blocking = Statement(
        text, line=3, path=text, observed=Observed(locks), estimate=Estimate("reads", (text,), 1, None, text)
    )
    step = Step(
        text,
        (text,),
        text,
        text,
        "upgrade",
        "irreversible",
        irreversible_reason=text,
        transactional=False,
        statements=(Statement(text, line=1, parameter_sets=3), blocking, Statement(text, autocommit=True)),
        rendered="partial",
        reason=text,
        predicted=Prediction(1, 2),
    )
    lossy = replace(
        step, revision=f"{text}2", downgrade="ok", irreversible_reason=None, proof=Proof("same", "lossy", (text,))
    )
    plan = replace(
        PLAN,
        environment=text,
        database_url=text,
        server_version=text,
        current=(text, text),
        heads=(text,),
        steps=(step, lossy),
        drift=(Drift(text, text, "database", text, text, text), Drift(text, text, "models", text, text, adopted=True)),
        findings=findings_of(text),
        data_loss=(DataLoss("table", text, None, text, 2),),
        cannot_run=text,
        half_done=(),
        overrides=(Override(text, text),),
        rehearsal=Rehearsal("unknown", reason=text, notes=(text,), failed=FailedRevision(text, text, 1, text)),
        ignored=(Ignored(text, text, text, text, 3),),
        deployed_as=(text,),
    )
    return replace(plan, **changed)  # type: ignore[arg-type]  # the fields of a plan, by name


def outcome_of(text: str) -> Outcome:
    """An outcome that has a text wherever one may stand."""
    steps = (StepOutcome(text, "failed", 4, 1, text), StepOutcome(f"{text}2", "not-run"))
    return Outcome("failed", 3, steps, (text,), 12, error=text, effect=text, cure=text)
