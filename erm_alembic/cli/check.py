"""`erm check`: one check by itself, without a database, fast enough for pre-commit.

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
    from erm_alembic.revisions.source.files import RevisionFile

__all__ = ["app"]

EXAMPLES = """\b
Examples:
  erm check downgrades
  erm check downgrades migrations/versions/4f2a_orders.py
  erm check downgrades --format json
"""

app = typer.Typer(name="check", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def check() -> None:
    """Run a check by itself, without a database."""


@app.command("downgrades", epilog=EXAMPLES)
def downgrades(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Revision files or folders. Default: all of the project's."),
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
    from erm_alembic.revisions.source.version_locations import find_version_locations

    root, migrations = settings.project_dir, settings.migrations
    ini = root / migrations.alembic_ini if migrations.alembic_ini else None
    if ini is not None and not ini.is_file():
        raise UsageError(
            f"There is no {ini}.",
            effect="Nothing was checked.",
            cure="Correct `migrations.alembic_ini` in erm.yaml.",
        )
    found = find_version_locations(root, ini=ini, directory=migrations.directory, section=name)
    return list_python_files(found.folders, recursive=found.recursive)
