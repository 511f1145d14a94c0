"""`erm drift`: where the database, its recorded history and the models differ, for Python callers too."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from erm_alembic.drift.against import compare_live
from erm_alembic.drift.database import DatabaseDrift, Live, compare_database
from erm_alembic.drift.fix.change import Sides
from erm_alembic.drift.fix.scripts import as_code, as_script, imports_of
from erm_alembic.drift.fix.statements import statements
from erm_alembic.drift.fix.tenants import without_schema
from erm_alembic.drift.history import history_drift
from erm_alembic.drift.known_standing import known_standing, remember_standing
from erm_alembic.drift.left_out import leave_out, unused_items, verify_kinds, without_left_out
from erm_alembic.drift.models import NO_MODELS, compare_models
from erm_alembic.drift.models_live import agree_meanwhile
from erm_alembic.drift.position import position_of
from erm_alembic.drift.report import DriftReport
from erm_alembic.drift.severity import is_adopted, known_kinds
from erm_alembic.drift.trial import Grounds, not_proven, refuse_remarks
from erm_alembic.errors import Refused
from erm_alembic.opening import Opened, configured, interruptible, open_project
from erm_alembic.planning.build import Survey, build_plan
from erm_alembic.planning.comparison import Comparison
from erm_alembic.planning.model import Drift, DriftSource
from erm_alembic.planning.request import Request
from erm_alembic.postgres.snapshot import Difference, Snapshot, differences, seen_from_the_other_side
from erm_alembic.revisions.cache.inputs import Inputs, watched
from erm_alembic.revisions.new_revision import create_revision
from erm_alembic.revisions.project import AlembicOptions, find_project
from erm_alembic.shadow.opened import Shadow, open_shadow

__all__ = [
    "SOURCES",
    "Adopted",
    "AlembicOptions",
    "DriftReport",
    "Reverted",
    "adopt",
    "compare",
    "drift",
    "drift_against",
    "revert_sql",
]

SOURCES: tuple[DriftSource, ...] = ("history", "database", "models")


@dataclass(frozen=True)
class Adopted:
    """What became of drift that was to be taken over.

    Args:
        path: the revision that was written; None where there was nothing to take over.
        left: what was not taken over, because it belongs to an environment, or because no statement can.
    """

    path: Path | None
    left: tuple[str, ...]


@dataclass(frozen=True)
class Reverted:
    """The SQL that takes drift back.

    Args:
        text: the script.
        not_proven: why it is not known to do what it is for; None where a copy of the schema showed that it does.
    """

    text: str
    not_proven: str | None = None


def drift(
    env: str | None = None,
    *,
    config: Path | None = None,
    sources: Collection[DriftSource] = SOURCES,
    options: AlembicOptions | None = None,
    whole: bool = False,
) -> DriftReport:
    """Look for drift. Nothing is written to the database.

    Args:
        env: the profile; None means ERM_ENV, else `dev`.
        config: the path of erm.yaml; None looks for it from the working directory up.
        sources: `history`, `database`, `models`: what to compare.
        options: Alembic's own options for env.py.
        whole: whether a way out is to be written, for which both schemas are read whole, whatever is remembered.

    Raises:
        ErmError: a subclass of it, when it cannot be looked for at all; a comparison that cannot be made is `unknown`.

    Example:
        >>> import erm_alembic
        >>> erm_alembic.apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> from erm_alembic.comparing import drift
        >>> drift("staging", sources=["history"]).agrees
        True
    """
    opened = open_project(env, config, options)
    verify_kinds(opened.settings.drift, known_kinds(), opened.settings.origins)
    return compare(opened, sources, whole=whole)


def drift_against(
    env: str | None,
    against: str,
    *,
    config: Path | None = None,
    options: AlembicOptions | None = None,
) -> DriftReport:
    """Compare the databases of two environments. Nothing is written to either.

    Args:
        env: the profile whose database is looked at.
        against: the profile whose database has the schema that is expected.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        ErmError: a subclass of it, when one of them cannot be reached.

    Example:
        >>> import erm_alembic
        >>> erm_alembic.apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> drift_against("staging", "staging").agrees
        True
    """
    ours, theirs = open_project(env, config, options), open_project(against, config, options)
    verify_kinds(ours.settings.drift, known_kinds(), ours.settings.origins)
    here, there = (_survey(opened)[0] for opened in (ours, theirs))
    live = Live(ours.target, position_of(ours.target, here))
    other = Live(theirs.target, position_of(theirs.target, there))
    with _shadows(ours, theirs) as shadows:
        found = interruptible(ours.target, lambda: compare_live(live, other, shadows))
    heartbeats = (ours.settings.routing.heartbeat, theirs.settings.routing.heartbeat)
    kept, left_out = leave_out(found.drift, ours.settings.drift.ignore, heartbeats)
    return DriftReport(
        environment=ours.settings.environment,
        database_url=ours.target.redacted,
        server_version=ours.target.server_version,
        current=here.plan.current,
        drift=kept,
        comparisons=(without_left_out(found.comparison, kept),),
        left_out=left_out,
        against=theirs.settings.environment,
        database=found,
    )


@contextlib.contextmanager
def _shadows(ours: Opened, theirs: Opened) -> Iterator[tuple[Shadow, Shadow]]:
    """The shadows of both databases, on one server; nothing is started before they are asked for something."""
    major = max(ours.target.major, theirs.target.major)
    beside = replace(theirs.settings, project_dir=ours.settings.project_dir, shadow=ours.settings.shadow)
    with (
        open_shadow(ours.settings, ours.project, ours.target, major=major) as shadow,
        open_shadow(beside, theirs.project, theirs.target, major=major) as other,
    ):
        yield shadow, other


def revert_sql(report: DriftReport, *, config: Path | None = None, options: AlembicOptions | None = None) -> Reverted:
    """The SQL that takes drift of the database back, tried on a copy of the schema: what was found becomes what was
    expected.

    Args:
        report: what was found.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        Refused: it is not known whether there is drift.
        ErmError: another subclass of it, when the database cannot be read.
    """
    major, (expected, found) = _sides(report)
    told = _kept(report)
    lines: tuple[str, ...] = ()
    unproven = None
    if told:
        with _grounds(report, config, options) as grounds:
            dependents = interruptible(grounds.target, grounds.dependents_found)
            lines = statements(told, Sides(expected, found, major, dependents))
            trial = interruptible(grounds.target, lambda: grounds.try_revert(lines, told, expected, found))
        unproven = None if trial.holds else str(trial)
    schema = f"the schema of {report.against}" if report.against else "what its revisions make"
    title = f"Takes the database of {report.environment} ({report.database_url}) back to {schema}."
    execution = configured(report.environment, config, options).execution
    return Reverted(as_script(title, lines, unproven, execution.lock_timeout), unproven)


def adopt(
    report: DriftReport,
    *,
    message: str | None = None,
    config: Path | None = None,
    head: str | None = None,
    version_path: Path | None = None,
    options: AlembicOptions | None = None,
) -> Adopted:
    """Write a revision that takes drift of the database over, with its downgrade, tried on copies of the schema.

    What belongs to an environment (grants, owners, publications ...) is left out, unless `drift.severity` makes it an
    error; so is what a pending revision takes over already, and the order of columns, which no statement changes.

    Args:
        report: what was found.
        message: the revision's message; None for one that says what it does.
        config: the path of erm.yaml.
        head: the revision to build on, where there are several heads.
        version_path: the version location to write to, where the project has several.
        options: Alembic's own options for env.py.

    Raises:
        Refused: it is not known whether there is drift, or the revision does not do what it is for.
        ErmError: another subclass of it, when the revision cannot be written.
    """
    major, (expected, found) = _sides(report)
    settings = configured(report.environment, config, options)
    pending = {(each.kind, each.object) for each in report.drift if each.adopted}
    told = [each for each in _kept(report) if (each.kind, each.object) not in pending]
    taken = [each for each in told if is_adopted(each.kind, settings.drift)]
    left = tuple(dict.fromkeys(f"{each.kind} {each.object}" for each in told if each not in taken))
    if not taken:
        return Adopted(None, left)
    back = [each for each in differences(expected, found) if each in set(taken)]
    turned = seen_from_the_other_side(taken, expected, found)
    with _grounds(report, config, options) as grounds:
        there = interruptible(grounds.target, grounds.dependents_found)
        elsewhere = interruptible(grounds.target, grounds.dependents_expected)
        up = statements(turned, Sides(found, expected, major, elsewhere, with_rights=False))
        down = statements(back, Sides(expected, found, major, there, with_rights=False))
        tenant = interruptible(grounds.target, grounds.tenant)
        if tenant is not None:
            up, down = without_schema(up, tenant), without_schema(down, tenant)
        refuse_remarks((*up, *down))
        trial = interruptible(grounds.target, lambda: grounds.try_adoption(up, down, turned, expected, found, tenant))
    if not trial.holds:
        raise not_proven(trial)
    upgrade, downgrade = as_code(up), as_code(down)
    path = create_revision(
        find_project(settings, options),
        message or f"take over what was changed in {report.environment}",
        head=head,
        version_path=version_path,
        upgrades=upgrade,
        downgrades=downgrade,
        imports=imports_of(upgrade + downgrade),
    )
    return Adopted(path, left)


@contextlib.contextmanager
def _grounds(report: DriftReport, config: Path | None, options: AlembicOptions | None) -> Iterator[Grounds]:
    """Where ways out of what a report tells are tried."""
    opened = open_project(report.environment, config, options)
    survey = _survey(opened)[0]
    position = position_of(opened.target, survey)
    with open_shadow(opened.settings, opened.project, opened.target, survey.scripts, position.current) as shadow:
        yield Grounds(opened.target, shadow, position, survey.plan.basis.schema if survey.plan.basis else None)


def _sides(report: DriftReport) -> tuple[int, tuple[Snapshot, Snapshot]]:
    """The major version, and what was expected and found."""
    database = report.database
    if database is None or database.expected is None or database.found is None:
        reason = next((each.reason for each in report.comparisons if each.verdict == "unknown"), None)
        raise Refused(
            f"Drift of the database is not known{f': {reason}' if reason else '.'}",
            effect="Nothing was written.",
            cure="`erm drift --source database` tells more.",
        )
    return int(report.server_version.split(".")[0]), (database.expected, database.found)


def _kept(report: DriftReport) -> list[Difference]:
    """The differences that `drift.ignore` does not leave out."""
    kept = {(each.kind, each.object) for each in report.drift if each.source == "database"}
    told = report.database.differences if report.database is not None else ()
    return [each for each in told if (each.kind, each.object) in kept]


def _survey(opened: Opened) -> tuple[Survey, Inputs | None]:
    """Where a database stands, without running a revision; and everything that env.py was read from."""
    request = Request("upgrade", "heads")
    with watched(opened.target.url) as watch:
        survey = interruptible(
            opened.target,
            lambda: build_plan(opened.target, opened.project, request, with_basis=True, recording=False),
        )
    inputs = watch.inputs()
    if inputs is not None:
        remember_standing(opened.target, opened.project, survey, inputs)
    return survey, inputs


@dataclass
class _Looking:
    """What is looked at, and what was found so far."""

    opened: Opened
    drift: list[Drift] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    database: DatabaseDrift | None = None

    def add(self, drift: Collection[Drift], comparison: Comparison) -> None:
        """Keep what one comparison found."""
        self.drift += drift
        self.comparisons.append(comparison)


def compare(opened: Opened, sources: Collection[DriftSource], *, whole: bool = False) -> DriftReport:
    """Look for drift, of what is opened already.

    Args:
        opened: what the command works on.
        sources: `history`, `database`, `models`: what to compare.
        whole: whether a way out is to be written.
    """
    looking, target, project = _Looking(opened), opened.target, opened.project
    standing = None if whole else interruptible(target, lambda: known_standing(target, project))
    with open_shadow(opened.settings, project, target) as shadow:
        if standing is not None:
            current = heads = standing.position.current
            history: tuple[Drift, ...] = ()
            position, live, has_models = standing.position, standing.live, standing.has_models
            inputs: str | None = standing.inputs
        else:
            if set(sources) != {"history"}:
                shadow.begin_server()
            survey, read = _survey(opened)
            current, heads = survey.plan.current, survey.plan.heads
            history = interruptible(target, lambda: history_drift(target, survey))
            inputs = None if read is None else read.digest
            position, has_models = position_of(target, survey), survey.metadata is not None
            assert survey.plan.basis is not None
            live = survey.plan.basis.catalog or ""
            shadow.learn(survey.scripts, current)
        if "history" in sources:
            looking.add(history, Comparison("history", "differs" if history else "same"))
        agree = False
        if {"database", "models"} <= set(sources) and has_models and not whole and set(current) == set(heads):
            agree = interruptible(target, lambda: agree_meanwhile(target, project, shadow, position, inputs))
        if "database" in sources:
            found = interruptible(
                target, lambda: compare_database(target, shadow, position, live=live or None, whole=whole)
            )
            looking.database = found
            looking.add(found.drift, found.comparison)
            agree = agree and found.equal
        if "models" in sources and has_models:
            root = opened.settings.project_dir
            looking.add(
                *interruptible(target, lambda: compare_models(shadow, heads, position, root, inputs, agree=agree))
            )
    if "models" in sources and not has_models:
        _without_models(looking, alone=len(sources) == 1)
    return _report(looking, sources, current)


def _without_models(looking: _Looking, *, alone: bool) -> None:
    """A project without models has no drift of them; whoever asks for that alone is told so."""
    if alone:
        looking.add((), Comparison("models", "unknown", f"{NO_MODELS}."))
    else:
        looking.notes.append(f"Models were not compared: {NO_MODELS}.")


def _report(looking: _Looking, sources: Collection[DriftSource], current: tuple[str, ...]) -> DriftReport:
    opened = looking.opened
    ignore = opened.settings.drift.ignore
    kept, left_out = leave_out(looking.drift, ignore, (opened.settings.routing.heartbeat,))
    complete = set(sources) >= set(SOURCES) and all(each.verdict != "unknown" for each in looking.comparisons)
    return DriftReport(
        environment=opened.settings.environment,
        database_url=opened.target.redacted,
        server_version=opened.target.server_version,
        current=current,
        drift=kept,
        comparisons=tuple(without_left_out(each, kept) for each in looking.comparisons),
        left_out=left_out,
        unused=unused_items(left_out, ignore) if complete else (),
        notes=tuple(looking.notes),
        database=looking.database,
        to_adopt=any(
            each.source == "database" and not each.adopted and is_adopted(each.kind, opened.settings.drift)
            for each in kept
        ),
    )
