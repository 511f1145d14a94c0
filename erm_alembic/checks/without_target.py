"""The checks that take no target, of revision files and of the configuration: `erm check`.

Neither Alembic nor SQLAlchemy is imported on this way: the revision files are read as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from erm_alembic.checks import CHECKS, CheckContext, missing_downgrade, run_checks
from erm_alembic.checks.ignores import without_ignored
from erm_alembic.config.settings import Settings
from erm_alembic.errors import UsageError
from erm_alembic.findings import Finding, Ignored
from erm_alembic.revisions.source.exemption import UnknownRevision, with_ancestors
from erm_alembic.revisions.source.files import (
    RevisionFile,
    exempt_revisions,
    files_of,
    list_python_files,
    read_revision_files,
)
from erm_alembic.revisions.source.place import find_place
from erm_alembic.revisions.source.sql_pair import revisions_of_script

__all__ = ["DowngradeCheck", "ProjectCheck", "check_downgrades", "check_project"]

OFFLINE = tuple(check for check in CHECKS if check.needs != "plan")
NOTHING_CHECKED = "Nothing was checked."


@dataclass(frozen=True)
class ProjectCheck:
    """What `erm check` found.

    Args:
        findings: what the checks say.
        ignored: what comments in the files let pass.
        checked: how many revisions were looked at.
        exempted: how many of those without a down script are exempt.
        rules: the rules that were tried.
    """

    findings: tuple[Finding, ...]
    ignored: tuple[Ignored, ...]
    checked: int
    exempted: int
    rules: tuple[str, ...]


@dataclass(frozen=True)
class DowngradeCheck:
    """What `erm check downgrades` found.

    Args:
        findings: the revisions that cannot be rolled back.
        checked: how many revisions were looked at.
        exempted: how many of those without a down script are exempt.
        off: whether safety.rules turns the rule off.
        irreversible: how many declare that there is no way back.
    """

    findings: tuple[Finding, ...]
    checked: int
    exempted: int = 0
    off: bool = False
    irreversible: int = 0


def check_project(settings: Settings, *, since: str | None = None, section: str = "alembic") -> ProjectCheck:
    """What the checks that need no target say of a project.

    Args:
        settings: what is in force.
        since: this revision and its ancestors are not looked at by themselves; None looks at all.
        section: the section of alembic.ini.

    Raises:
        UsageError: `since` is no revision of the project.
        ConfigurationError: `safety.rules` names a rule that does not exist.
        ProjectError: there is no project, or it cannot be read.
    """
    among = read_revision_files(_files(settings, section), settings.project_dir)
    exempt = exempt_revisions(among, settings.safety.downgrades_since)
    revisions = among if since is None else _after(among, since)
    project = CheckContext(revisions=among, settings=settings, exempt=exempt)
    files = CheckContext(revisions=revisions, settings=settings, exempt=exempt)
    rules = settings.safety.rules
    said = (
        *run_checks(project, rules, tuple(check for check in OFFLINE if check.needs == "project")),
        *run_checks(files, rules, tuple(check for check in OFFLINE if check.needs == "files")),
    )
    findings, ignored = without_ignored(said, revisions)
    return ProjectCheck(
        findings,
        ignored,
        checked=len(revisions),
        exempted=missing_downgrade.exempted(CheckContext(revisions=revisions, exempt=exempt)),
        rules=tuple(each.rule for each in OFFLINE if rules.get(each.rule) != "off"),
    )


def check_downgrades(settings: Settings, paths: Sequence[Path] = (), section: str = "alembic") -> DowngradeCheck:
    """Whether each revision can be rolled back.

    Args:
        settings: what is in force.
        paths: the revision files, their SQL scripts or folders of them; none for the whole project.
        section: the section of alembic.ini.

    Raises:
        UsageError: one of the paths is not there.
        ConfigurationError: `safety.rules` names a rule that does not exist.
        ProjectError: there is no project, or it cannot be read.
    """
    revisions, exempt = _named(settings, paths, section)
    context = CheckContext(revisions=revisions, settings=settings, exempt=exempt)
    rules, rule = settings.safety.rules, missing_downgrade.CHECK
    return DowngradeCheck(
        run_checks(context, rules, (rule,)),
        checked=len(revisions),
        exempted=missing_downgrade.exempted(context),
        off=rules.get(rule.rule) == "off",
        irreversible=sum(revision.report.state == "irreversible" for revision in revisions),
    )


def _files(settings: Settings, section: str) -> tuple[Path, ...]:
    migrations = settings.migrations
    place = find_place(
        settings.project_dir, ini=migrations.alembic_ini, directory=migrations.directory, elsewhere=Path.cwd()
    )
    return files_of(place, section)


def _after(among: tuple[RevisionFile, ...], since: str) -> tuple[RevisionFile, ...]:
    """The revisions that are neither this one nor one of its ancestors."""
    parents = {each.id: (*each.down_revisions, *each.depends_on) for each in among}
    try:
        known = with_ancestors(parents, since)
    except UnknownRevision as unknown:
        raise UsageError(f"--since: {unknown.what}", effect=NOTHING_CHECKED, cure=unknown.cure) from None
    return tuple(each for each in among if each.id not in known)


def _named(settings: Settings, paths: Sequence[Path], section: str) -> tuple[tuple[RevisionFile, ...], frozenset[str]]:
    """The revisions that are named, and the ids of those that are exempt."""
    since, root = settings.safety.downgrades_since, settings.project_dir
    if not paths:
        revisions = read_revision_files(_files(settings, section), root)
        return revisions, exempt_revisions(revisions, since)
    files = list(dict.fromkeys(file for path in paths for file in _below(path)))
    revisions = read_revision_files(files, root)
    if since is None or not revisions:
        return revisions, frozenset()
    # Ancestors are known only from the whole graph, of which a hook is given a few files.
    given = {file.resolve() for file in files}
    others = [file for file in _files(settings, section) if file.resolve() not in given]
    return revisions, exempt_revisions([*revisions, *read_revision_files(others, root)], since)


def _below(path: Path) -> Sequence[Path]:
    """The revision files that a path names: itself, those of a script, or those in a folder."""
    if path.is_dir():
        return list_python_files([path], recursive=True)
    if not path.exists():
        raise UsageError(
            f"There is no file {path}.",
            effect=NOTHING_CHECKED,
            cure="Name revision files, or none at all to check the whole project.",
        )
    return [path] if path.suffix == ".py" else revisions_of_script(path)
