"""The words of a plan and of its outcome."""

from __future__ import annotations

import re
from dataclasses import replace

from erm_alembic.findings import Finding
from erm_alembic.planning.comparison import LeftOut
from erm_alembic.planning.model import DataLoss, Drift, Outcome, Statement, StepOutcome
from erm_alembic.planning.rehearsal import Blocks, Estimate, Observed, ObservedLock, Prediction, Proof
from erm_alembic.render.findings import finding_report
from erm_alembic.render.html.page import render_html
from erm_alembic.render.markdown.page import report
from erm_alembic.render.presentation import Presentation
from erm_alembic.render.text import render_text
from tests.render.plans import BLOCKED, DONE, EMPTY, FAILED, INDEX, ORDERS, PLAN, ROLLBACK


def test_a_plan_is_read_in_ten_seconds() -> None:
    """A plan shows target, a summary, revisions, the start of each statement with its line, and what to type next."""
    assert render_text(PLAN) == (
        "Target   prod  postgresql://app:***@db/shop  (PostgreSQL 15.18)\n"
        "Current  000111\n"
        "Heads    d4e5f6\n"
        "Undo     1 of 2 revisions; not: downgrade empty (d4e5f6)\n"
        "\n"
        "2 revisions to apply:\n"
        "\n"
        "  1. a1b2c3  add orders\n"
        "     migrations/versions/a1b2c3_add_orders.py  (downgrade ok, one transaction, 2 statements)\n"
        "       12  CREATE TABLE orders ( id int PRIMARY KEY )\n"
        "       14  INSERT INTO orders VALUES (%(id)s)  [3 parameter sets]\n"
        "\n"
        "  2. d4e5f6  index orders\n"
        "     migrations/versions/d4e5f6_index_orders.py"
        "  (downgrade empty, not in one transaction, 1 statement)\n"
        "        9  CREATE INDEX CONCURRENTLY i ON orders (id)  [outside a transaction, raw cursor]\n"
        "     not complete: the revision reads what it wrote before\n"
        "\n"
        "Nothing objects. Nothing was changed.\n"
        "To run it: erm migrate --env prod\n"
    )


def _blocking(relation: str, blocks: Blocks, high: float | None) -> Statement:
    """A statement that was seen to block others for up to so many milliseconds."""
    seen = Observed((ObservedLock(relation, "AccessExclusiveLock", relation),))
    return Statement(f"ALTER TABLE {relation} ...", 3, observed=seen, estimate=Estimate(blocks, (relation,), 20, high))


def test_the_summary_says_whom_it_blocks_how_long_and_whether_it_can_be_undone() -> None:
    """The worst first; a range of all revisions together; what the way back loses."""
    proof = Proof("same", "lossy", ("public.users.mail",))
    steps = (
        replace(
            ORDERS, statements=(_blocking("public.orders", "writes", 900),), predicted=Prediction(20, 950), proof=proof
        ),
        replace(
            INDEX,
            downgrade="ok",
            rendered="full",
            statements=(_blocking("public.users", "reads", 100),),
            predicted=Prediction(30, 100),
            proof=Proof("same", "lossless"),
        ),
    )
    assert render_text(replace(PLAN, steps=steps)).splitlines()[3:6] == [
        "Blocks   reads and writes of public.users for 20 ms to 100 ms (d4e5f6); "
        "writes of public.orders for 20 ms to 900 ms (a1b2c3)",
        "Takes    50 ms to 1.1 s",
        "Undo     yes, proven; loses what is in public.users.mail",
    ]
    nobody = Statement("CREATE TABLE a ()", 3, estimate=Estimate("nothing"))
    plan = replace(PLAN, steps=(replace(ORDERS, statements=(nobody,)), replace(INDEX, predicted=Prediction(5, None))))
    assert "Blocks" not in render_text(plan)  # of the second revision it is not known
    assert "Takes    at least 5 ms, the end of 2 revisions is not known\n" in render_text(plan)
    assert "Blocks   nobody\n" in render_text(replace(plan, steps=plan.steps[:1]))


def test_what_is_not_complete_has_no_end_in_any_format() -> None:
    """Its lock is held through statements that nobody could reckon: no range is told of it, and it comes first."""
    filled = _blocking("public.users", "reads", 150)
    update = Statement("UPDATE users SET mail = %(mail)s", 4)
    known = replace(ORDERS, statements=(_blocking("public.orders", "reads", 900),), predicted=Prediction(20, 950))
    for loop in (
        replace(INDEX, rendered="full", statements=(filled, update, update)),
        replace(INDEX, rendered="partial", statements=(filled,), predicted=Prediction(20, 150)),
    ):
        plan = replace(PLAN, steps=(known, loop))
        assert render_text(plan).splitlines()[3] == (
            "Blocks   reads and writes of public.users for at least 20 ms, its end is not known (d4e5f6); "
            "reads and writes of public.orders for 20 ms to 900 ms (a1b2c3)"
        )
        assert ", the end of 1 revision is not known\n" in render_text(plan)
        assert "for at least 20 ms, its end is not known |" in report(plan, (), None, Presentation())
        page = render_html(plan).replace("\N{NO-BREAK SPACE}", " ")
        assert "at least 20 ms, its end is not known, public.users" in page


def test_a_long_plan_has_a_line_for_each_revision_and_the_statements_that_matter() -> None:
    """Above forty statements, only those that block somebody or take long are shown; -v shows all."""
    step = replace(ORDERS, statements=tuple(Statement(f"SELECT {each}", each) for each in range(9)))
    blocking = replace(ORDERS, revision="b10c", statements=(_blocking("public.orders", "writes", 900),))
    plan = replace(PLAN, steps=(step, step, blocking, step, step, step))
    shown = render_text(plan).partition("6 revisions to apply:\n")[2]
    assert shown.startswith(
        "\n"
        "  1. a1b2c3  add orders  (downgrade ok, 9 statements)\n"
        "  2. a1b2c3  add orders  (downgrade ok, 9 statements)\n"
        "  3. b10c  add orders  (downgrade ok, 1 statement)\n"
        "        3  ALTER TABLE public.orders ...\n"
        "           blocks writes of public.orders for 20 ms to 900 ms\n"
        "  4. a1b2c3"
    )
    assert "\n\nTheir statements: -v shows them.\n" in shown and "SELECT" not in shown
    assert "SELECT 8" in render_text(plan, verbose=True)


def test_a_plan_of_600_revisions_shows_those_that_one_has_to_know_of() -> None:
    """The first five, and those that block somebody or have no way back; the rest is counted."""
    steps = [replace(ORDERS, revision=f"r{each}") for each in range(1, 601)]
    steps[299] = replace(steps[299], downgrade="irreversible", irreversible_reason="mails are sent")
    text = render_text(replace(PLAN, steps=tuple(steps)))
    assert "\n  300. r300  add orders  (irreversible: mails are sent, 2 statements)\n" in text
    assert "\n       ... and 594 revisions more\n" in text
    assert "Undo     599 of 600 revisions; not: irreversible: mails are sent (r300)\n" in text
    assert len(text.splitlines()) < 25
    assert "r599" in render_text(replace(PLAN, steps=tuple(steps)), verbose=True)


def test_what_is_said_again_and_again_is_counted() -> None:
    """Of each rule the first few findings, and of drift the first few differences; -v shows all."""
    lossy = tuple(Finding("downgrade-lossy", "warning", f"Loses t{each}.", "Help.") for each in range(8))
    errors = tuple(Finding("data-loss", "error", f"Loses e{each}.") for each in range(11))
    drift = tuple(Drift("index", f"i{each}", "database", "absent", "an index") for each in range(14))
    plan = replace(PLAN, findings=(*lossy, *errors), drift=drift)
    text = render_text(plan)
    assert "    Loses t4.\n    help: Help.\n    ... and 3 more of downgrade-lossy: -v shows all\n" in text
    assert "    Loses e9.\n    ... and 1 more of data-loss: -v shows all\n" in text
    assert "  ... and 2 more: -v, or erm drift --env prod, shows all\n" in text
    assert "Loses t7." in render_text(plan, verbose=True) and "index i13" in render_text(plan, verbose=True)


def test_verbose_shows_statements_in_full() -> None:
    """With verbose, a statement keeps its lines, and a long one is not cut."""
    long = replace(ORDERS.statements[0], sql="SELECT 1\n  , '" + "y" * 300 + "'")
    text = render_text(replace(PLAN, steps=(replace(ORDERS, statements=(long,)),)), verbose=True)
    assert "       12  SELECT 1\n             , 'yyy" in text
    assert "y" * 300 in text


def test_what_an_earlier_run_has_done_is_marked() -> None:
    """In a half-done revision the reader sees which statements apply passes over."""
    step = replace(ORDERS, statements=(replace(ORDERS.statements[0], done=True), ORDERS.statements[1]))
    lines = render_text(replace(PLAN, steps=(step,))).splitlines()
    assert [line.endswith("[done already]") for line in lines if line.startswith("       1")] == [True, False]


def test_a_long_statement_is_cut_without_verbose() -> None:
    """Without verbose, a long statement shows its start and an ellipsis."""
    long = replace(ORDERS.statements[0], sql="SELECT '" + "y" * 300 + "'")
    text = render_text(replace(PLAN, steps=(replace(ORDERS, statements=(long,)),)))
    assert "  SELECT '" + "y" * 89 + "...\n" in text


def test_a_blocked_plan_says_why_and_what_to_do() -> None:
    """A blocked plan shows drift, each finding with rule, place and help, and the command to look again."""
    assert render_text(BLOCKED).split("2 statements)\n", 1)[1] == (
        "       12  CREATE TABLE orders ( id int PRIMARY KEY )\n"
        "       14  INSERT INTO orders VALUES (%(id)s)  [3 parameter sets]\n"
        "\n"
        "Drift:\n"
        "  missing-revision 000111  (seen in history)\n"
        "    expected: a file of revision 000111\n"
        "    found:    no such file\n"
        "\n"
        "Findings:\n"
        "  error missing-revision  migrations/versions:3, revision 000111\n"
        "    Revision 000111 is recorded, but its file is gone.\n"
        "    help: Write it back: erm history restore 000111\n"
        "\n"
        "safety.downgrades_since exempts 2 revisions without a downgrade.\n"
        "Blocked by 1 error: apply would refuse this plan.\n"
        "Do what the help lines say, then: erm migrate --mode plan --env prod\n"
        "Or let it pass this once (missing-revision), with your reason on record:\n"
        "  erm migrate --env prod --override missing-revision --reason 'why it may pass'\n"
    )


def test_a_rollback_counts_what_would_be_lost() -> None:
    """A rollback's plan counts rows and values, says what is unknown, and names the flag that allows it."""
    assert render_text(ROLLBACK).split("DROP TABLE orders\n", 1)[1] == (
        "\n"
        "Data that would be lost:\n"
        "  table public.orders: 120 rows  (line 20 of a1b2c3)\n"
        "  column public.users.name: 1 value  (a1b2c3)\n"
        "  statement DO $$ BEGIN: unknown  (line 21 of a1b2c3)\n"
        "\n"
        "Nothing objects. Nothing was changed.\n"
        "To run it: erm migrate --mode rollback --env prod --allow-data-loss\n"
    )


def test_what_is_lost_is_said_once_and_only_where_there_is_something() -> None:
    """Empty columns are no loss, and what the findings say is not said again."""
    empty = DataLoss("column", "public.users.note", 0, "a1b2c3")
    assert "users.note" not in render_text(replace(ROLLBACK, data_loss=(*ROLLBACK.data_loss, empty)))
    said = Finding("data-loss", "error", "Dropping table public.orders loses 120 rows.")
    assert "Data that would be lost" not in render_text(replace(ROLLBACK, findings=(said,)))


def test_a_database_at_its_target_has_nothing_to_apply() -> None:
    """A plan without steps says that there is nothing to do."""
    assert render_text(EMPTY).endswith("\n\nNothing to apply: the database is at its target.\n\nNothing objects.\n")


def test_what_cannot_be_told_is_not_taken_for_the_target() -> None:
    """Without steps, a plan that cannot be computed says why, and never that the database is at its target."""
    unknown = replace(EMPTY, cannot_run="revision a1 has no file")
    assert (unknown.up_to_date, unknown.blocked) == (False, True)
    assert render_text(unknown).endswith(
        "\n\nWhat there is to apply cannot be told: revision a1 has no file.\n\n"
        "Blocked: apply cannot run this plan: revision a1 has no file.\n"
        "Do that, then: erm migrate --mode plan --env dev\n"
    )
    back = replace(ROLLBACK, cannot_run="revision a1b2c3 has no downgrade() to run; add one")
    assert "Blocked: rollback cannot run this plan: revision a1b2c3 has no downgrade() to run; add one." in render_text(
        back
    )


def test_what_a_loop_sends_is_shown_once() -> None:
    """Fifty turns of one line are one line with their number."""
    step = PLAN.steps[0]
    loop = replace(step, statements=(step.statements[0],) * 50)
    text = render_text(replace(PLAN, steps=(loop,)))
    assert text.count(step.statements[0].sql.split()[0]) == 1
    assert "  (50 times)\n" in text


def test_a_finished_run_says_what_it_did() -> None:
    """After an apply, the outcome stands last, and statements are left to verbose."""
    text = render_text(PLAN, DONE)
    assert "CREATE TABLE" not in text
    assert "CREATE TABLE" in render_text(PLAN, DONE, verbose=True)
    assert text.endswith(
        "\n\nDone: 2 revisions applied in 1.3 s, run 7 in the ledger.\n"
        "  done     a1b2c3  add orders  (40 ms, 2 statements)\n"
        "  done     d4e5f6  index orders  (1.2 s, 1 statement)\n"
        "The database is now at d4e5f6.\n"
    )


def test_a_failed_run_shows_the_error_under_its_revision() -> None:
    """A failure names the revision, the error once, what was not run, and where the database stands."""
    assert render_text(PLAN, FAILED).endswith(
        "\n\nFailed after 1 min 5 s, run 8 in the ledger: 0 revisions applied before it.\n"
        "  FAILED   a1b2c3  add orders  (40 ms, 1 statement)\n"
        '           relation "orders" already exists\n'
        "           at line 12\n"
        "  not run  d4e5f6  index orders\n"
        "The database is now at 000111.\n"
    )


def test_a_refused_run_changed_nothing() -> None:
    """A refusal says that nothing was changed; the revisions stand in its plan, and only there."""
    outcome = Outcome("refused", steps=(StepOutcome("a1b2c3", "not-run"),), error="the plan is blocked")
    assert "\n\nRefused: nothing was changed.\n  the plan is blocked\n\nDo what" in render_text(BLOCKED, outcome)


def test_a_run_without_anything_to_do_says_so() -> None:
    """An apply with nothing pending is a success with its own words."""
    outcome = Outcome("nothing-to-do", current=("d4e5f6",))
    assert render_text(EMPTY, outcome).endswith(
        "Nothing to do: the database is at its target.\nThe database is now at d4e5f6.\n"
    )


def test_a_rollback_of_nothing_says_that_no_revision_is_applied() -> None:
    """A database at its base is not said to be at its target."""
    empty = replace(EMPTY, direction="downgrade", current=())
    assert "\nNothing to roll back: no revision is applied.\n" in render_text(empty)
    assert "\nNothing to do: no revision is applied.\n" in render_text(empty, Outcome("nothing-to-do"))


def test_what_was_watched_is_not_told_again() -> None:
    """Where target and finished steps stand on the same terminal already, the end of a run is what is new."""
    assert render_text(PLAN, DONE, watched=True) == (
        "\nDone: 2 revisions applied in 1.3 s, run 7 in the ledger.\nThe database is now at d4e5f6.\n"
    )
    failed = render_text(PLAN, FAILED, watched=True)
    assert "  FAILED   a1b2c3  add orders" in failed and "  not run  d4e5f6" in failed
    assert render_text(EMPTY, Outcome("nothing-to-do"), watched=True).startswith("Target   dev")


def test_what_another_deployment_did_meanwhile_is_said() -> None:
    """A run that found nothing left says who did it, and nothing of what was half done before."""
    half = Finding("half-done-revision", "info", "Revision a1b2c3 is half done: apply goes on there.")
    text = render_text(replace(PLAN, findings=(half,)), replace(DONE, steps=()))
    assert text.endswith(
        "\n\nDone: nothing was left to do; another deployment did it meanwhile (1.3 s, run 7 in the ledger).\n"
        "The database is now at d4e5f6.\n"
    )
    assert "half done" not in text


def test_what_several_findings_say_to_do_is_said_once() -> None:
    """Below the last of those that follow each other; another rule, and another help, stand for themselves."""
    lossy = [Finding("downgrade-lossy", "warning", f"Loses {name}.", "Put them back.") for name in ("a", "b")]
    text = render_text(replace(PLAN, findings=(*lossy, Finding("downgrade-lossy", "warning", "Loses c.", "Else."))))
    assert (text.count("help: Put them back."), text.count("help: Else.")) == (1, 1)
    assert text.index("Loses b.") < text.index("help: Put them back.") < text.index("Loses c.")


def test_no_command_is_shown_that_runs_again_what_has_run() -> None:
    """An override of such a rule is nobody's first choice: it has to be typed by whoever knows why."""
    finding = Finding("foreign-history", "error", "Another tool has migrated this database.", "Take it over.")
    text = render_text(replace(PLAN, findings=(finding,)))
    assert "--override" not in text
    assert text.endswith("No command that lets foreign-history pass is shown: apply would run again what has run.\n")


def test_a_loss_may_pass_without_a_reason_and_one_is_asked_for() -> None:
    """The command that lets only a loss pass needs no reason, so that none is said to be on record."""
    finding = Finding("data-loss", "error", "120 rows would be lost.", "Keep them.")
    assert render_text(replace(ROLLBACK, findings=(finding,))).endswith(
        "Or let it pass this once (data-loss); with --reason TEXT the ledger keeps why:\n"
        "  erm migrate --mode rollback --env prod --allow-data-loss\n"
    )


def test_colour_marks_only_what_it_is_asked_to() -> None:
    """Every colour goes through the paint that was given."""
    painted = render_text(BLOCKED, paint=lambda text, role: f"<{role}>{text}</>")
    assert "<bad>error</> <strong>missing-revision</>" in painted
    assert re.sub(r"<\w*>|</>", "", painted) == render_text(BLOCKED)
    assert INDEX.revision not in painted.split("Findings")[1]


def test_what_drift_ignore_leaves_out_is_counted_and_what_is_taken_over_is_marked() -> None:
    """Nothing is ignored in silence, and a hot fix that a pending revision carries is told from another."""
    drift = Drift("index", "public.hot_idx", "database", "absent", "an index", adopted=True)
    text = render_text(replace(PLAN, drift=(drift,), left_out=(LeftOut("grant", 2), LeftOut("public.tmp_*", 1))))
    assert "  index public.hot_idx  (seen in database)  (a pending revision takes it over)\n" in text
    assert "\nOf drift, 3 differences are left out: grant (2), public.tmp_* (1).\n" in text


def test_a_line_of_a_statement_is_no_command_of_a_workflow() -> None:
    """In the log of a GitHub workflow, no line begins with `::`, and no old command stands anywhere."""
    sql = "SELECT 1\n  ::text,\n::error::made up, '##[error]x'"
    step = replace(ORDERS, statements=(replace(ORDERS.statements[0], sql=sql),))
    text = render_text(replace(PLAN, steps=(step,)), verbose=True)
    assert [line for line in text.splitlines() if line.lstrip().startswith("::") or "##[" in line] == []
    assert "\\x3a:error::made up, '##\\x5berror]x'" in text
    finding = Finding("r", "error", "m", path="::error::x.py")
    assert finding_report(finding)[0] == "\\x3a:error::x.py: error[r] m"
