"""What text has of names that mean ill, of secrets, and of commands to type."""

from __future__ import annotations

import re
from dataclasses import replace

from erm_alembic.config.redaction import register_secret
from erm_alembic.findings import Finding
from erm_alembic.planning.model import DataLoss, Drift
from erm_alembic.render.text import Typed, next_command, render_text
from tests.render.plans import BLOCKED, DONE, FAILED, HOSTILE, ORDERS, PLAN, ROLLBACK


def test_hostile_names_cannot_act_on_the_terminal() -> None:
    """Whatever a name holds, the text has no control character but newlines, and no forged line."""
    step = replace(
        ORDERS,
        revision=HOSTILE,
        message=HOSTILE,
        path=HOSTILE,
        downgrade="irreversible",
        irreversible_reason=HOSTILE,
        rendered="partial",
        reason=HOSTILE,
        statements=(replace(ORDERS.statements[0], sql=f'SELECT 1 AS "{HOSTILE}"'),),
    )
    plan = replace(
        PLAN,
        environment=HOSTILE,
        database_url=HOSTILE,
        current=(HOSTILE,),
        heads=(HOSTILE,),
        steps=(step,),
        drift=(Drift(HOSTILE, HOSTILE, "history", HOSTILE, HOSTILE, HOSTILE),),
        findings=(Finding(HOSTILE, "warning", "m\x1b[2J", "h\x1b[2J", HOSTILE, HOSTILE, 1),),
        data_loss=(DataLoss("table", HOSTILE, 1, HOSTILE, 1),),
    )
    for text in (render_text(plan), render_text(plan, replace(DONE, current=(HOSTILE,)))):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", text)
        assert "\nNothing objects.\\r" not in text
        assert "x\\x1b[2J\\nNothing objects.\\r\\u202egnp.exe\\x07\\u2028" in text


def test_errors_of_a_driver_never_show_a_known_secret() -> None:
    """An error text that quotes a password is masked."""
    register_secret("tiger-in-the-tank")
    step = replace(FAILED.steps[0], error="bad conninfo: password=tiger-in-the-tank")
    text = render_text(PLAN, replace(FAILED, steps=(step,)))
    assert "tiger-in-the-tank" not in text
    assert "***" in text.rsplit("FAILED", 1)[1]


def test_the_next_command_is_quoted_for_a_shell() -> None:
    """A profile's name with a space or a quote can be pasted."""
    assert next_command(replace(PLAN, environment="my prod"), "apply") == "erm migrate --env 'my prod'"


def test_the_next_command_repeats_what_was_typed() -> None:
    """What to type next is about the same plan: a revision or a file that was named is named again."""
    assert render_text(PLAN, typed=Typed(("--to", "a1", "--config", "my erm.yaml"))).endswith(
        "\nTo run it: erm migrate --env prod --to a1 --config 'my erm.yaml'\n"
    )
    blocked = replace(ROLLBACK, findings=BLOCKED.findings)
    shown = render_text(blocked, typed=Typed(("--steps", "2")))
    assert ", then: erm migrate --mode rollback --env prod --check --steps 2\n" in shown
    assert "\n  erm migrate --mode rollback --env prod --steps 2 --override missing-revision" in shown
