"""Mend one damage in one way: under the deploy lock, and in the ledger as a run of the mode `repair`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from erm_alembic.config.env_option import env_option
from erm_alembic.errors import ProjectError, Refused, UsageError
from erm_alembic.execute.provenance import git_commit
from erm_alembic.execute.standing import Found, Standing, set_standing
from erm_alembic.execute.under_lock import UnderLock, create_ledger, under_deploy_lock
from erm_alembic.ledger.imported import ImportedRevision
from erm_alembic.ledger.restore import restore_file
from erm_alembic.ledger.store import open_ledger
from erm_alembic.mending.finding import Looked, damages_of, look, tips_of
from erm_alembic.opening import Opened, interruptible, open_project
from erm_alembic.planning.damages import Damage, Exit, Mended
from erm_alembic.postgres.repairing import end_session, index_statement, widen_statement
from erm_alembic.revisions.chain import whole_id
from erm_alembic.revisions.facts import read_facts
from erm_alembic.revisions.graph import ScriptDirectory, known_revisions, script_of
from erm_alembic.revisions.project import AlembicOptions
from erm_alembic.revisions.source.sql_pair import parted

__all__ = ["choose", "mend"]

NOTHING_CHANGED = "Nothing was changed."
WIDE = 255


@dataclass(frozen=True)
class _Mending:
    """What is to be mended, and how."""

    opened: Opened
    looked: Looked
    damage: Damage
    exit: Exit
    why: tuple[str, str]
    to: tuple[str, ...]
    wait: float | None
    accept_environment: bool
    tell: Callable[[str], None]

    @property
    def scripts(self) -> ScriptDirectory:
        """The revision graph, which a damage that is about it has."""
        assert self.looked.scripts is not None
        return self.looked.scripts


def choose(
    damages: Sequence[Damage], what: str | None, way: str, *, to: Sequence[str], reason: str | None
) -> tuple[Damage, Exit]:
    """The damage and the way that are meant.

    Args:
        damages: what was found.
        what: what it is about, or its kind; None for the only one that has the way.
        way: the name of the way.
        to: the revisions that `record` records.
        reason: why.

    Raises:
        UsageError: no such damage has that way, several could be meant, or something else must be said.
    """
    meant = [each for each in damages if what is None or what in (each.object, each.kind, *each.also)]
    found = [(each, exit_) for each in meant for exit_ in each.exits if exit_.name == way]
    if len(found) != 1:
        about = f" about {what}" if what is not None else ""
        named = ", ".join(sorted(each.object for each, _ in found))
        raise UsageError(
            f"--do {way}: nothing is damaged{about} that has this way out."
            if not found
            else f"--do {way} could be about {named}.",
            effect=NOTHING_CHANGED,
            cure="`erm repair` shows what is damaged, with the ways out."
            if not found
            else "Name one: erm repair NAME --do WAY",
        )
    damage, exit_ = found[0]
    for need, given in (("to", bool(to)), ("reason", bool((reason or "").strip()))):
        if need in exit_.needs and not given:
            raise UsageError(
                f"--do {way} needs --{need}.",
                effect=NOTHING_CHANGED,
                cure="Say which revision the database has: --to REV"
                if need == "to"
                else "Say why it is right: --reason TEXT",
            )
    if to and "to" not in exit_.needs:
        raise UsageError(f"--do {way} takes no --to.", effect=NOTHING_CHANGED, cure="Leave it out.")
    return damage, exit_


def mend(
    env: str | None,
    way: str,
    what: str | None = None,
    *,
    to: Sequence[str] = (),
    reason: str | None = None,
    agree: Callable[[Damage, Exit], bool] = lambda _damage, _exit: True,
    wait: float | None = None,
    accept_environment: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    config: Path | None = None,
    options: AlembicOptions | None = None,
) -> Mended | None:
    """Mend one damage; the ledger keeps it as a run.

    Args:
        env: the profile.
        way: the way out, as `examine` names it.
        what: what the damage is about, or its kind; None for the only one that has this way.
        to: the revisions that `record` records.
        reason: why; some ways need it.
        agree: asked before anything is done.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        accept_environment: whether a database that was deployed under another environment is accepted.
        tell: told who holds the deploy lock, and which limits of the role's do not hold.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Returns:
        What was done; None where the answer was no.

    Raises:
        UsageError: no such damage has that way, several could be meant, or something else must be said.
        Refused: it is not what it was any more.
        ErmError: another subclass of it, when it cannot be mended.

    Example:
        >>> from erm_alembic.errors import ErmError
        >>> try:
        ...     mend("staging", "drop-index")
        ... except ErmError as error:
        ...     print(error)
        --do drop-index: nothing is damaged that has this way out.
    """
    opened = open_project(env, config, options, to_write=True)
    looked = interruptible(opened.target, lambda: look(opened))
    with opened.project.entered():
        damage, exit_ = choose(damages_of(opened, looked), what, way, to=to, reason=reason)
        named = tuple(whole_id(looked.scripts, each) for each in to) if looked.scripts is not None else ()
    if not agree(damage, exit_):
        return None
    why = (f"{exit_.name} {damage.kind} {damage.object}", (reason or "").strip() or "no reason given")
    mending = _Mending(opened, looked, damage, exit_, why, named, wait, accept_environment, tell)
    done, run_id = ACTS[exit_.name](mending)
    return Mended(damage, exit_, done, run_id)


# What is recorded.


def _record(mending: _Mending, heads: Sequence[str] | None, rows: Sequence[ImportedRevision] = ()) -> int:
    """Set the version table, the ledger or both, unless the version table was changed meanwhile."""
    before = sorted(mending.looked.rows)

    def decide(found: Found) -> Standing:
        if sorted(found.heads) != before:
            raise Refused(
                "The version table is not what was shown any more.",
                effect=NOTHING_CHANGED,
                cure=f"Look again: erm repair{env_option(mending.opened.settings.environment)}",
            )
        return Standing(None if heads is None else tuple(sorted(heads)), tuple(rows), (mending.why,))

    done = set_standing(
        mending.opened.target,
        mending.opened.project,
        "repair",
        decide,
        wait=mending.wait,
        tell=mending.tell,
        accept_environment=mending.accept_environment,
    )
    return done.run_id


def _record_to(mending: _Mending) -> tuple[str, int]:
    wanted = tips_of(mending.scripts, mending.to)
    return f"The database records {', '.join(wanted)} now.", _record(mending, wanted)


def _record_ledger(mending: _Mending) -> tuple[str, int]:
    known = known_revisions(mending.scripts)
    applied = [each for each in mending.looked.ledger.applied if each in known]
    wanted = tips_of(mending.scripts, [*applied, *(row for row in mending.looked.rows if row in known)])
    return f"The database records {', '.join(wanted)} now.", _record(mending, wanted)


def _drop_lower(mending: _Mending) -> tuple[str, int]:
    wanted = sorted(set(mending.looked.rows) - set(mending.damage.also))
    return f"The database records {', '.join(wanted)} now.", _record(mending, wanted)


def _drop_duplicates(mending: _Mending) -> tuple[str, int]:
    wanted = sorted(set(mending.looked.rows))
    return f"The database records {', '.join(wanted)} now, each once.", _record(mending, wanted)


def _accept(mending: _Mending) -> tuple[str, int]:
    run_id = _record(mending, None, [_row(mending, mending.damage.object)])
    return f"The code of {mending.damage.object} counts as what was applied.", run_id


def _write_ledger(mending: _Mending) -> tuple[str, int]:
    up = mending.damage.kind == "ledger-behind"
    rows = [_row(mending, each) if up else _taken_back(mending, each) for each in mending.damage.also]
    word = "applied" if up else "taken back"
    return f"The ledger has {', '.join(mending.damage.also)} as {word} now.", _record(mending, None, rows)


def _row(mending: _Mending, revision: str) -> ImportedRevision:
    with mending.opened.project.entered():
        facts = read_facts(mending.opened.project, script_of(mending.scripts, revision))
    values = (facts.revision, facts.message, facts.path, facts.source, facts.source_hash)
    return ImportedRevision(*values, datetime.now(UTC))


def _taken_back(mending: _Mending, revision: str) -> ImportedRevision:
    source = mending.looked.ledger.sources[revision]
    values = (revision, "", source.path, source.source, source.source_hash)
    return ImportedRevision(*values, datetime.now(UTC), "downgrade")


# What is done beside it.


def _noted(mending: _Mending, act: Callable[[UnderLock], str]) -> tuple[str, int]:
    """Do something under the deploy lock, and write into the ledger that it was done."""
    target, project = mending.opened.target, mending.opened.project
    with (
        under_deploy_lock(target, project, "erm repair", wait=mending.wait, tell=mending.tell) as locked,
        target.reported(),
    ):
        create_ledger(target, locked.ledger, accept_environment=mending.accept_environment)
        run_id = locked.ledger.start_run(
            mode="repair",
            environment=target.settings.environment,
            role=target.role,
            backend_pid=locked.raw.info.backend_pid,
            git_commit=git_commit(project.root),
            overrides=[mending.why],
        )
        try:
            done = act(locked)
        except BaseException as error:
            with contextlib.suppress(Exception):
                locked.ledger.finish_run(run_id, "failed", type(error).__name__)
            raise
        locked.ledger.finish_run(run_id, "done")
        return done, run_id


def _restore_file(mending: _Mending) -> tuple[str, int]:
    def act(locked: UnderLock) -> str:
        root = mending.opened.project.root
        path = restore_file(locked.ledger, mending.damage.object, root, None)
        return f"Written: {mending.opened.project.relative(path)}"

    return _noted(mending, act)


def _restore_text(mending: _Mending) -> tuple[str, int]:
    def act(_: UnderLock) -> str:
        applied = mending.looked.ledger.sources[mending.damage.object]
        path = Path(script_of(mending.scripts, mending.damage.object).path)
        text, scripts = parted(applied.source)
        shown = mending.opened.project.relative
        written = []
        contents = {path: text.encode("utf-8")}
        contents |= {path.with_name(name): body.encode("utf-8", "surrogateescape") for name, body in scripts.items()}
        for file, content in contents.items():
            if _replace(file, content):
                written.append(shown(file))
        return f"Written as it was applied: {', '.join(written)}. What stood there is beside it, as .edited."

    return _noted(mending, act)


def _replace(path: Path, content: bytes) -> bool:
    """Write a file anew and keep what stood there beside it; whether it was another one."""
    try:
        if path.exists():
            if path.read_bytes() == content:
                return False
            kept, number = path.with_name(f"{path.name}.edited"), 1
            while kept.exists():
                number += 1
                kept = path.with_name(f"{path.name}.edited{number}")
            kept.write_bytes(path.read_bytes())
        beginning = path.with_name(f".{path.name}.new")
        beginning.write_bytes(content)
        beginning.replace(path)
    except OSError as error:
        raise ProjectError(
            f"{path} cannot be written: {error.strerror or error}.",
            effect="What stood there is there still.",
            cure="Make room, and make the folder writable.",
        ) from error
    return True


def _widen(mending: _Mending) -> tuple[str, int]:
    def act(locked: UnderLock) -> str:
        table = mending.damage.object
        mending.opened.target.set_role(locked.raw)
        with locked.raw.cursor() as cursor:
            cursor.execute(widen_statement(table, WIDE))
        return f"{table}.version_num is varchar({WIDE}) now."

    return _noted(mending, act)


def _index(mending: _Mending) -> tuple[str, int]:
    rebuild = mending.exit.name == "rebuild-index"

    def act(locked: UnderLock) -> str:
        mending.opened.target.set_role(locked.raw)
        with locked.raw.cursor() as cursor:
            statement = index_statement(cursor, mending.damage.object, rebuild=rebuild)
            if statement is None:
                return f"index {mending.damage.object} is not there any more, or is valid by now."
            # However long it takes: it keeps nobody from reading or writing.
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(statement)
        return f"Done: {statement}"

    return _noted(mending, act)


def _close_run(mending: _Mending) -> tuple[str, int]:
    return _noted(mending, lambda _: f"Run {mending.damage.object} has its end in the ledger.")


def _end_session(mending: _Mending) -> tuple[str, int]:
    """The lock is not free before that session is gone; so it is ended without it."""
    target, pid = mending.opened.target, int(mending.damage.object)
    with target.reported(), open_ledger(target) as ledger, ledger.connection.cursor() as cursor:
        ended = end_session(cursor, pid)
    return _noted(mending, lambda _: f"Session {pid} was ended." if ended else f"Session {pid} was gone already.")


ACTS: Mapping[str, Callable[[_Mending], tuple[str, int]]] = {
    "record": _record_to,
    "record-ledger": _record_ledger,
    "drop-lower": _drop_lower,
    "drop-duplicates": _drop_duplicates,
    "accept": _accept,
    "write-ledger": _write_ledger,
    "restore-file": _restore_file,
    "restore-text": _restore_text,
    "widen": _widen,
    "drop-index": _index,
    "rebuild-index": _index,
    "close-run": _close_run,
    "end-session": _end_session,
}
