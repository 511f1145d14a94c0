"""Releases: the JSON object of one, one and several of them as text, and the page of one."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from erm_alembic.config.env_option import env_option
from erm_alembic.config.redaction import redact
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.paper.model import Paper, Role, Section, Table
from erm_alembic.render.runs import moment
from erm_alembic.render.safe import Paint, block, one_line, plain
from erm_alembic.render.words import duration

if TYPE_CHECKING:
    from erm_alembic.ledger.releases import ReleaseRecord, StageRecord
    from erm_alembic.postgres.deploy_lock import Holder

__all__ = [
    "next_steps",
    "preview_json",
    "preview_text",
    "release_json",
    "release_members",
    "release_paper",
    "release_text",
    "releases_json",
    "releases_text",
    "stage_table",
    "state_of",
    "took",
]

WORDS: Mapping[str, tuple[str, Role]] = {
    "done": ("done", "good"),
    "stopped": ("stopped", "bad"),
    "interrupted": ("interrupted", "warn"),
    "rolled-back": ("rolled back", "bad"),
    "rollback-failed": ("not rolled back to its end", "bad"),
    "abandoned": ("abandoned", "warn"),
    "superseded": ("superseded", "warn"),
    "under-way": ("under way", "warn"),
    "died": ("ended without a word", "bad"),
}
# What a stage keeps for itself, so that it can go on.
OWN = frozenset({"sample", "observation"})
STAGE_ROLES = {"done": "good", "nothing-to-do": "dim", "skipped": "warn"}


def state_of(record: ReleaseRecord, holder: Holder | None = None, *, told: bool = True) -> str:
    """How a release stands: its outcome; of one that has none, whether it is under way or was killed.

    Args:
        record: the release.
        holder: who releases to the database now; None where nobody does.
        told: whether that was asked.
    """
    return record.outcome or ("under-way" if holder is not None or not told else "died")


def release_members(record: ReleaseRecord, database_url: str, state: str | None = None) -> dict[str, Any]:
    """A release as the members of a JSON object; keys are added, never renamed.

    Args:
        record: the release.
        database_url: the target's URL without its password.
        state: how it stands; None for what the record says.
    """
    return {
        "id": record.id,
        "environment": record.environment,
        "database": {"url": database_url},
        "outcome": state or record.outcome,
        "error": record.error,
        "started_at": plain_value(record.started_at),
        "finished_at": plain_value(record.finished_at),
        "who": record.who,
        "host": record.host,
        "erm_version": record.erm_version,
        "git_commit": record.git_commit,
        "plan": _plan(record),
        "stages": [_stage(each) for each in record.stages],
    }


def _plan(record: ReleaseRecord) -> dict[str, Any] | None:
    """What is released: known from the stage `plan` on."""
    found = record.last("plan")
    if found is None or "digest" not in found.details:
        return None
    steps = [{key: step[key] for key in ("revision", "message", "path")} for step in found.details["steps"]]
    return {"digest": found.details["digest"], "approved": found.details["approved"], "revisions": steps}


def _stage(stage: StageRecord) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "outcome": stage.outcome,
        "reason": stage.reason,
        "cure": stage.cure,
        "started_at": plain_value(stage.started_at),
        "ended_at": plain_value(stage.ended_at),
        "details": {key: value for key, value in stage.details.items() if key not in OWN},
    }


def release_json(
    record: ReleaseRecord, database_url: str, state: str, *, files: Iterable[str] = (), typed: tuple[str, ...] = ()
) -> str:
    """A release as one JSON object.

    Args:
        record: the release.
        database_url: the target's URL without its password.
        state: how it stands.
        files: the reports that were written.
        typed: what the next command must repeat.
    """
    members = release_members(record, database_url, state)
    return result_document({"release": {**members, "files": list(files), "next": next_steps(record, state, typed)}})


def releases_json(records: Iterable[ReleaseRecord], database_url: str, holder: Holder | None) -> str:
    """Several releases as one JSON object, latest first.

    Args:
        records: the releases.
        database_url: the target's URL without its password.
        holder: who releases now.
    """
    told = [release_members(each, database_url, state_of(each, holder)) for each in records]
    return result_document({"releases": told})


def preview_json(stages: Iterable[tuple[str, str]], environment: str) -> str:
    """What a release would do, as one JSON object.

    Args:
        stages: the stages, each with what it would do.
        environment: the profile.
    """
    told = [{"stage": name, "would": redact(would)} for name, would in stages]
    return result_document({"environment": environment, "stages": told})


def next_steps(record: ReleaseRecord, state: str, typed: tuple[str, ...] = ()) -> list[str]:
    """The commands that may follow, the likeliest first; none after a release that is done.

    Args:
        record: the release.
        state: how it stands.
        typed: what the next command must repeat.
    """
    again = env_option(record.environment) + "".join(f" {shlex.quote(word)}" for word in typed)
    if state in ("stopped", "interrupted", "died"):
        applying = record.last("apply")
        applied = () if applying is None else applying.details.get("applied", ())
        if not applied:
            return [f"erm release resume{again}", f"erm release{again}"]
        commands = [f"erm release resume{again}", f"erm release abandon{again} --reason TEXT"]
        back = f"erm migrate --mode rollback --steps {len(applied)} --check{again}"
        return [*commands, *([back] if state != "interrupted" else [])]
    if state in ("rolled-back", "abandoned", "superseded"):
        return [f"erm release{again}"]
    if state == "rollback-failed":
        return [f"erm status{again}", f"erm repair{again}"]
    return [f"erm release status{again}"] if state == "under-way" else []


def took(stage: StageRecord) -> str:
    """How long a stage took; nothing of one that has not ended.

    Args:
        stage: the stage.
    """
    if stage.ended_at is None:
        return ""
    return duration(round((stage.ended_at - stage.started_at).total_seconds() * 1000))


def _headline(record: ReleaseRecord, state: str, paint: Paint) -> str:
    word, role = WORDS.get(state, (one_line(state), "warn"))
    until = "" if record.finished_at is None else f" to {moment(record.finished_at)}"
    commit = f", commit {one_line(record.git_commit)[:12]}" if record.git_commit else ""
    who = f"{one_line(record.who)}@{one_line(record.host)}"
    return (
        f"release {record.id}  {paint(word, role)}  {one_line(record.environment)}  "
        f"{moment(record.started_at)}{until}  {who}, erm {one_line(record.erm_version)}{commit}"
    )


def release_text(
    record: ReleaseRecord,
    state: str,
    *,
    files: Iterable[str] = (),
    typed: tuple[str, ...] = (),
    paint: Paint = plain,
) -> str:
    """A release, its stages and what may follow.

    Args:
        record: the release.
        state: how it stands.
        files: the reports that were written.
        typed: what the next command must repeat.
        paint: gives colour.
    """
    lines = [_headline(record, state, paint)]
    cure = ""
    for stage in record.stages:
        outcome = stage.outcome or ("under way" if state == "under-way" else "died")
        first, *rest = block(redact(stage.reason)) or [""]
        lasted = f"  ({took(stage)})" if took(stage) else ""
        ended = paint(f"{one_line(outcome):<13}", STAGE_ROLES.get(outcome, "bad"))
        lines.append(f"  {ended}  {stage.stage:<10}  {first}{lasted}")
        lines += [f"{'':29}{line}" for line in rest]
        cure = stage.cure if outcome == "failed" else cure
    if record.error and state in ("abandoned", "superseded"):
        lines.append(f"  {one_line(redact(record.error))}")
    if cure and state in ("stopped", "rollback-failed", "rolled-back"):
        first, *rest = block(redact(cure))
        lines += [f"{paint('cure:', 'strong')} {first}", *(f"      {line}" for line in rest)]
    steps = next_steps(record, state, typed)
    lines += [f"{paint('next:', 'strong')} {steps[0]}", *(f"      {step}" for step in steps[1:])] if steps else []
    lines += [f"written: {one_line(file)}" for file in files]
    return "\n".join(lines) + "\n"


def releases_text(records: Iterable[ReleaseRecord], holder: Holder | None, *, paint: Paint = plain) -> str:
    """Several releases, a line each, latest first.

    Args:
        records: the releases.
        holder: who releases now.
        paint: gives colour.

    Example:
        >>> releases_text((), None)
        'The ledger has no release of this database yet.\\n'
    """
    lines = [_headline(each, state_of(each, holder), paint) for each in records]
    return "\n".join(lines or ["The ledger has no release of this database yet."]) + "\n"


def preview_text(stages: Iterable[tuple[str, str]], *, paint: Paint = plain) -> str:
    """What a release would do, a line a stage.

    Args:
        stages: the stages, each with what it would do.
        paint: gives colour.

    Example:
        >>> print(preview_text([("plan", "plan the way to heads")]), end="")
         1  plan        plan the way to heads
    """
    told = [(name, one_line(redact(would))) for name, would in stages]
    lines = (f"{number:>2}  {paint(f'{name:<10}', 'strong')}  {would}" for number, (name, would) in enumerate(told, 1))
    return "".join(f"{line}\n" for line in lines)


def stage_table(record: ReleaseRecord) -> Table:
    """The stages of a release, in the order in which they were begun.

    Args:
        record: the release.
    """
    rows = tuple(
        (
            stage.stage,
            stage.outcome or "did not end",
            moment(stage.started_at),
            took(stage),
            one_line(redact(stage.reason.partition("\n")[0])),
        )
        for stage in record.stages
    )
    return Table(("stage", "ended", "begun", "took", "what came of it"), rows)


def release_paper(record: ReleaseRecord, database_url: str, state: str, typed: tuple[str, ...] = ()) -> Paper:
    """A release as a page: what was released, when, how each stage ended.

    Args:
        record: the release.
        database_url: the target's URL without its password.
        state: how it stands.
        typed: what the next command must repeat.
    """
    word, role = WORDS.get(state, (state, "warn"))
    plan = record.last("plan")
    steps = () if plan is None else plan.details.get("steps", ())
    promoted = record.last("promote")
    commands = () if promoted is None else promoted.details.get("commands", ())
    return Paper(
        f"Release {record.id} to {record.environment}",
        f"The release is {word}",
        role,
        facts=tuple(_facts(record, database_url)),
        sections=(
            Section("Stages", table=stage_table(record)),
            Section(
                "Revisions",
                table=Table(
                    ("revision", "message", "file", "way back"),
                    tuple((each["revision"], each["message"], each["path"], _way_back(each)) for each in steps),
                ),
            ),
            Section(
                "Made known by",
                table=Table(
                    ("command", "ended", "took"),
                    tuple((each["command"], each["outcome"], duration(each["duration_ms"])) for each in commands),
                ),
            ),
            Section("Next", code=tuple(next_steps(record, state, typed)), language="sh"),
        ),
        more="" if record.error is None else _first_line(record.error),
    )


def _facts(record: ReleaseRecord, database_url: str) -> Iterable[tuple[str, str]]:
    yield "environment", record.environment
    yield "database", database_url
    yield "begun", moment(record.started_at)
    if record.finished_at is not None:
        yield "ended", moment(record.finished_at)
    yield "by", f"{record.who} on {record.host}, erm {record.erm_version}"
    if record.git_commit:
        yield "commit", record.git_commit
    if (plan := _plan(record)) is not None:
        yield "plan", plan["digest"]
    backup = record.last("backup")
    if backup is not None and "id" in backup.details:
        place = backup.details.get("place")
        yield "backup", backup.details["id"] if place is None else f"{backup.details['id']}: {place}"
    yield "written", moment(datetime.now(UTC))


def _first_line(text: str) -> str:
    return redact(text).partition("\n")[0]


def _way_back(step: Mapping[str, Any]) -> str:
    if step["round_trip"] is None:
        return f"downgrade {step['downgrade']}, not proven"
    return f"{step['data']}, the catalog {'comes back' if step['round_trip'] == 'same' else step['round_trip']}"
