"""`erm drift`: where the database, its recorded history and the models differ, for Python callers too."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from erm_alembic.drift.database import DatabaseDrift, Live, Position, compare_database, compare_live, tips
from erm_alembic.drift.fix.change import Sides
from erm_alembic.drift.fix.scripts import as_code, as_script, imports_of
from erm_alembic.drift.fix.statements import statements
from erm_alembic.drift.history import edited_revisions, lost_versions, missing_revisions
from erm_alembic.drift.left_out import leave_out, unused_items, verify_kinds
from erm_alembic.drift.models import NO_MODELS, compare_models
from erm_alembic.drift.severity import known_kinds, severity_of
from erm_alembic.errors import Refused
from erm_alembic.opening import Opened, configured, interruptible, open_project
from erm_alembic.planning.build import Survey, build_plan
from erm_alembic.planning.comparison import Comparison, LeftOut
from erm_alembic.planning.model import Drift, DriftSource
from erm_alembic.planning.request import Request
from erm_alembic.postgres.snapshot import Difference, Snapshot, belongs_to_environment, differences
from erm_alembic.revisions.new_revision import create_revision
from erm_alembic.revisions.project import AlembicOptions, find_project
from erm_alembic.shadow.opened import Shadow, open_shadow

__all__ = [
    "SOURCES",
    "Adopted",
    "AlembicOptions",
    "DriftReport",
    "adopt",
    "database_drift",
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
        left: what was not taken over, because it belongs to an environment.
    """

    path: Path | None
    left: tuple[str, ...]


@dataclass(frozen=True)
class DriftReport:
    """What `erm drift` found.

    Args:
        environment: the profile.
        database_url: the target's URL without its password.
        server_version: the server's version.
        current: the revisions recorded in the database.
        drift: the differences, without what `drift.ignore` names.
        comparisons: how each comparison ended.
        left_out: what `drift.ignore` left out.
        unused: items of `drift.ignore` that left out nothing, where everything was compared.
        notes: what to know besides.
        against: the profile whose database is expected, where two were compared.
        database: the comparison of the database, for whoever writes a way out of it.
    """

    environment: str
    database_url: str
    server_version: str
    current: tuple[str, ...]
    drift: tuple[Drift, ...]
    comparisons: tuple[Comparison, ...]
    left_out: tuple[LeftOut, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    against: str | None = None
    database: DatabaseDrift | None = field(default=None, repr=False, compare=False)

    @property
    def agrees(self) -> bool:
        """Whether there is no drift, and that is known."""
        return not self.drift and all(each.verdict == "same" for each in self.comparisons)


def drift(
    env: str | None = None,
    *,
    config: Path | None = None,
    sources: Collection[DriftSource] = SOURCES,
    options: AlembicOptions | None = None,
) -> DriftReport:
    """Look for drift. Nothing is written to the database.

    Args:
        env: the profile; None means ERM_ENV, else `dev`.
        config: the path of erm.yaml; None looks for it from the working directory up.
        sources: `history`, `database`, `models`: what to compare.
        options: Alembic's own options for env.py.

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
    return _compare(opened, sources)


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
    here, there = (_survey(opened) for opened in (ours, theirs))
    found = interruptible(
        ours.target,
        lambda: compare_live(
            Live(ours.target, position_of(ours, here)), Live(theirs.target, position_of(theirs, there))
        ),
    )
    kept, left_out = leave_out(found.drift, ours.settings.drift.ignore)
    return DriftReport(
        environment=ours.settings.environment,
        database_url=ours.target.redacted,
        server_version=ours.target.server_version,
        current=here.plan.current,
        drift=kept,
        comparisons=(found.comparison,),
        left_out=left_out,
        against=theirs.settings.environment,
        database=found,
    )


def revert_sql(report: DriftReport) -> str:
    """The SQL that takes drift of the database back: what was found becomes what was expected.

    Args:
        report: what was found.

    Raises:
        Refused: it is not known whether there is drift.
    """
    found, sides = _sides(report)
    lines = statements(_kept(report), Sides(sides[0], sides[1], found))
    expected = f"the schema of {report.against}" if report.against else "what its revisions make"
    title = f"Takes the database of {report.environment} ({report.database_url}) back to {expected}."
    return as_script(title, lines)


def adopt(
    report: DriftReport,
    *,
    message: str | None = None,
    config: Path | None = None,
    head: str | None = None,
    version_path: Path | None = None,
    options: AlembicOptions | None = None,
) -> Adopted:
    """Write a revision that takes drift of the database over, with its downgrade.

    What belongs to an environment (grants, owners, publications ...) is left out, unless `drift.severity` makes it an
    error.

    Args:
        report: what was found.
        message: the revision's message; None for one that says what it does.
        config: the path of erm.yaml.
        head: the revision to build on, where there are several heads.
        version_path: the version location to write to, where the project has several.
        options: Alembic's own options for env.py.

    Raises:
        Refused: it is not known whether there is drift.
        ErmError: another subclass of it, when the revision cannot be written.
    """
    major, (expected, found) = _sides(report)
    settings = configured(report.environment, config, options)
    told = _kept(report)
    taken = [each for each in told if severity_of(each.kind, settings.drift) == "error" or not _of_environment(each)]
    left = tuple(dict.fromkeys(f"{each.kind} {each.object}" for each in told if each not in taken))
    if not taken:
        return Adopted(None, left)
    back = [each for each in differences(expected, found) if each in set(taken)]
    turned = [replace(each, expected=each.found, found=each.expected) for each in taken]
    upgrade = as_code(statements(turned, Sides(found, expected, major)))
    downgrade = as_code(statements(back, Sides(expected, found, major)))
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


def _of_environment(difference: Difference) -> bool:
    return belongs_to_environment(difference.kind)


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


def _survey(opened: Opened) -> Survey:
    """Where a database stands, without running a revision."""
    request = Request("upgrade", "heads")
    return interruptible(
        opened.target,
        lambda: build_plan(opened.target, opened.project, request, with_basis=True, recording=False),
    )


def _compare(opened: Opened, sources: Collection[DriftSource]) -> DriftReport:
    survey = _survey(opened)
    found: list[Drift] = []
    comparisons: list[Comparison] = []
    notes: list[str] = []
    database: DatabaseDrift | None = None
    if "history" in sources:
        found += history_drift(survey)
        comparisons.append(Comparison("history", "differs" if found else "same"))
    with open_shadow(opened.settings, opened.project, opened.target) as shadow:
        if "database" in sources:
            database = compare_database(opened.target, shadow, position_of(opened, survey))
            found += database.drift
            comparisons.append(database.comparison)
        if "models" in sources:
            drifted, comparison = _models(shadow, survey)
            if comparison.reason == NO_MODELS and len(sources) > 1:
                notes.append(f"Models were not compared: {NO_MODELS}.")
            else:
                found += drifted
                comparisons.append(comparison)
    ignore = opened.settings.drift.ignore
    kept, left_out = leave_out(found, ignore)
    whole = set(sources) >= set(SOURCES) and all(each.verdict != "unknown" for each in comparisons)
    return DriftReport(
        environment=opened.settings.environment,
        database_url=opened.target.redacted,
        server_version=opened.target.server_version,
        current=survey.plan.current,
        drift=kept,
        comparisons=tuple(comparisons),
        left_out=left_out,
        unused=unused_items(left_out, ignore) if whole else (),
        notes=tuple(notes),
        database=database,
    )


def history_drift(survey: Survey) -> tuple[Drift, ...]:
    """The recorded revisions against the files.

    Args:
        survey: what was read of both.
    """
    return (
        *missing_revisions(survey.unknown, survey.ledger),
        *lost_versions(survey.lost, survey.parents() if survey.lost else {}),
        *edited_revisions(survey.applied, survey.ledger),
    )


def _models(shadow: Shadow, survey: Survey) -> tuple[tuple[Drift, ...], Comparison]:
    return compare_models(shadow, survey.plan.heads)


def position_of(opened: Opened, survey: Survey) -> Position:
    """Where a database stands in its history.

    Args:
        opened: what the command works on.
        survey: what was read of it, with its basis.
    """
    plan = survey.plan
    assert plan.basis is not None
    parents = survey.parents()
    steps = {step.revision for step in plan.steps}
    afterwards = tips({*plan.current, *steps}, parents) if plan.direction == "upgrade" else plan.current
    return Position(
        current=plan.current,
        afterwards=afterwards,
        version_table=plan.basis.version_table,
        ledger_schema=opened.settings.ledger.schema,
        half_done=plan.half_done,
        parents=parents,
    )


def database_drift(
    opened: Opened, survey: Survey
) -> tuple[tuple[Drift, ...], tuple[LeftOut, ...], tuple[Comparison, ...]]:
    """Drift of the database, for a plan.

    It costs one query for the catalog's fingerprint (which `survey.plan.basis` has already) where nothing has changed
    since the last comparison; else the history is replayed up to the recorded revisions, or cloned from a template.

    Args:
        opened: what the command works on.
        survey: the plan, made `with_basis`.

    Returns:
        The differences; what `drift.ignore` left out of them; how the comparison ended.
    """
    if survey.unknown:
        reason = "a recorded revision has no file, so its history cannot be replayed."
        return (), (), (Comparison("database", "unknown", reason),)
    with open_shadow(opened.settings, opened.project, opened.target) as shadow:
        found = compare_database(opened.target, shadow, position_of(opened, survey))
    kept, left_out = leave_out(found.drift, opened.settings.drift.ignore)
    return kept, left_out, (found.comparison,)
