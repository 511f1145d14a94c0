"""Write the first revision of a project from a live database, as a pair of SQL scripts, and prove it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from erm_alembic.baseline.dump import Dumped, Parts, dump_database
from erm_alembic.baseline.proof import prove
from erm_alembic.baseline.tenancy import chosen_schema
from erm_alembic.config.env_option import env_option
from erm_alembic.errors import ErmError, Refused
from erm_alembic.opening import Opened, interruptible, open_project
from erm_alembic.planning.baselines import Baseline, Proof
from erm_alembic.planning.build import Survey, build_plan
from erm_alembic.planning.request import Request
from erm_alembic.revisions.project import AlembicOptions
from erm_alembic.revisions.sql.new_pair import NewPair, create_pair

__all__ = ["write_baseline"]

NOTHING_WRITTEN = "Nothing was written."
MESSAGE = "baseline"
DOWN = """\
-- erm: irreversible it is the baseline: what was there before erm is not taken back
"""


def write_baseline(
    env: str | None = None,
    *,
    message: str | None = None,
    parts: Parts | None = None,
    another_base: bool = False,
    unproven: bool = False,
    write: bool = True,
    config: Path | None = None,
    version_path: Path | None = None,
    options: AlembicOptions | None = None,
) -> Baseline:
    """Write a revision that makes what a live database has, and replay it in the shadow. The database is only read.

    Args:
        env: the profile.
        message: the revision's message; None for `baseline`.
        parts: what of the database is wanted; None for the schema with its rights, without owners and rows.
        another_base: whether it is to stand beside the revisions that the project has, building on none of them.
        unproven: whether it is written although it could not be replayed, to be put right by hand.
        write: False only reads.
        config: the path of erm.yaml.
        version_path: the version location to write to, where the project has several.
        options: Alembic's own options for env.py.

    Raises:
        Refused: the project has revisions, the database records some, or the revision cannot be replayed.
        ErmError: another subclass of it, when the database cannot be read or the files not written.

    Example:
        >>> from erm_alembic.errors import ErmError
        >>> try:
        ...     write_baseline("staging")
        ... except ErmError as error:
        ...     print(error)
        The project has revisions already.
    """
    opened = open_project(env, config, options)
    survey = interruptible(
        opened.target,
        lambda: build_plan(
            opened.target, opened.project, Request("upgrade", "heads"), with_basis=True, recording=False
        ),
    )
    _refuse_what_has_begun(opened, survey, another_base)
    assert survey.plan.basis is not None
    version_table = survey.plan.basis.version_table
    dumped = dump_database(opened.target, version_table, parts or Parts())
    if (schema := chosen_schema(opened, survey)) is not None:
        note = f"It names the schema {schema}, which env.py chooses; it is of no use where each tenant has its own."
        dumped = replace(dumped, notes=(*dumped.notes, note))
    if not write:
        return _result(opened, dumped)
    pair = create_pair(
        opened.project,
        message or MESSAGE,
        up=dumped.script.text,
        down=DOWN,
        version_path=version_path,
        base=True,
    )
    revision = pair.revision
    try:
        proof = prove(opened, (revision,), version_table)
        if proof.verdict == "unknown" and not unproven:
            raise _not_replayed(opened, proof)
    except BaseException as error:
        if not (unproven and isinstance(error, ErmError)):
            _take_away(pair)
        raise
    return _result(opened, dumped, revision, pair, proof)


def _refuse_what_has_begun(opened: Opened, survey: Survey, another_base: bool) -> None:
    env_typed = env_option(opened.settings.environment)
    if survey.plan.current:
        raise Refused(
            f"The database records revision {', '.join(survey.plan.current)} already.",
            effect=NOTHING_WRITTEN,
            cure=f"`erm status{env_typed}` shows where it stands; `erm repair{env_typed}` what to do about a revision "
            "that no file declares.",
        )
    if survey.plan.heads and not another_base:
        raise Refused(
            "The project has revisions already.",
            effect=NOTHING_WRITTEN,
            cure=f"Where the database has what they make, record that: `erm baseline --record{env_typed}`. "
            "`erm squash REV` makes one revision of many. For a base of its own beside them, say --another-base.",
        )


def _not_replayed(opened: Opened, proof: Proof) -> Refused:
    env_typed = env_option(opened.settings.environment)
    return Refused(
        f"The revision was not proven: {(proof.reason or 'the shadow cannot be had').rstrip('.')}.",
        effect="The revision was not kept, and the database was not changed.",
        cure="Give the shadow what it lacks (`erm doctor` tells), or keep the revision and put it right by hand: "
        f"`erm baseline --unproven{env_typed}`.",
    )


def _take_away(pair: NewPair) -> None:
    """The revision first: a script that nobody runs is harmless."""
    for path in (pair.stub, pair.up, pair.down):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _result(
    opened: Opened,
    dumped: Dumped,
    revision: str | None = None,
    pair: NewPair | None = None,
    proof: Proof | None = None,
) -> Baseline:
    target = opened.target
    return Baseline(
        opened.settings.environment,
        target.redacted,
        target.server_version,
        dumped.script.text,
        dumped.notes,
        revision,
        () if pair is None else (pair.stub, pair.up, pair.down),
        proof,
    )
