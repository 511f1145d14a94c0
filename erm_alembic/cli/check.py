"""`erm check`: what can be checked without a database, and one check by itself, fast enough for pre-commit.

Neither Alembic nor SQLAlchemy is imported on this way: the revision files are read as text.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    ConfigOption,
    EnvironmentOption,
    Format,
    FormatOption,
    SectionOption,
    VerboseOption,
)
from erm_alembic.errors import UsageError

if TYPE_CHECKING:
    from erm_alembic.config.settings import Settings
    from erm_alembic.render.project_check import ProjectCheck
    from erm_alembic.revisions.source.files import RevisionFile

__all__ = ["app"]

EXAMPLES = """\b
Examples:
  erm check downgrades
  erm check downgrades migrations/versions/4f2a_orders.py
  erm check downgrades --format json
"""

ALL_EXAMPLES = """\b
Examples:
  erm check
  erm check --since 4f2a91c07d3e
  erm check --list
"""

app = typer.Typer(name="check", rich_markup_mode=None)


@app.callback(invoke_without_command=True, epilog=ALL_EXAMPLES)
def check(
    context: typer.Context,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="REV", help="Leave out this revision and its ancestors. Default: check all."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the rules, and how loud each is here.")] = False,
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    name: SectionOption = "alembic",
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Check the revision files and the configuration. No database is needed; exit code 1 when something is an error."""
    if context.invoked_subcommand is not None:
        return
    from erm_alembic.config.loader import load_settings

    settings = load_settings(env, config, require_url=False)
    if list_:
        from erm_alembic.checks import CheckContext, verify_rules
        from erm_alembic.checks.listing import listed_rules
        from erm_alembic.render.project_check import rules_json, rules_text

        rules = listed_rules(settings.safety.rules)
        console.write(rules_json(rules) if format_ is Format.json else rules_text(rules))
        verify_rules(settings.safety.rules, CheckContext(settings=settings))  # at last: the list is what cures it
        return
    from erm_alembic.findings import blocking
    from erm_alembic.render.project_check import project_check_json, project_check_text

    found = _check_project(settings, since, name)
    if format_ is Format.json:
        console.write(project_check_json(found))
    else:
        console.write(project_check_text(found, paint=console.painter(sys.stdout)))
    if blocking(found.findings):
        raise typer.Exit(1)


def _check_project(settings: Settings, since: str | None, name: str) -> ProjectCheck:
    from erm_alembic.checks import CheckContext
    from erm_alembic.checks.ignores import without_ignored
    from erm_alembic.checks.missing_downgrade import exempted
    from erm_alembic.checks.without_target import OFFLINE, check_project
    from erm_alembic.render.project_check import ProjectCheck

    among, exempt = _read(settings, [], name)
    revisions = among if since is None else _after(among, since)
    findings, ignored = without_ignored(check_project(settings, revisions, among, exempt), revisions)
    return ProjectCheck(
        findings,
        ignored,
        checked=len(revisions),
        exempted=exempted(CheckContext(revisions=revisions, exempt=exempt)),
        rules=tuple(each.rule for each in OFFLINE if settings.safety.rules.get(each.rule) != "off"),
    )


def _after(among: tuple[RevisionFile, ...], since: str) -> tuple[RevisionFile, ...]:
    """The revisions that are neither this one nor one of its ancestors."""
    from erm_alembic.revisions.source.exemption import UnknownRevision, with_ancestors

    parents = {each.id: (*each.down_revisions, *each.depends_on) for each in among}
    try:
        known = with_ancestors(parents, since)
    except UnknownRevision as unknown:
        raise UsageError(f"--since: {unknown.what}", effect="Nothing was checked.", cure=unknown.cure) from None
    return tuple(each for each in among if each.id not in known)


@app.command("downgrades", epilog=EXAMPLES)
def downgrades(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Revision files or folders. Default: all of the project's."),
    ] = None,
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    name: SectionOption = "alembic",
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Check that every revision can be rolled back. No database is needed; exit code 1 when one cannot."""
    from erm_alembic.checks import CheckContext, missing_downgrade, run_checks
    from erm_alembic.config.loader import load_settings
    from erm_alembic.findings import blocking
    from erm_alembic.render.check import DowngradeCheck, check_json, check_text

    settings = load_settings(env, config, require_url=False)
    revisions, exempt = _read(settings, paths or [], name)
    context = CheckContext(revisions=revisions, settings=settings, exempt=exempt)
    findings = run_checks(context, settings.safety.rules, (missing_downgrade.CHECK,))
    found = DowngradeCheck(
        findings,
        checked=len(revisions),
        exempted=missing_downgrade.exempted(context),
        off=settings.safety.rules.get(missing_downgrade.CHECK.rule) == "off",
        irreversible=sum(revision.report.state == "irreversible" for revision in revisions),
    )
    if format_ is Format.json:
        console.write(check_json(found))
    else:
        console.write(check_text(found, paint=console.painter(sys.stdout)))
    if blocking(findings):
        raise typer.Exit(1)


def _read(settings: Settings, paths: list[Path], name: str) -> tuple[tuple[RevisionFile, ...], frozenset[str]]:
    """The revisions to check, and the ids of those that are exempt."""
    from erm_alembic.revisions.source.files import exempt_revisions, list_python_files, read_revision_files
    from erm_alembic.revisions.source.sql_pair import revisions_of_script

    since = settings.safety.downgrades_since
    root = settings.project_dir
    if not paths:
        revisions = read_revision_files(_all_files(settings, name), root)
        return revisions, exempt_revisions(revisions, since)
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += list_python_files([path], recursive=True)
        elif path.exists():
            files += [path] if path.suffix == ".py" else revisions_of_script(path)
        else:
            raise UsageError(
                f"There is no file {path}.",
                effect="Nothing was checked.",
                cure="Name revision files, or none at all to check the whole project.",
            )
    revisions = read_revision_files(list(dict.fromkeys(files)), root)
    if since is None or not revisions:
        return revisions, frozenset()
    # Ancestors are known only from the whole graph, of which a hook is given a few files.
    given = {file.resolve() for file in files}
    others = [file for file in _all_files(settings, name) if file.resolve() not in given]
    return revisions, exempt_revisions([*revisions, *read_revision_files(others, root)], since)


def _all_files(settings: Settings, name: str) -> tuple[Path, ...]:
    from erm_alembic.revisions.source.files import list_python_files
    from erm_alembic.revisions.source.place import find_place
    from erm_alembic.revisions.source.version_locations import version_locations

    migrations = settings.migrations
    place = find_place(
        settings.project_dir, ini=migrations.alembic_ini, directory=migrations.directory, elsewhere=Path.cwd()
    )
    found = version_locations(place, name)
    return list_python_files(found.folders, recursive=found.recursive)
