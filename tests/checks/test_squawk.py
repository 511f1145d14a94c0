"""squawk: its rules on a plan's statements, settled by what is known of the target and of the rehearsal."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from erm_alembic.checks import CheckContext, run_checks, squawk_program
from erm_alembic.checks.squawk import CHECK
from erm_alembic.checks.squawk_program import knows_rule
from erm_alembic.checks.squawk_rules import RULES
from erm_alembic.config.settings import SafetySettings, Settings
from erm_alembic.findings import Finding
from erm_alembic.planning.model import Statement
from erm_alembic.planning.rehearsal import Estimate
from tests.checks.building import SMALL, around, judged, outside, plan, statements, step, table

DROP = "ALTER TABLE orders DROP COLUMN note"
INDEX = "CREATE INDEX ix ON orders (placed_at)"
ORDERS = table("orders")


def _rules(found: list[Finding]) -> list[tuple[str, int | None]]:
    return [(each.rule, each.line) for each in found]


def _in(folder: Path, *texts: str | Statement, rules: dict[str, str] | None = None) -> list[Finding]:
    """What is said of a revision in a project of that folder, about a large table."""
    settings = Settings("prod", folder, None, safety=SafetySettings(rules=rules or {}))  # type: ignore[arg-type]
    context = CheckContext(plan=plan(step(*texts)), settings=settings, around=around(ORDERS))
    return list(run_checks(context, rules or {}, (CHECK,)))


def test_a_finding_stands_on_the_line_of_the_revision_that_caused_the_statement() -> None:
    """Under squawk's own name for the rule, with its words."""
    first, second = judged(CHECK, "COMMENT ON TABLE orders IS\n'two\nlines'", DROP, INDEX, tables=[ORDERS])
    assert (first.rule, first.severity, first.revision, first.path, first.line) == (
        *("squawk/ban-drop-column", "warning", "b2", "versions/b2.py", 11),
    )
    assert "Dropping a column may break existing clients." in first.message
    assert (second.rule, second.line) == ("squawk/require-concurrent-index-creation", 12)
    assert "concurrently" in second.help


def test_a_finding_about_a_script_stands_on_its_own_line_there() -> None:
    """A statement of several lines is counted on from its first."""
    (script,) = statements("ALTER TABLE orders\n  ADD COLUMN a int,\n  DROP COLUMN note")
    context = CheckContext(
        plan=plan(replace(step(), statements=(replace(script, line=4, path="versions/1_a.sql"),))),
        settings=Settings("prod", Path(), None),
        around=around(ORDERS),
    )
    assert [(each.path, each.line) for each in run_checks(context, {}, (CHECK,))] == [("versions/1_a.sql", 6)]


def test_placeholders_and_hostile_names_are_read() -> None:
    """Neither percent signs nor quotes, nor what a driver's helper writes, keep squawk from the statements after it."""
    found = judged(
        CHECK,
        Statement("INSERT INTO \"o%%d 'name\" VALUES (%(a b)s, '50%%', %s::jsonb)", parameter_sets=1),
        Statement("INSERT INTO t (a) VALUES %s", parameter_sets=2),
        'ALTER TABLE "o%d ""name"" $1" ADD COLUMN "%(x)s" text',
        "DO $$ BEGIN PERFORM 1; END $$;",
        "COPY t FROM STDIN",
        f"{DROP};",
        tables=[ORDERS],
    )
    assert _rules(found) == [("squawk/ban-drop-column", 15)]


def test_a_statement_that_it_cannot_read_hides_no_other() -> None:
    """That is said, and no more than that."""
    found = judged(CHECK, "ALTER TABLE a FROBNICATE b, c", DROP, "ALTER TABLE c d e f", tables=[ORDERS])
    assert [(each.severity, each.rule, each.line) for each in found] == [
        ("info", "squawk", 10),
        ("info", "squawk", 12),
        ("warning", "squawk/ban-drop-column", 11),
    ]


def test_a_table_of_the_plan_and_a_small_one_raise_no_alarm() -> None:
    """Nothing waits for them; what breaks a client is told of a small one as well."""
    foreign = "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES b (id)"
    assert judged(CHECK, "CREATE TABLE orders (id serial PRIMARY KEY, name varchar(5))", INDEX, foreign, DROP) == []
    assert judged(CHECK, INDEX, foreign, tables=[table("orders", **SMALL)]) == []
    assert judged(CHECK, INDEX, tables=[table("orders", rows=0, size=0)]) == []
    assert _rules(judged(CHECK, DROP, tables=[table("orders", **SMALL)])) == [("squawk/ban-drop-column", 10)]
    assert _rules(judged(CHECK, foreign, tables=[ORDERS])) == [("squawk/adding-foreign-key-constraint", 10)]


def test_the_estimate_settles_what_squawk_fears() -> None:
    """What keeps nobody waiting is no finding; what blocks for long is an error that says so."""

    def said(blocks: str, low: float, high: float | None) -> list[Finding]:
        estimate = Estimate(blocks, ("public.orders",), low, high, "5,000,000 rows")  # type: ignore[arg-type]
        return judged(CHECK, Statement(INDEX, estimate=estimate), tables=[ORDERS])

    assert said("nothing", 0, 0) == []
    assert said("writes", 5, 40) == []
    assert [each.severity for each in said("writes", 200, 4_000)] == ["warning"]
    (confirmed,) = said("writes", 4_000, 9_000)
    assert confirmed.severity == "error"
    assert confirmed.message.endswith("The rehearsal confirms it: writes of public.orders wait (5,000,000 rows).")


def test_the_transactions_are_those_of_the_run() -> None:
    """A concurrent build in a block is as it should be, and the validation in a later transaction too."""
    assert judged(CHECK, outside("CREATE INDEX CONCURRENTLY ix ON orders (a)"), tables=[ORDERS]) == []
    add = "ALTER TABLE orders ADD CONSTRAINT c CHECK (a > 0) NOT VALID"
    validate = "ALTER TABLE orders VALIDATE CONSTRAINT c"
    assert _rules(judged(CHECK, add, validate, tables=[ORDERS])) == [("squawk/constraint-missing-not-valid", 11)]
    apart = plan(step(add), step(validate, revision="c3", down=("b2",)))
    context = CheckContext(plan=apart, settings=Settings("prod", Path(), None), around=around(ORDERS))
    assert run_checks(context, {}, (CHECK,)) == ()


def test_rules_of_taste_speak_when_they_are_asked(tmp_path: Path) -> None:
    """By safety.rules, as loud as it says, or by squawk's own file."""
    create = "CREATE TABLE new (id serial PRIMARY KEY)"
    assert _in(tmp_path, create) == []
    (finding,) = _in(tmp_path, create, rules={"squawk/prefer-identity": "error"})
    assert (finding.rule, finding.severity) == ("squawk/prefer-identity", "error")
    (tmp_path / ".squawk.toml").write_text('included_rules = ["prefer-identity"]\n')
    below = tmp_path / "service"
    below.mkdir()
    assert _rules(_in(below, create)) == [("squawk/prefer-identity", 10)]


def test_a_projects_own_file_of_squawk_is_honoured(tmp_path: Path) -> None:
    """Excluded rules and paths stay silent; a broken file is told."""
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["ban-drop-column"]\n')
    assert _rules(_in(tmp_path, DROP, INDEX)) == [("squawk/require-concurrent-index-creation", 11)]
    (tmp_path / ".squawk.toml").write_text('excluded_paths = ["b2*.py"]\n')
    assert _in(tmp_path, DROP) == []
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["no-such-rule"]\n')
    (finding,) = _in(tmp_path, DROP)
    assert finding.severity == "info" and "no-such-rule" in finding.message


def test_a_rule_and_all_of_them_can_be_turned_off(tmp_path: Path) -> None:
    """One by its name, the family by its own."""
    assert _rules(_in(tmp_path, DROP, INDEX, rules={"squawk/ban-drop-column": "off"})) == [
        ("squawk/require-concurrent-index-creation", 11)
    ]
    assert _in(tmp_path, DROP, INDEX, rules={"squawk": "off"}) == []
    assert {each.severity for each in _in(tmp_path, DROP, INDEX, rules={"squawk": "error"})} == {"error"}


def test_a_program_that_is_missing_or_fails_is_one_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says why, and never more than that it is so."""
    broken = tmp_path / "squawk"
    broken.write_text("#!/bin/sh\necho 'out of order' >&2\nexit 1\n")
    broken.chmod(0o755)
    for program, why in ((None, "erm-alembic[lint]"), (str(broken), "out of order"), (str(tmp_path), "cannot be run")):
        monkeypatch.setattr(squawk_program, "_program", lambda program=program: program)
        (finding,) = judged(CHECK, DROP, INDEX, tables=[ORDERS])
        assert (finding.rule, finding.severity) == ("squawk", "info")
        assert finding.message.startswith("The statements were not read by squawk: ") and why in finding.message


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, which is said."""
    hanging = tmp_path / "squawk"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(squawk_program, "_program", lambda: str(hanging))
    monkeypatch.setattr(squawk_program, "TIMEOUT", 0.2)
    (finding,) = judged(CHECK, DROP, tables=[ORDERS])
    assert "it did not end within" in finding.message


def test_squawk_is_given_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The target's password may stand there."""
    telling = tmp_path / "squawk"
    telling.write_text("#!/bin/sh\nenv >&2\nexit 1\n")
    telling.chmod(0o755)
    monkeypatch.setattr(squawk_program, "_program", lambda: str(telling))
    monkeypatch.setenv("ERM_DATABASE_URL", "postgresql://u:p@h/d")
    (finding,) = judged(CHECK, DROP, tables=[ORDERS])
    assert "ERM_" not in finding.message and "PATH" in finding.message


def test_it_is_not_started_where_nothing_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor for a rollback, and once for a whole plan."""
    started: list[object] = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *given, **how: (started.append(given), run(*given, **how))[1])
    for context in (
        CheckContext(plan=plan(), settings=Settings("prod", Path(), None)),
        CheckContext(plan=replace(plan(step(DROP)), direction="downgrade"), settings=Settings("prod", Path(), None)),
    ):
        assert run_checks(context, {}, (CHECK,)) == () and started == []
    judged(CHECK, DROP, INDEX, outside("CREATE INDEX CONCURRENTLY ix ON orders (a)"), DROP, tables=[ORDERS])
    assert len(started) == 1


def test_the_list_of_its_rules_is_that_of_the_program() -> None:
    """A rule that squawk no longer has would be a key of safety.rules that silences nothing."""
    assert [rule for rule in (",".join(RULES), "ban-drop-column") if not knows_rule(rule)] == []
    assert not knows_rule("ban-drop-colum")
