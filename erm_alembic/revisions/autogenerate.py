"""Autogenerate through the project's own env.py: its filters, its comparison options, its plugins.

`RevisionContext` is what `alembic revision --autogenerate` itself uses; tests/revisions/test_alembic_names.py fails
loudly when it moves.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.autogenerate import RevisionContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, rev_id
from sqlalchemy import Connection

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ProjectError, UsageError
from erm_alembic.revisions.environment import run_environment
from erm_alembic.revisions.graph import add_version_folder
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.source.downgrade import inspect_downgrade
from erm_alembic.revisions.writing import all_or_nothing, chosen_location, placing_cure, refuse_unsafe_message

__all__ = [
    "NO_DOWNGRADE",
    "BehindFiles",
    "Generated",
    "NoModels",
    "autogenerate",
    "changes_of",
    "compare_models",
    "revision_context",
]

NO_DOWNGRADE = "no downgrade could be generated; write one, or say here why there is none"


class BehindFiles(UsageError):
    """The database is behind the revision files: what is missing would be generated again."""


class NoModels(ProjectError):
    """The project has no models that a database could be compared with."""


@dataclass(frozen=True)
class Generated:
    """What autogenerate found.

    Args:
        changes: one line a difference between the models and the database; empty when they agree.
        path: the file that was written; None when nothing was, or only looked at.
        source: the revision's text.
    """

    changes: tuple[str, ...]
    path: Path | None
    source: str


def autogenerate(
    project: AlembicProject,
    connection: Connection,
    target: DatabaseUrl,
    message: str,
    *,
    head: str | None,
    metadata: str | None,
    write: bool,
    version_path: Path | None = None,
) -> Generated:
    """Compare the models with the database, and write the revision that brings it to them.

    Args:
        project: the Alembic project.
        connection: a read-only connection to a database that stands at the project's heads.
        target: its address.
        message: the revision's message.
        head: the revision to build on, where there are several heads.
        metadata: `module:attribute` of the models, where env.py sets none.
        write: False renders the revision without leaving a file.
        version_path: the version location to write to, where the project has several.

    Raises:
        UsageError: the database is behind the revision files, `head` is not one place to build on, `version_path` is
            no version location, or the message could become code.
        ProjectError: env.py or the models cannot be loaded, or the file cannot be written.
    """
    refuse_unsafe_message(message)
    called_from = Path.cwd()
    with project.entered(), _place(write) as scratch:
        config = project.config()
        scripts = project.scripts(config)
        scripts.messaging_opts = {"quiet": True}
        location = chosen_location(scripts, version_path, called_from)
        if scratch is not None:
            location = scratch
            add_version_folder(scripts, scratch)
        context = revision_context(config, scripts, message, head, location)
        compare_models(project, scripts, config, connection, target, metadata, context)
        changes = changes_of(context)
        if not changes:
            return Generated((), None, "")
        with all_or_nothing(scripts):
            path = _write(context, scripts)
            _declare_when_it_cannot_go_down(path)
        return Generated(changes, path if write else None, path.read_text(encoding="utf-8"))


def _place(write: bool) -> AbstractContextManager[Any]:
    """Where the file goes: the project's own folder (None), or one that is gone afterwards."""
    return nullcontext(None) if write else tempfile.TemporaryDirectory(prefix="erm-gen-")


def revision_context(
    config: Any, scripts: ScriptDirectory, message: str, head: str | None, location: str | None
) -> RevisionContext:
    """What `alembic revision --autogenerate` works with."""
    arguments = {
        "message": message,
        "autogenerate": True,
        "sql": False,
        "head": head or "head",
        "splice": False,
        "branch_label": None,
        "version_path": location,
        "rev_id": rev_id(),
        "depends_on": None,
    }
    return RevisionContext(config, scripts, arguments)


def compare_models(
    project: AlembicProject,
    scripts: ScriptDirectory,
    config: Any,
    connection: Connection,
    target: DatabaseUrl,
    metadata: str | None,
    context: RevisionContext,
) -> None:
    """Compare the models with the database; what differs is in the context afterwards.

    Raises:
        NoModels: neither env.py nor `metadata` says where the models are.
        ProjectError: env.py or the models cannot be loaded.
        BehindFiles: the database is behind the revision files.
    """

    def compare(heads: tuple[str, ...], migration_context: Any) -> Iterable[Any]:
        if migration_context.opts.get("target_metadata") is None:
            raise _no_models(scripts)
        if set(heads) != set(scripts.get_heads()):
            raise BehindFiles(
                "The database is not at the heads of the revision files: what is missing would be generated again.",
                effect="No revision was written.",
                cure="Bring it up first: `erm migrate`.",
            )
        context.run_autogenerate(heads, migration_context)
        return ()

    options = {"template_args": context.template_args, "revision_context": context}
    try:
        run_environment(
            project,
            scripts,
            config,
            connection,
            target,
            compare,
            destination="heads",
            read_only=True,
            metadata=metadata,
            context_options=options,
        )
    except CommandError as error:
        raise ProjectError(
            f"Models and database cannot be compared: {error}",
            effect="No revision was written.",
            cure="Set target_metadata in env.py, or `migrations: {metadata: package:Base.metadata}` in erm.yaml.",
        ) from error


def _no_models(scripts: ScriptDirectory) -> NoModels:
    return NoModels(
        f"Models and database cannot be compared: {scripts.env_py_location} sets no target_metadata.",
        effect="No revision was written.",
        cure="Set target_metadata in env.py, or `migrations: {metadata: package:Base.metadata}` in erm.yaml.",
    )


def changes_of(context: RevisionContext) -> tuple[str, ...]:
    """One line a difference that was found."""
    script = context.generated_revisions[-1]
    found: list[str] = []
    for operations in script.upgrade_ops_list:
        for difference in operations.as_diffs():
            found += [_describe(each) for each in (difference if isinstance(difference, list) else [difference])]
    return tuple(found)


def _describe(difference: tuple[Any, ...]) -> str:
    """One difference in a line: `add column orders.note`."""
    what, *parts = difference
    words = [what.replace("_", " ")]
    for part in parts:
        name = getattr(part, "name", None) or (part if isinstance(part, str) else None)
        table = getattr(getattr(part, "table", None), "name", None)
        if name:
            words.append(f"{table}.{name}" if table and table not in words else str(name))
    return " ".join(words)


def _write(context: RevisionContext, scripts: ScriptDirectory) -> Path:
    try:
        written = [script for script in context.generate_scripts() if isinstance(script, Script)]
    except CommandError as error:
        raise UsageError(
            f"The revision cannot be placed: {str(error).removesuffix('.')}.",
            effect="No revision was written.",
            cure=placing_cure(
                scripts, "Say which revision to build on with --head REV, or merge the heads: `alembic merge heads`."
            ),
        ) from error
    if not written:
        raise ProjectError(
            "env.py's process_revision_directives removed the revision.",
            effect="No revision was written.",
            cure="That hook decides; run with -v to see what it did.",
        )
    return Path(written[-1].path)


def _declare_when_it_cannot_go_down(path: Path) -> None:
    """Every revision goes down or says why not; what autogenerate could not reverse is declared."""
    source = path.read_text(encoding="utf-8")
    if inspect_downgrade(source).state not in ("empty", "missing"):
        return
    declaration = f"irreversible = {NO_DOWNGRADE!r}\n"
    after = re.search(r"^depends_on\b.*$|^down_revision\b.*$", source, re.MULTILINE)
    cut = after.end() + 1 if after else 0
    path.write_text(source[:cut] + declaration + source[cut:], encoding="utf-8")
