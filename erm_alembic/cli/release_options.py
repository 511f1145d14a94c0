"""The options of `erm release`, and the request that they make."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli.options import refused, typed_again, wait_seconds

if TYPE_CHECKING:
    from erm_alembic.checks.overrides import Override
    from erm_alembic.release.request import ReleaseRequest

__all__ = [
    "ObserveForOption",
    "OnFailure",
    "OnFailureOption",
    "OverrideOption",
    "ReleaseMode",
    "ReleaseReportOption",
    "SkipOption",
    "release_request",
    "span",
]

NOTHING = "Nothing was released."


class OnFailure(StrEnum):
    """What becomes of a release that fails after its apply."""

    stop = "stop"
    rollback = "rollback"


class ReleaseMode(StrEnum):
    """What `erm release` does."""

    plan = "plan"
    apply = "apply"


SkipOption = Annotated[
    list[str] | None,
    typer.Option("--skip", metavar="STAGE", help="Leave this stage out; needs --reason. Several times for several."),
]
ObserveForOption = Annotated[
    str | None,
    typer.Option(
        "--observe-for", metavar="DURATION", help="How long to observe: 30m, 2d. Default: release.observe.for."
    ),
]
OnFailureOption = Annotated[
    OnFailure | None,
    typer.Option(
        "--on-failure", help="rollback goes back where that is proven to lose nothing. Default: release.on_failure."
    ),
]
OverrideOption = Annotated[
    list[str] | None, typer.Option("--override", metavar="RULE", help="Let this rule pass once; needs --reason.")
]
ReleaseReportOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write the report to FILE as well: .json, .html or .md. Several times for several.",
    ),
]


def span(option: str, text: str) -> timedelta:
    """A duration with days, which settings do not have.

    Args:
        option: the option that has it.
        text: what was typed.

    Raises:
        UsageError: it is none.

    Example:
        >>> span("--observe-for", "1d12h")
        datetime.timedelta(days=1, seconds=43200)
    """
    from erm_alembic.config.durations import parse_duration

    days, unit, rest = text.strip().partition("d")
    try:
        if not unit:
            return parse_duration(text)
        if not (days.isascii() and days.isdigit()):
            raise ValueError(f"{text!r} is not a duration; write a number and its unit, as 2d, 12h or 45m")
        return timedelta(days=int(days)) + (parse_duration(rest) if rest else timedelta())
    except (ValueError, OverflowError) as error:
        raise refused(f"{option}: {error}.", f"Write it as in: {option} 2d", NOTHING) from None


def release_request(
    *,
    to: str | None = None,
    plan: Path | None = None,
    override: list[str] | None = None,
    skip: list[str] | None = None,
    reason: list[str] | None = None,
    observe_for: str | None = None,
    on_failure: OnFailure | None = None,
    wait: str | None = None,
    rehearse: bool | None = None,
    accept_environment: bool = False,
    report: list[Path] | None = None,
    x: list[str] | None = None,
    name: str = "alembic",
    tag: str | None = None,
    config: Path | None = None,
) -> ReleaseRequest:
    """What the command line asks for.

    Args:
        to: `--to`.
        plan: `--plan`.
        override: each `--override`.
        skip: each `--skip`.
        reason: each `--reason`: one for all, or first those of the overrides, then those of the stages.
        observe_for: `--observe-for`.
        on_failure: `--on-failure`.
        wait: `--wait`.
        rehearse: `--rehearse`.
        accept_environment: `--accept-environment`.
        report: each `--report`.
        x: each `-x`.
        name: `--name`.
        tag: `--tag`.
        config: `--config`.

    Raises:
        UsageError: options contradict each other, or lack something.
    """
    from erm_alembic.release.request import ReleaseRequest
    from erm_alembic.revisions.project import AlembicOptions

    if to is not None and not to.strip():
        raise refused("--to is empty.", "Give --to a value, or leave it out.", NOTHING)
    if plan is not None and (to is not None or override):
        given = "--to" if to is not None else "--override"
        raise refused(
            f"{given} beside --plan: what is run, and what may pass, stands in the approved plan.",
            f"Leave out {given}, or give it together with --out when the plan is made.",
            NOTHING,
        )
    overrides, skips = _reasons(tuple(override or ()), tuple(skip or ()), tuple(reason or ()))
    reports = tuple(Path.cwd() / path for path in report or ())
    _check_reports(reports, plan)
    return ReleaseRequest(
        to=to or "heads",
        approved=plan,
        overrides=overrides,
        accept_environment=accept_environment,
        wait=None if wait is None else wait_seconds(wait),
        rehearse=rehearse,
        skip=skips,
        observe_for=None if observe_for is None else span("--observe-for", observe_for),
        on_failure=None if on_failure is None else on_failure.value,
        options=AlembicOptions(x=tuple(x or ()), name=name, tag=tag),
        reports=reports,
        typed=typed_again(config, x, name, tag),
    )


def _reasons(
    override: tuple[str, ...], skip: tuple[str, ...], reason: tuple[str, ...]
) -> tuple[tuple[Override, ...], Mapping[str, str]]:
    """Each rule that may pass and each stage that is left out, with the reason for it."""
    from erm_alembic.checks.overrides import Override

    wanted = len(override) + len(skip)
    if not wanted and reason:
        raise refused(
            "--reason says why, and nothing is overridden or skipped.", "Add --override RULE or --skip STAGE."
        )
    if wanted and not reason:
        word = "--override" if override else "--skip"
        raise refused(f"{word} needs --reason TEXT.", "Say why: it is kept in the ledger.")
    if any(not each.strip() for each in reason):
        raise refused("--reason is empty.", "Say why: it is kept in the ledger.")
    if len(reason) not in (0, 1, wanted):
        raise refused(
            f"{wanted} times --override or --skip, and {len(reason)} times --reason.",
            "Give one --reason for all of them, or one for each: first those of --override, then those of --skip.",
        )
    told = reason * wanted if len(reason) == 1 else reason
    overrides = tuple(Override(rule, why) for rule, why in zip(override, told, strict=False))
    return overrides, dict(zip(skip, told[len(override) :], strict=True))


def _check_reports(reports: tuple[Path, ...], plan: Path | None) -> None:
    """Make sure that each file can be written, and none over a plan, before anything is released."""
    from erm_alembic.planning.approved_plan import is_plan_file
    from erm_alembic.planning.plan_file import read_plan_file
    from erm_alembic.planning.private_file import can_write_in
    from erm_alembic.release.files import ENDINGS

    approved = None if plan is None else os.path.realpath(plan)
    seen: set[str] = set()
    for path in reports:
        if path.suffix.lower() not in ENDINGS:
            known = ", ".join(ENDINGS)
            raise refused(
                f"--report {path.name}: its ending says no format.", f"Let it end in one of: {known}", NOTHING
            )
        if (real := os.path.realpath(path)) == approved:
            raise refused(f"--report {path.name} is the plan of --plan.", "Name another file.", NOTHING)
        if real in seen:
            raise refused(f"--report {path.name} is named twice.", "Give each file a name of its own.", NOTHING)
        seen.add(real)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise refused(f"--report {path.name} is no ordinary file.", "Name another file.", NOTHING)
        if path.suffix.lower() == ".json" and path.is_file() and is_plan_file(read_plan_file(path)):
            raise refused(f"--report {path.name} is an approved plan.", "Name another file.", NOTHING)
        if not path.parent.is_dir() or can_write_in(path) is not None:
            raise refused(f"--report {path.name} cannot be written there.", "Name a file in another folder.", NOTHING)
