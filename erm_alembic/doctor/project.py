"""The project: that it is found, that its secrets are none of the repository's, and that its role may deploy it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress

from erm_alembic.checks import CheckContext, plaintext_password, run_checks
from erm_alembic.doctor.evidence import PRIMARY, Evidence
from erm_alembic.doctor.files import secret_files
from erm_alembic.doctor.model import Diagnosis, NotTold
from erm_alembic.errors import ErmError

__all__ = [
    "alembic_project",
    "ledger_rights",
    "migration_rights",
    "migration_role",
    "secret_files_kept_private",
    "typed_passwords",
]


def alembic_project(evidence: Evidence) -> Iterator[Diagnosis]:
    """There is an Alembic project."""
    project = evidence.project
    if isinstance(project, ErmError):
        configured = evidence.settings.migrations
        named = configured.directory is not None or configured.alembic_ini is not None
        yield Diagnosis(
            "error" if named else "info",
            project.what,
            "Nothing can be deployed from here." if named else "Only the servers were looked at.",
            project.cure if named else "",
        )


def typed_passwords(evidence: Evidence) -> Iterator[Diagnosis]:
    """No password is typed into erm.yaml or alembic.ini."""
    settings, tracked = evidence.settings, evidence.tracked
    in_git = settings.config_path is not None and settings.config_path in (tracked or ())
    rules = {plaintext_password.CHECK.rule: settings.safety.rules.get(plaintext_password.CHECK.rule, "error")}
    for finding in run_checks(CheckContext(settings=settings), rules, (plaintext_password.CHECK,)):
        yield Diagnosis(
            finding.severity,
            finding.message,
            "git keeps the file: it is in every clone, and in the history for good." if in_git else "",
            finding.help,
            path=finding.path,
            line=finding.line,
        )
    project = evidence.project
    if evidence.ini_has_password and not isinstance(project, ErmError) and project.ini is not None:
        kept = project.ini in (tracked or ())
        yield Diagnosis(
            "error" if kept else "warning",
            f"The sqlalchemy.url of {project.ini.name} has a password in it.",
            "git keeps the file: it is in every clone, and in the history for good."
            if kept
            else "Whoever can read the file can read the database; erm itself does not use that address.",
            "Take the address out of it, and change the password where git has it; erm.yaml can name a variable "
            "(${DB_PASSWORD}), a file or a command in its place.",
            path=project.ini.name,
        )


def secret_files_kept_private(evidence: Evidence) -> Iterator[Diagnosis]:
    """Files that addresses are read from are neither in git nor for everybody to read."""
    for path in secret_files(evidence.settings):
        if path in (evidence.tracked or ()):
            yield Diagnosis(
                "warning" if evidence.is_dev else "error",
                f"git tracks {path.name}, from which an address is read (file:).",
                "The secret is in every clone, and in the history for good.",
                f"git rm --cached {path.name}, name it in .gitignore, and change the password.",
                path=str(path),
            )
        with suppress(OSError):
            if path.stat().st_mode & stat.S_IROTH and not evidence.is_dev:
                yield Diagnosis(
                    "warning",
                    f"Everybody on this machine may read {path.name}, from which an address is read (file:).",
                    "Any account of this machine has the password.",
                    f"chmod 600 {path}",
                    path=str(path),
                )


def migration_role(evidence: Evidence) -> Iterator[Diagnosis | NotTold]:
    """Migrations run as a role that is no superuser."""
    rights = evidence.rights
    if isinstance(rights, ErmError):
        yield NotTold(f"The role that migrates cannot be looked at: {rights.what}", rights.cure, PRIMARY)
    elif rights.is_superuser and not evidence.is_dev:
        yield Diagnosis(
            "warning",
            f"Migrations run as {rights.role!r}, a superuser.",
            "A slip in a revision may change any database, role and file of that server; and what it makes belongs to "
            "a role that the application must never be.",
            "Let a role of its own, without superuser, own the schema, and name it: migrations: {role: NAME}, or log "
            "in as it.",
            PRIMARY,
        )


def migration_rights(evidence: Evidence) -> Iterator[Diagnosis | NotTold]:
    """The role that migrates may create, and alter what is there."""
    rights = evidence.rights
    if isinstance(rights, ErmError):
        yield NotTold(f"Its rights cannot be looked at: {rights.what}", rights.cure, PRIMARY)
        return
    if rights.schema is None:
        yield Diagnosis(
            "error",
            f"None of the schemas of the search path ({rights.search_path}) exists, or {rights.role!r} may use none.",
            "What a revision creates without naming a schema fails.",
            f"CREATE SCHEMA ... AUTHORIZATION {rights.quoted_role}, or correct the role's search_path.",
            PRIMARY,
        )
    elif not rights.may_create:
        yield Diagnosis(
            "error",
            f"{rights.role!r} may not create anything in the schema {rights.schema!r}.",
            "The first revision that creates something fails, and so does Alembic's version table.",
            f"GRANT CREATE ON SCHEMA {rights.quoted_schema} TO {rights.quoted_role}",
            PRIMARY,
        )
    if rights.foreign:
        owners = ", ".join(map(repr, rights.owners))
        yield Diagnosis(
            "warning",
            f"{rights.foreign} of {rights.relations} tables, views and sequences in {rights.schema!r} belong to "
            f"{owners}, such as {rights.example!r}; {rights.role!r} is no member of that.",
            "A revision that alters or drops one of them fails.",
            "Let migrations run as the owner (migrations: {role: NAME}), or hand them over: ALTER TABLE ... OWNER TO "
            f"{rights.quoted_role}",
            PRIMARY,
        )


def ledger_rights(evidence: Evidence) -> Iterator[Diagnosis | NotTold]:
    """The role that logs in may keep the ledger."""
    ledger = evidence.ledger
    if isinstance(ledger, ErmError):
        yield NotTold(f"Its rights cannot be looked at: {ledger.what}", ledger.cure, PRIMARY)
        return
    effect = "No deployment begins: what is run must be recorded."
    if not ledger.may_use:
        yield Diagnosis(
            "error",
            f"{ledger.role!r} may not {'use' if ledger.exists else 'make'} the ledger's schema {ledger.quoted_schema}.",
            effect,
            f"GRANT USAGE, CREATE ON SCHEMA {ledger.quoted_schema} TO {ledger.quoted_role}"
            if ledger.exists
            else f"CREATE SCHEMA {ledger.quoted_schema} AUTHORIZATION {ledger.quoted_role}",
            PRIMARY,
        )
    elif ledger.refused is not None:
        yield Diagnosis(
            "error",
            f"{ledger.role!r} may not read and write the ledger's table {ledger.refused!r}.",
            effect,
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {ledger.quoted_schema} "
            f"TO {ledger.quoted_role}",
            PRIMARY,
        )
    elif not ledger.tables and not ledger.may_create:
        yield Diagnosis(
            "error",
            f"{ledger.role!r} may not create the ledger's tables in {ledger.quoted_schema}.",
            effect,
            f"GRANT CREATE ON SCHEMA {ledger.quoted_schema} TO {ledger.quoted_role}",
            PRIMARY,
        )
