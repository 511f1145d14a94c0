"""Record that a database stands at a revision which was never run there: compared with what it makes, then stamped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from erm_alembic.baseline.proof import prove
from erm_alembic.checks.overrides import Override, verify_overrides
from erm_alembic.config.env_option import env_option
from erm_alembic.drift.database import Live, read_fingerprint
from erm_alembic.drift.position import Position
from erm_alembic.errors import Refused, UsageError
from erm_alembic.execute.standing import Found, Standing, set_standing
from erm_alembic.ledger.imported import ImportedRevision
from erm_alembic.opening import Opened, interruptible, open_project
from erm_alembic.planning.baselines import Proof, RecordedBaseline, RecordedState
from erm_alembic.planning.build import build_plan
from erm_alembic.planning.request import Request
from erm_alembic.postgres.snapshot import catalog_fingerprint
from erm_alembic.revisions.chain import bases, in_order, whole_id
from erm_alembic.revisions.facts import read_facts
from erm_alembic.revisions.graph import ScriptDirectory, applied_revisions, known_revisions, script_of
from erm_alembic.revisions.project import AlembicOptions, AlembicProject

__all__ = ["record_baseline"]

NOTHING_CHANGED = "The database was not changed."
RULE = "schema-drift"


def record_baseline(
    env: str | None = None,
    *,
    to: str | None = None,
    proof: Proof | None = None,
    agree: Callable[[str, str, Proof], bool] = lambda _revision, _url, _proof: True,
    overrides: Sequence[Override] = (),
    wait: float | None = None,
    accept_environment: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    config: Path | None = None,
    options: AlembicOptions | None = None,
) -> RecordedBaseline:
    """Record that a database has what a revision and those before it make, once that was seen to be so.

    Args:
        env: the profile.
        to: the revision, whole or the beginning of its id; None for the project's first one.
        proof: what came of a comparison that was just made; None makes it.
        agree: asked before anything is written, with the revision, the address and the comparison.
        overrides: the rules that may pass: `schema-drift`, where the database differs.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        accept_environment: whether a database that was deployed under another environment is accepted.
        tell: told who holds the deploy lock, and which limits of the role's do not hold.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        Refused: the database differs, records something else, or was changed meanwhile.
        UsageError: it is not certain which revision is meant.
        ErmError: another subclass of it, when the database cannot be read or written.

    Example:
        >>> from erm_alembic.errors import ErmError
        >>> try:
        ...     record_baseline("staging", to="nothing")
        ... except ErmError as error:
        ...     print(error)
        nothing: there is no such revision, or several begin like this.
    """
    passed = verify_overrides(tuple(overrides))
    opened = open_project(env, config, options, to_write=True)
    settings, target = opened.settings, opened.target
    with opened.project.entered():
        scripts = opened.project.scripts()
        revision = whole_id(scripts, to) if to is not None else _first(scripts)
    survey = interruptible(
        target,
        lambda: build_plan(target, opened.project, Request("upgrade", "heads"), with_basis=True, recording=False),
    )
    assert survey.plan.basis is not None
    version_table = survey.plan.basis.version_table

    def result(state: RecordedState, run_id: int | None = None) -> RecordedBaseline:
        where = (settings.environment, target.redacted, target.server_version)
        return RecordedBaseline(*where, revision, state, proof, run_id)

    if (there := _there_already(scripts, survey.plan.current, revision)) is not None:
        return result(there)
    position = Position((revision,), (revision,), version_table, settings.ledger.schema)
    seen = interruptible(target, lambda: read_fingerprint(Live(target, position)))
    proof = proof or prove(opened, (revision,), version_table)
    why = _refuse_drift(opened, revision, proof, passed)
    if not agree(revision, target.redacted, proof):
        return result("looked")

    def decide(found: Found) -> Standing:
        if found.heads != survey.plan.current or seen != catalog_fingerprint(
            found.cursor, (settings.ledger.schema,), (version_table,)
        ):
            raise Refused(
                "The database was changed while it was compared.",
                effect=NOTHING_CHANGED,
                cure=f"Compare it again: erm baseline --record{env_option(settings.environment)}",
            )
        return Standing((revision,), _rows(opened.project, found.scripts, revision), why)

    recorded = set_standing(
        target, opened.project, "baseline", decide, wait=wait, tell=tell, accept_environment=accept_environment
    )
    return result("recorded", recorded.run_id)


def _first(scripts: ScriptDirectory) -> str:
    found = bases(scripts)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            "The project has no revision to record.", effect=NOTHING_CHANGED, cure="Write one first: erm baseline"
        )
    raise UsageError(
        f"The project begins at several revisions: {', '.join(found)}.",
        effect=NOTHING_CHANGED,
        cure="Name the one whose schema the database has: --to REV",
    )


def _there_already(scripts: ScriptDirectory, current: Sequence[str], revision: str) -> RecordedState | None:
    """Whether the database records the revision, or more.

    Raises:
        Refused: it records something else.
    """
    if not current:
        return None
    if tuple(current) == (revision,):
        return "already"
    if set(current) <= known_revisions(scripts) and revision in applied_revisions(scripts, current):
        return "ahead"
    raise Refused(
        f"The database records revision {', '.join(sorted(current))}, which is not what is to be recorded.",
        effect=NOTHING_CHANGED,
        cure="Check that the URL is the one you mean; `erm repair` shows the ways out of a wrong record.",
    )


def _refuse_drift(
    opened: Opened, revision: str, proof: Proof, overrides: Sequence[Override]
) -> tuple[tuple[str, str], ...]:
    """What is let pass; raises where anything else is in the way."""
    why = tuple((each.rule, each.reason) for each in overrides)
    if proof.holds or any(each.rule == RULE for each in overrides):
        return why
    env_typed = env_option(opened.settings.environment)
    if proof.verdict == "unknown":
        raise Refused(
            f"It is not known whether the database has what {revision} makes: {(proof.reason or '').rstrip('.')}.",
            effect=NOTHING_CHANGED,
            cure=f"Give the shadow what it lacks (`erm doctor{env_typed}` tells), or say why it may be recorded all "
            f"the same: --override {RULE} --reason TEXT",
        )
    named = ", ".join(f"{each.kind} {each.object}" for each in proof.wrong[:5])
    more = f" and {len(proof.wrong) - 5} more" if len(proof.wrong) > 5 else ""
    raise Refused(
        f"The database is not what {revision} makes; it differs in {named}{more}.",
        effect=NOTHING_CHANGED,
        cure="Correct the revision's script, or the database; what nobody minds is named in `drift.ignore`. Where it "
        f"may be recorded all the same: --override {RULE} --reason TEXT",
    )


def _rows(project: AlembicProject, scripts: ScriptDirectory, revision: str) -> tuple[ImportedRevision, ...]:
    """The revision and all before it, in the order in which they would have run."""
    now = datetime.now(UTC)
    facts = [read_facts(project, script_of(scripts, each)) for each in in_order(scripts, (revision,))]
    return tuple(
        ImportedRevision(each.revision, each.message, each.path, each.source, each.source_hash, now) for each in facts
    )
