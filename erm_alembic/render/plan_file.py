"""An approved plan as the text of its file: the plan's JSON, what was approved beside it, a checksum, a signature."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from erm_alembic.planning.approved_plan import FILE_VERSION, canonical, checksum
from erm_alembic.planning.model import Basis, Plan
from erm_alembic.planning.request import Request
from erm_alembic.planning.terms import terms_of
from erm_alembic.render.json import dump, plan_document
from erm_alembic.version import __version__

__all__ = ["render_plan_file"]


def render_plan_file(plan: Plan, partial: Mapping[str, int], key: Any = None) -> str:
    """The text of a plan's file.

    Args:
        plan: the plan, with what it was made on.
        partial: by revision, how many of its statements are approved, where the rest depends on data.
        key: what `signing.private_key` has read; None for a file that is not signed.
    """
    basis, request = plan.basis, plan.request or Request(plan.direction)
    assert basis is not None  # or it could not be told where the plan belongs
    document = plan_document(plan)
    approval = _approval(basis, request, partial) | {"hidden": _hidden(plan)}
    document["approval"] = approval
    content = canonical(document)
    approval["checksum"] = checksum(content)
    if key is not None:
        from erm_alembic.planning.signing import sign

        approval["signature"] = sign(content, key).members()
    return dump(document)


def _hidden(plan: Plan) -> list[dict[str, Any]]:
    """By what the statements are known again of which the file does not have the whole text."""
    return [
        {"revision": step.revision, "statement": number, "known_by": statement.sealed}
        for step in terms_of(plan).steps
        for number, statement in enumerate(step.statements, start=1)
        if statement.sealed is not None
    ]


def _approval(basis: Basis, request: Request, partial: Mapping[str, int]) -> dict[str, Any]:
    identity = basis.identity
    return {
        "version": FILE_VERSION,
        "target": {
            "system_identifier": identity.system,
            "database_oid": identity.oid,
            "database": identity.name,
        },
        "version_table": basis.version_table,
        "schema": basis.schema,
        "role": basis.role,
        "to": request.to,
        "steps": request.count,
        "catalog": basis.catalog,
        "partial": [{"revision": revision, "certain": certain} for revision, certain in partial.items()],
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "erm_version": __version__,
    }
