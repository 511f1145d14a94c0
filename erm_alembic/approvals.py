"""Approved plans: keep one in a file, and make sure, before anything runs, that it is still what would be run.

plan -> file; file -> the same request planned again -> compared
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erm_alembic.config.env_option import env_option
from erm_alembic.config.settings import Settings
from erm_alembic.errors import Refused, UsageError
from erm_alembic.findings import NOT_KEPT_RULE, Finding
from erm_alembic.ledger.approved_runs import Checkpoint, read_checkpoints
from erm_alembic.ledger.store import open_ledger
from erm_alembic.planning.approved_plan import ApprovedPlan, read_approved, verify_signed
from erm_alembic.planning.divergence import Progress, divergences
from erm_alembic.planning.model import Plan, Step
from erm_alembic.planning.plan_file import check_place, read_plan_file, write_plan_file
from erm_alembic.planning.request import Direction, Request, mode_of, plan_option, run_option
from erm_alembic.planning.terms import Terms, plan_digest, terms_of
from erm_alembic.render.safe import one_line
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.execute.approved.course import Approval

__all__ = [
    "approval_of",
    "check_place",
    "checkpoints_of",
    "keep_plan",
    "open_approved",
    "refuse_unsigned",
    "refuse_without_plan",
    "request_again",
    "sign_plan",
    "with_refusal",
]

NOTHING_CHANGED = "Nothing was changed."
NOT_KEPT = "No plan was kept."
# In digits; what is shorter could be met by trying.
SHORTEST_DIGEST = 12
UNREAD = "The database's schema could not be read: somebody has locked a part of it."
TRY_AGAIN = "Let whoever holds the lock finish, then try again."


def keep_plan(plan: Plan, path: Path, *, approve_partial: Sequence[str] = (), sign_key: Any = None) -> str:
    """Write a plan to a file, which `apply` and `rollback` then run as it is, or refuse.

    Args:
        plan: the plan, made with `for_approval=True`.
        path: the file; an older plan in it is replaced, anything else is not.
        approve_partial: the revisions whose statements depend on data, and that are approved all the same: their ids,
            whole or the beginning of them.
        sign_key: the path of an Ed25519 private key in PEM, or a reference to it (`file:`, `cmd:`, `${VAR}`); None for
            a plan that is not signed.

    Returns:
        The plan's digest.

    Raises:
        UsageError: something else stands there, or a revision is not part of the plan.
        Refused: something objects to the plan, or its statements depend on data and that was not approved.
        ConfigurationError: the key cannot be had.

    Example:
        >>> import erm_alembic
        >>> plan = erm_alembic.plan("staging", to="3a1f5c0e7b21", for_approval=True)
        >>> digest = erm_alembic.keep_plan(plan, Path("plan.json"))
        >>> erm_alembic.apply("staging", approved=Path("plan.json")).outcome.result
        'done'
    """
    from erm_alembic.render.plan_file import render_plan_file

    check_place(path)
    key: Any = None
    if sign_key is not None:
        from erm_alembic.planning.signing import private_key

        key = private_key(sign_key) if isinstance(sign_key, str) else sign_key
    _refuse_what_cannot_be_approved(plan)
    write_plan_file(path, render_plan_file(plan, _partial(plan, approve_partial), key))
    return plan_digest(plan)


def with_refusal(plan: Plan, approve_partial: Sequence[str]) -> Plan:
    """The plan as it is to be shown where it is also to be kept: what `keep_plan` will refuse it for objects to it.

    So whoever reads the comment, the check run or the annotations sees what the log of the pipeline alone would say.

    Args:
        plan: the plan, made with `for_approval=True`.
        approve_partial: the revisions whose statements depend on data, and that are approved all the same.
    """
    if plan.blocked:
        return plan
    try:
        missing = _not_approved(plan, approve_partial)
    except UsageError as error:  # of what was typed
        said = Finding(NOT_KEPT_RULE, "error", f"The plan cannot be kept to be approved: {error.what}", error.cure)
        return replace(plan, findings=(*plan.findings, said))
    found = [
        Finding(
            NOT_KEPT_RULE,
            "error",
            f"The plan cannot be kept to be approved: not every statement of {step.revision} can be known before it "
            f"runs: {step.reason}",
            f"Where the part that is shown is enough to approve it: --approve-partial {step.revision}; in a pipeline, "
            f"the label erm-approve-partial:{step.revision} on the pull request.",
            revision=step.revision,
            path=step.path,
        )
        for step in missing
    ]
    if plan.basis is not None and plan.basis.catalog is None:
        found.append(Finding(NOT_KEPT_RULE, "error", f"The plan cannot be kept to be approved: {UNREAD}", TRY_AGAIN))
    return replace(plan, findings=(*plan.findings, *found)) if found else plan


def _refuse_what_cannot_be_approved(plan: Plan) -> None:
    if plan.blocked:
        raise Refused(
            "Something objects to this plan, so that it cannot be approved.",
            effect=NOT_KEPT,
            cure="Do what the help lines say, or let a rule pass with the plan: --override RULE --reason TEXT",
        )
    if plan.basis is None:
        raise UsageError(
            "This plan was not made to be approved: what it was made on was not read.",
            effect=NOT_KEPT,
            cure="Make it with for_approval=True.",
        )
    if plan.basis.catalog is None:
        raise Refused(UNREAD, effect=NOT_KEPT, cure=TRY_AGAIN)


def _partial(plan: Plan, approve: Sequence[str]) -> dict[str, int]:
    """By revision, how many of its statements are approved, where the rest depends on data."""
    named = {_meant(plan, text) for text in approve}
    missing = _not_approved(plan, approve)
    if missing:
        names = ", ".join(step.revision for step in missing)
        reasons = "".join(f"\n  {step.path}: {step.reason}" for step in missing)
        flags = " ".join(f"--approve-partial {step.revision}" for step in missing)
        raise Refused(
            f"Not every statement of {names} can be known before it runs:{reasons}",
            effect=NOT_KEPT,
            cure=f"Where the part that is shown is enough to approve it: {flags}",
        )
    found = ((step.revision, _certain(step)) for step in plan.steps if step.revision in named)
    return {revision: certain for revision, certain in found if certain is not None}


def _not_approved(plan: Plan, approve: Sequence[str]) -> list[Step]:
    """The steps whose statements depend on data, and that nobody has named.

    Raises:
        UsageError: a name is of no revision of the plan.
    """
    named = {_meant(plan, text) for text in approve}
    return [step for step in plan.steps if step.rendered == "partial" and step.revision not in named]


def _certain(step: Step) -> int | None:
    """How many statements hold whatever the database answers; where all are known, those before the first read."""
    if step.rendered == "partial":
        return step.certain or 0
    return next((at for at, statement in enumerate(step.statements) if statement.read), None)


def _meant(plan: Plan, text: str) -> str:
    ids = [step.revision for step in plan.steps]
    meant = [each for each in ids if each == text] or [each for each in ids if text and each.startswith(text)]
    if len(meant) != 1:
        why = "is not part of this plan" if not meant else f"could be any of {', '.join(meant)}"
        raise UsageError(
            f"--approve-partial {text}: that revision {why}.",
            effect=NOT_KEPT,
            cure=f"Name one of its revisions: {', '.join(ids) or '(none)'}.",
        )
    return meant[0]


def open_approved(path: Path, direction: Direction) -> ApprovedPlan:
    """Read an approved plan, before anything is connected to.

    Args:
        path: its file.
        direction: what it is to be used for.

    Raises:
        UsageError: it cannot be read, is no plan, or one of the other direction.
        Refused: it was changed since it was written.
    """
    approved = read_approved(read_plan_file(path), str(path))
    if approved.terms.direction != direction:
        mode = mode_of(approved.terms.direction)
        raise UsageError(
            f"{path} is a plan for {mode}.",
            effect=NOTHING_CHANGED,
            cure=f"erm migrate --mode {mode} --plan {path}",
        )
    return approved


def sign_plan(path: Path, sign_key: str, *, digest: str | None = None) -> ApprovedPlan:
    """Sign a plan that is kept. No code of the project runs for it, so that none of it sees the key.

    Args:
        path: the file of the plan; an older signature is replaced.
        sign_key: the key, as `keep_plan` takes it.
        digest: what its digest must begin with, as the one who approved it has seen it; None for any.

    Returns:
        The plan as it now stands in the file.

    Raises:
        UsageError: the file cannot be read, or is no plan.
        Refused: it was changed since it was written, or has another digest.
        ConfigurationError: the key cannot be had.
    """
    from erm_alembic.planning.signing import private_key, sign
    from erm_alembic.render.json import dump

    key = private_key(sign_key)
    content = read_plan_file(path)
    approved = read_approved(content, str(path))
    if digest is not None and not (len(digest) >= SHORTEST_DIGEST and approved.digest.startswith(digest.lower())):
        raise Refused(
            f"{path} has the digest {approved.digest}, which does not begin with {one_line(digest)!r}.",
            effect="It was not signed.",
            cure=f"Look at what is to be signed; {SHORTEST_DIGEST} digits of its digest are the least to name it by.",
        )
    document = json.loads(content)
    document["approval"]["signature"] = sign(approved.content, key).members()
    write_plan_file(path, dump(document))
    return read_approved(read_plan_file(path), str(path))


def refuse_without_plan(settings: Settings, direction: Direction) -> None:
    """Refuse a run that has no approved plan, where the profile asks for one.

    Args:
        settings: what is in force.
        direction: what is to be run.

    Raises:
        Refused: it asks for one.
    """
    if not settings.safety.require_plan:
        return
    env = env_option(settings.environment)
    keep = f"erm migrate{plan_option(direction)}{env} --out plan.json"
    run = f"erm migrate{run_option(direction)}{env} --plan plan.json"
    raise Refused(
        f"The environment {settings.environment} runs approved plans only (safety.require_plan).",
        effect=NOTHING_CHANGED,
        cure=f"Keep a plan, have it approved, then run it:\n  {keep}\n  {run}",
    )


def refuse_unsigned(settings: Settings, approved: ApprovedPlan) -> str | None:
    """Refuse a plan that none of the keys has signed, where the profile names keys.

    Args:
        settings: what is in force.
        approved: the plan.

    Returns:
        The short name of the key that signed it; None where none is named.

    Raises:
        Refused: none of them has.
    """
    if not settings.safety.plan_keys:
        return None
    from erm_alembic.planning.signing import plan_keys

    return verify_signed(approved, plan_keys(settings))


def checkpoints_of(target: Target, approved: ApprovedPlan) -> tuple[Checkpoint, ...]:
    """What earlier runs of a plan have left in the ledger, oldest first.

    Args:
        target: the database.
        approved: the plan.
    """
    with target.reported(), open_ledger(target) as ledger:
        return read_checkpoints(ledger.connection, target.settings.ledger.schema, approved.digest)


def request_again(approved: ApprovedPlan, checkpoints: Sequence[Checkpoint]) -> Request:
    """What is to be planned again: what was asked for, or the rest of it where a run of the plan was cut off.

    Only a request that counts from where the database stands is another one then.

    Args:
        approved: the plan.
        checkpoints: what its runs have left.
    """
    terms, request = approved.terms, approved.terms.request
    revisions = [step.revision for step in terms.steps]
    finished = [each.revision for each in checkpoints if each.finished]
    done = revisions.index(finished[-1]) + 1 if finished and finished[-1] in revisions else 0
    if not done:
        return request
    if terms.direction == "downgrade" and (terms.to is None or terms.to.startswith("-")):
        return Request("downgrade", None, len(revisions) - done)
    if terms.direction == "upgrade" and terms.to is not None and "+" in terms.to:
        return Request("upgrade", revisions[-1])
    return request


def approval_of(settings: Settings, approved: ApprovedPlan, plan: Plan, checkpoints: Sequence[Checkpoint]) -> Approval:
    """Make sure that what would be run now is what was approved.

    Args:
        settings: what is in force.
        approved: the approved plan.
        plan: what was planned now, for the same request.
        checkpoints: what the runs of the approved plan have left.

    Returns:
        What the run must keep to.

    Raises:
        Refused: something differs; every difference is told.
    """
    found = terms_of(plan)
    if plan.basis is not None:  # who reads for another one may not send what was approved for that one
        found = replace(found, role=plan.basis.read_as)
    progress = _progress(approved, found, plan, checkpoints)
    differences = divergences(approved, found, progress)
    env = env_option(plan.environment)
    again = f"erm migrate{plan_option(plan.direction)}{env} --out {shlex.quote(approved.name)}"
    if differences:
        told = "\n".join(map(str, differences))
        more = " `erm drift` shows what of the schema." if any(each.of_schema for each in differences) else ""
        if any(each.of_role for each in differences):
            role = settings.migrations.role
            more += (
                " With `migrations.role` in erm.yaml, whoever logs in acts as the same role."
                if role is None
                else f" Log in as a member of {role}, which may act as it."
            )
        raise Refused(
            f"{approved.name} does not fit:\n{told}",
            effect=NOTHING_CHANGED,
            cure=f"Find out why.{more} Then plan again, and have that approved: {again}",
        )
    # A plan that was looked at before it was asked to be run is loaded without what runs one.
    from erm_alembic.execute.approved.course import Approval

    return Approval(approved, progress, refuse_unsigned(settings, approved), again, f"erm drift{env}")


def _progress(approved: ApprovedPlan, found: Terms, plan: Plan, checkpoints: Sequence[Checkpoint]) -> Progress | None:
    """How far runs of this plan have come, as far as the ledger and what is pending now agree."""
    revisions = [step.revision for step in approved.terms.steps]
    done = len(revisions) - len(found.steps)
    if done < 0 or revisions[done:] != [step.revision for step in found.steps]:
        return None
    at = _last(checkpoints, revisions[done - 1], finished=True) if done else None
    if done and at is None:
        return None
    half_done = {each.revision for each in plan.half_done if each.direction == plan.direction}
    rest = checkpoints[checkpoints.index(at) + 1 :] if at is not None else checkpoints
    within = _last(rest, revisions[done], finished=False) if found.steps and revisions[done] in half_done else None
    latest = within or at
    if latest is None:
        return None
    progress = Progress(done, within is not None, latest.catalog, latest.without)
    return replace(progress, catalog=None, without=()) if not found.steps else progress


def _last(checkpoints: Sequence[Checkpoint], revision: str, *, finished: bool) -> Checkpoint | None:
    return next(
        (each for each in reversed(checkpoints) if (each.revision, each.finished) == (revision, finished)), None
    )
