"""`erm sign`: sign a plan that is kept, in a process that runs no code of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import ConfigOption, Format, FormatOption, VerboseOption

__all__ = ["register", "sign"]

EXAMPLES = """\b
Examples:
  erm sign plan.json --sign-key plan-key.pem
  erm sign plan.json --sign-key '${PLAN_KEY}' --digest 9f86d081884c7d65
"""


def sign(
    plan: Annotated[Path, typer.Argument(metavar="FILE", help="The plan, as `erm migrate --out FILE` kept it.")],
    key: Annotated[
        str, typer.Option("--sign-key", metavar="KEY", help="A PEM file, or file:, cmd:, ${VAR} as in erm.yaml.")
    ],
    digest: Annotated[
        str | None,
        typer.Option("--digest", metavar="HEX", help="Sign it only if this is its digest, or the beginning of it."),
    ] = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Sign a plan that is kept, and show what was signed.

    Planning runs env.py and the revisions; signing runs nothing of the project and needs no database, so that the key
    can be where only reviewed code is.
    """
    from erm_alembic.approvals import sign_plan
    from erm_alembic.render.json import result_document
    from erm_alembic.render.signed_plan import render_signed, signed_document

    signed = sign_plan(plan, key, digest=digest)
    if format_ is Format.json:
        console.write(result_document(signed_document(signed)))
    else:
        console.write(render_signed(signed, console.typed_path(plan.absolute())))


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("sign", epilog=EXAMPLES)(sign)
