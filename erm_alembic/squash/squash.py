"""Make one revision of many: chosen, made in the shadow, written with the old ones kept, proven, or put back.

settings -> target -> project -> chosen -> made (shadow) -> files -> proven (shadow)
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from erm_alembic.baseline.tenancy import chosen_schema
from erm_alembic.config.env_option import env_option
from erm_alembic.config.loader import load_settings
from erm_alembic.drift.history import history_drift
from erm_alembic.errors import ErmError, Refused, ShadowUnavailable
from erm_alembic.ledger.store import open_ledger
from erm_alembic.opening import Opened, configured, interruptible, open_project
from erm_alembic.planning.build import Survey, build_plan
from erm_alembic.planning.request import Request
from erm_alembic.planning.squashes import Squashed
from erm_alembic.revisions.chain import in_order, members, whole_id
from erm_alembic.revisions.project import AlembicOptions, find_project
from erm_alembic.revisions.source.squashed import FOLDER
from erm_alembic.squash.choosing import Chosen, choose
from erm_alembic.squash.files import Work, begin, finish, go, put_back, under_way_in
from erm_alembic.squash.making import Made, look, make_script, told_apart
from erm_alembic.squash.written import new_files
from erm_alembic.target import open_target
from erm_alembic.wording import first_few

__all__ = ["continue_squash", "squash", "undo_squash"]

NOTHING_CHANGED = "Nothing was changed."
MOST_NAMED = 5


def squash(
    env: str | None,
    revision: str,
    *,
    message: str | None = None,
    write: bool = True,
    config: Path | None = None,
    options: AlembicOptions | None = None,
) -> Squashed:
    """Make one revision of a revision and all before it. The database is only read.

    The one has the id of the last of them, so that whatever records or builds on it stays as it is.

    Args:
        env: the profile whose database the shadow is like, and which must not stand in the middle of them.
        revision: the last of the revisions: its id, whole or the beginning of it.
        message: the message of the one.
        write: False only makes the script.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        Refused: something builds on what would be gone, the database stands in the middle of it, or the one revision
            does not make what the many do; then every file is as it was.
        ErmError: another subclass of it, when they cannot be replayed or the files not written.

    Example:
        >>> from erm_alembic.errors import ErmError
        >>> try:
        ...     squash("staging", "nothing")
        ... except ErmError as error:
        ...     print(error)
        nothing: there is no such revision, or several begin like this.
    """
    opened = open_project(env, config, options)
    with opened.project.entered():
        scripts = opened.project.scripts()
        last = whole_id(scripts, revision)
        chosen = choose(members(scripts), in_order(scripts, (last,)), last)
        scripts_dir = Path(scripts.dir).absolute()
    survey = interruptible(
        opened.target,
        lambda: build_plan(
            opened.target, opened.project, Request("upgrade", "heads"), with_basis=True, recording=False
        ),
    )
    _refuse_where_the_database_stands(opened, chosen, survey)
    _refuse_exempt_until(opened, chosen)
    assert survey.plan.basis is not None
    version_table = survey.plan.basis.version_table
    tenant = chosen_schema(opened, survey)
    remarks = [
        f"What {len(chosen.members)} revisions made, up to {last}: `erm squash` has made one of them.",
        f"Their files are kept in {FOLDER}/{last}.",
    ]
    made, script, tables = make_script(opened, last, version_table, remarks, tenant)
    told = Squashed(
        opened.settings.environment,
        last,
        chosen.ids,
        script.text,
        tables=tables,
        notes=(*made.notes, *(f"Options whose values are not in it: {each}." for each in script.options)),
    )
    if not write:
        return told
    new = new_files(opened, chosen, script.text, message, scripts_dir, _applied_hashes(opened, survey, chosen))
    work = Work(last, new.folder, new.stub, new.name, new.moved, new.written, made.digest)
    begin(scripts_dir, work, new.content)
    _written_and_proven(opened, scripts_dir, work, version_table, made)
    return _result(told, scripts_dir, work)


def continue_squash(
    env: str | None = None, *, config: Path | None = None, options: AlembicOptions | None = None
) -> Squashed:
    """Finish a squash that was cut off: write what is left, and prove it.

    Args:
        env: the profile whose database the shadow is like.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        Refused: nothing was cut off; or the one revision does not make what the many did: then they are put back.
        ErmError: another subclass of it, when it cannot be proven or the files not written.
    """
    scripts_dir, work = _cut_off(env, config, options)
    settings = configured(env, config, options)
    opened = Opened(settings, open_target(settings), find_project(settings, options))
    with opened.project.entered():
        go(scripts_dir, work)
    survey = interruptible(
        opened.target,
        lambda: build_plan(
            opened.target, opened.project, Request("upgrade", "heads"), with_basis=True, recording=False
        ),
    )
    assert survey.plan.basis is not None
    _written_and_proven(opened, scripts_dir, work, survey.plan.basis.version_table, None)
    script = (scripts_dir / work.written[0][0]).read_text(encoding="utf-8") if work.written else ""
    told = Squashed(settings.environment, work.revision, (), script)
    return _result(told, scripts_dir, work)


def undo_squash(
    env: str | None = None, *, config: Path | None = None, options: AlembicOptions | None = None
) -> Squashed:
    """Put back the files of a squash that was cut off. No database is needed.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        options: Alembic's own options for env.py.

    Raises:
        Refused: nothing was cut off.
        ProjectError: a file cannot be written.
    """
    scripts_dir, work = _cut_off(env, config, options)
    put_back(scripts_dir, work)
    return Squashed(env or "", work.revision, (), "", files=tuple(scripts_dir / path for path, _ in work.moved))


def _cut_off(env: str | None, config: Path | None, options: AlembicOptions | None) -> tuple[Path, Work]:
    project = find_project(load_settings(env, config, require_url=False), options)
    with project.entered():
        scripts_dir = Path(project.script_directory(project.config()).dir).absolute()
    work = under_way_in(scripts_dir)
    if work is None:
        raise Refused(
            "No squash was cut off.", effect=NOTHING_CHANGED, cure="Name the revision up to which one is to be made."
        )
    return scripts_dir, work


def _written_and_proven(
    opened: Opened, scripts_dir: Path, work: Work, version_table: str, expected: Made | None
) -> None:
    """Write the files and replay the project as it is then; put everything back where it is not the same.

    Raises:
        Refused: it does not make the same.
        ShadowUnavailable: it cannot be replayed.
    """
    try:
        go(scripts_dir, work)
        try:
            found = look(opened, work.revision, version_table)
        except ShadowUnavailable as error:
            raise Refused(
                f"The one revision cannot be replayed: {error.what}",
                effect="Every file is as it was.",
                cure=error.cure or "Squash up to an earlier revision.",
            ) from error
        differs = told_apart(expected, found) if expected is not None else ()
        if differs or found.digest != work.expected:
            what = first_few(differs, MOST_NAMED) if differs else "its digest is another one"
            raise Refused(
                f"The one revision does not make what the {len(work.moved)} files made: {what}.",
                effect="Every file is as it was.",
                cure="Squash up to an earlier revision, or put what differs into a revision by hand.",
            )
    except BaseException as error:
        try:
            put_back(scripts_dir, work)
        except ErmError as worse:
            raise worse from error
        raise
    finish(scripts_dir, work)


def _refuse_where_the_database_stands(opened: Opened, chosen: Chosen, survey: Survey) -> None:
    env_typed, last = env_option(opened.settings.environment), chosen.last.revision
    inner = sorted(set(survey.plan.current) & set(chosen.ids) - {last})
    if survey.plan.half_done:
        raise Refused(
            f"Revision {survey.plan.half_done[0].revision} is half done in {opened.settings.environment}.",
            effect=NOTHING_CHANGED,
            cure=f"`erm repair{env_typed}` shows the ways out.",
        )
    if inner:
        raise Refused(
            f"The database of {opened.settings.environment} stands at {', '.join(inner)}, in the middle of what would "
            "become one.",
            effect=NOTHING_CHANGED,
            cure=f"Bring it to {last} first: erm migrate --to {last}{env_typed}",
        )
    drift = interruptible(opened.target, lambda: history_drift(opened.target, survey))
    amiss = [each for each in drift if each.object in chosen.ids or each.kind == "missing-revision"]
    if amiss:
        raise Refused(
            f"The recorded history of {opened.settings.environment} is not what the files say: "
            f"{first_few([f'{each.kind} {each.object}' for each in amiss], MOST_NAMED)}.",
            effect=NOTHING_CHANGED,
            cure=f"`erm drift --source history{env_typed}` tells more; `erm repair{env_typed}` shows the ways out.",
        )


def _refuse_exempt_until(opened: Opened, chosen: Chosen) -> None:
    since = opened.settings.safety.downgrades_since
    named = since is not None and [each for each in chosen.ids if each.startswith(since)]
    if named and chosen.last.revision not in named:
        raise Refused(
            f"`safety.downgrades_since` names {since}, which would be gone.",
            effect=NOTHING_CHANGED,
            cure=f"Write {chosen.last.revision} there, or take it away; then squash.",
        )


def _applied_hashes(opened: Opened, survey: Survey, chosen: Chosen) -> dict[str, str]:
    """The hashes under which the ledger has them: their code is the same, as `history_drift` has seen."""
    with opened.target.reported(), open_ledger(opened.target) as ledger:
        applied = ledger.applied_hashes()
    return {revision: applied[revision] for revision in chosen.ids if revision in applied}


def _result(told: Squashed, scripts_dir: Path, work: Work) -> Squashed:
    files = tuple(
        Path(os.path.normpath(scripts_dir / path)) for path in (work.name, *(each for each, _ in work.written))
    )
    return replace(told, files=files, kept=scripts_dir / work.folder)
