"""The gate before the first step: no step without the backup that the profile demands."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

import erm_alembic
from erm_alembic.backup import dumping
from erm_alembic.errors import BackupError
from erm_alembic.migrate import Override
from erm_alembic.render.backups import planned_lines
from tests.backup.conftest import DEMANDED, Shop

TABLE = ("CREATE TABLE users (id int PRIMARY KEY, email text, note text)", "DROP TABLE users")


@pytest.fixture
def loaded(shop: Shop) -> Shop:
    """A table with a row, and a revision that drops a column of it."""
    shop.revision("a1", *TABLE)
    shop.apply()
    shop.sql("INSERT INTO users VALUES (1, 'e', 'n')")
    shop.revision("b2", "ALTER TABLE users DROP COLUMN email", "ALTER TABLE users ADD email text", after="a1")
    return shop


def test_a_backup_is_taken_before_the_first_step_and_stands_next_to_its_run(loaded: Shop) -> None:
    """Plan, outcome and history tell of it; the plan alone takes none."""
    plan = erm_alembic.plan("dev")
    assert plan.backup is not None and plan.backup.demanded and plan.backup.fresh is None
    assert (plan.backup.method, plan.backup.tables) == ("pg_dump", ("public.users",))
    assert plan.backup.estimated_bytes and loaded.ids() == []
    outcome = loaded.apply().outcome
    assert outcome.backup is not None and outcome.backup.taken and loaded.ids() == [outcome.backup.id]
    run = erm_alembic.history("dev", limit=1)[0]
    assert (run.id, [each.id for each in run.backups]) == (outcome.run_id, [outcome.backup.id])
    shown = loaded.project.erm("history", "--limit", "1").stdout
    assert f"  backup  {outcome.backup.id}  pg_dump, {loaded.folder}" in shown


def test_what_loses_nothing_demands_no_backup(shop: Shop) -> None:
    """Tables that are made, columns that are added, empty tables that are dropped: the profile says destructive."""
    shop.revision("a1", *TABLE)
    assert shop.apply().outcome.backup is None
    shop.revision("b2", "ALTER TABLE users ADD size int; INSERT INTO users VALUES (1)", after="a1")
    shop.revision("c3", "CREATE TABLE gone (id int)", after="b2")
    shop.revision("d4", "DROP TABLE gone", after="c3")
    result = shop.apply()
    assert result.plan.backup is not None and not result.plan.backup.demanded and result.plan.backup.at_risk == ()
    assert result.outcome.backup is None and shop.ids() == []


def test_what_cannot_be_read_puts_all_tables_at_risk(loaded: Shop) -> None:
    """A DO block may lose anything: the backup holds all of the database, whatever `tables` says."""
    loaded.revision("b2", "DO $$ BEGIN NULL; END $$", after="a1")
    plan = erm_alembic.plan("dev")
    assert plan.backup is not None and plan.backup.tables is None
    assert [each.kind for each in plan.backup.at_risk] == ["statement"]


def test_without_its_backup_nothing_is_run(loaded: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run failed, the ledger says so, and the database is where it was."""
    if not Path("/dev/full").exists():
        pytest.skip("this machine has no /dev/full")
    loaded.sql("INSERT INTO users SELECT i, md5(i::text) FROM generate_series(2, 999) AS i")
    monkeypatch.setattr(dumping, "ARCHIVE", "/dev/full")
    with pytest.raises(BackupError) as caught:
        loaded.apply()
    assert caught.value.effect == "No revision was run: this profile demands a backup first."
    assert loaded.sql("SELECT version_num FROM alembic_version") == [("a1",)]
    assert loaded.sql("SELECT email FROM users WHERE id = 1") == [("e",)]
    run = erm_alembic.history("dev", limit=1)[0]
    assert (run.outcome, run.backups) == ("failed", ()) and "No space left" in (run.error or "")


def test_an_env_py_that_keeps_the_refusal_to_itself_does_not_make_the_run_end_well(loaded: Shop) -> None:
    """Whatever env.py catches, the run has failed."""
    text = (loaded.root / "migrations" / "env.py").read_text()
    kept = "        try:\n            context.run_migrations()\n        except Exception:\n            pass\n"
    loaded.project.env_py(text.replace("        context.run_migrations()\n", kept))
    loaded.config("backup: {method: pg_dump, directory: /dev/null/backups}\n")
    with pytest.raises(BackupError, match="cannot be written"):
        loaded.apply()


def test_a_backup_that_is_fresh_enough_is_not_taken_again(loaded: Shop) -> None:
    """One that was taken by hand counts for the next run, and for no run after that."""
    taken = loaded.take()
    plan = erm_alembic.plan("dev")
    assert plan.backup is not None and plan.backup.fresh == taken.id
    outcome = loaded.apply().outcome
    assert outcome.backup is not None and (outcome.backup.id, outcome.backup.taken) == (taken.id, False)
    loaded.revision("c3", "ALTER TABLE users DROP COLUMN note", after="b2")
    later = loaded.apply().outcome.backup
    assert later is not None and later.taken and later.id != taken.id


def fresh(loaded: Shop) -> str | None:
    """The backup that a plan finds fresh enough."""
    planned = erm_alembic.plan("dev").backup
    assert planned is not None
    return planned.fresh


def test_a_backup_that_does_not_fit_is_not_fresh(loaded: Shop) -> None:
    """Age, revisions, extent, method and place must fit; its files are looked at when the run begins."""
    taken = loaded.take()
    for column, value in (
        ("started_at", "started_at - interval '1 h'"),
        ("heads", "'{zz}'::text[]"),
        ("tables", "'{public.other}'::text[]"),
        ("method", "'pg_basebackup'"),
        ("environment", "'prod'"),
        ("removed_at", "now()"),
    ):
        loaded.sql(f"CREATE TABLE kept AS SELECT {column} AS old FROM erm.backup")
        loaded.sql(f"UPDATE erm.backup SET {column} = {value}")
        assert fresh(loaded) is None, column
        loaded.sql(f"UPDATE erm.backup SET {column} = (SELECT old FROM kept)")
        loaded.sql("DROP TABLE kept")
        assert fresh(loaded) == taken.id, column
    loaded.config("backup: {method: pg_dump, max_age: 0s}\n")
    assert fresh(loaded) is None
    loaded.config()
    Path(taken.place).rename(loaded.root / "elsewhere")
    assert fresh(loaded) is None
    (loaded.root / "elsewhere").rename(taken.place)
    _flip(Path(taken.place) / "database.dump")
    assert fresh(loaded) == taken.id
    with loaded.project.deploying() as deployer:
        code, _, told = deployer.ended()
    assert code == 0 and f"Warning: Backup {taken.id} is damaged: database.dump has other bytes" in told
    assert len(loaded.ids()) == 2


def test_a_plan_and_its_run_tell_of_a_backup_that_is_known_to_be_damaged(loaded: Shop) -> None:
    """It would be fresh enough: who has taken it is told why another one is taken."""
    taken = loaded.take()
    loaded.sql("UPDATE erm.backup SET verified = 'damaged'")
    planned = erm_alembic.plan("dev")
    words = f"Warning: Backup {taken.id} is damaged, and does not count as a fresh one."
    assert planned.backup is not None and (planned.backup.fresh, planned.backup.notes) == (None, (words,))
    assert words in "\n".join(planned_lines(planned))
    with loaded.project.deploying() as deployer:
        code, _, told = deployer.ended()
    assert code == 0 and words in told


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def test_without_a_method_it_is_refused_until_somebody_says_why_not(loaded: Shop) -> None:
    """`method: none` is a finding, which an override lets pass once, and the ledger keeps who said it."""
    loaded.config("backup: {method: none}\n")
    refused = loaded.apply()
    assert refused.outcome.result == "refused"
    assert [each.rule for each in refused.plan.findings if each.severity == "error"] == ["no-backup"]
    done = loaded.apply(Override("no-backup", "snapshot 4711"))
    assert (done.outcome.result, done.outcome.backup) == ("done", None)
    assert erm_alembic.history("dev", limit=1)[0].overrides == ("no-backup: snapshot 4711",)


def test_a_rollback_that_loses_data_says_how_it_comes_back(loaded: Shop) -> None:
    """The plan names the backup that will be taken; apply and put back, and the values are there."""
    loaded.revision("b2", "ALTER TABLE users ADD size int", "ALTER TABLE users DROP COLUMN size", after="a1")
    loaded.apply()
    loaded.sql("UPDATE users SET size = 7")
    planned = erm_alembic.plan_rollback("dev").backup
    assert planned is not None and planned.demanded
    assert planned.command == "erm restore --env dev --to latest --lost"
    assert loaded.rollback().outcome.backup is not None
    loaded.apply()
    loaded.take()  # which guards nothing
    loaded.put_back()
    assert loaded.sql("SELECT size FROM users") == [(7,)]


def test_an_approved_plan_stays_approved_and_its_run_has_its_backup(loaded: Shop) -> None:
    """A backup is no part of what is approved: a plan that was kept before the section was written runs as it is."""
    loaded.config("{}\n")
    assert loaded.project.erm("migrate", "--mode", "plan", "--out", "p.json").returncode == 0
    loaded.config(DEMANDED)
    done = loaded.project.erm("migrate", "--plan", "p.json", "--format", "json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)["outcome"]
    assert outcome["backup"]["id"] == loaded.ids()[0] and "taking one before the first step" in done.stderr


def test_only_the_tables_at_risk_are_taken_when_asked(loaded: Shop) -> None:
    """By hand, for what is pending; where nothing is at risk that is said."""
    loaded.sql("CREATE TABLE other AS SELECT 1 AS id")
    backup = loaded.take(tables_at_risk=True)
    assert backup.tables == ("public.users",) and [each.column for each in backup.at_risk] == ["email"]
    loaded.apply()
    with pytest.raises(BackupError, match="puts no table at risk"):
        loaded.take(tables_at_risk=True)


def test_a_signal_while_the_backup_is_taken_ends_the_run_before_its_first_step(loaded: Shop) -> None:
    """The tool is ended, the run is in the ledger as interrupted, and the database is where it was."""
    (loaded.root / "slow.py").write_text("import pathlib, time; pathlib.Path('begun').touch(); time.sleep(600)")
    loaded.config(f"backup: {{method: command, command: {json.dumps([sys.executable, 'slow.py'])}}}\n")
    with loaded.project.deploying() as deployer:
        deployer.until((loaded.root / "begun").exists)
        deployer.signal(signal.SIGTERM)
        code, _, _ = deployer.ended()
    assert code == 143
    assert loaded.sql("SELECT outcome FROM erm.run ORDER BY id DESC LIMIT 1") == [("interrupted",)]
    assert loaded.sql("SELECT version_num FROM alembic_version") == [("a1",)]


def test_the_owner_of_the_tables_and_the_role_that_logs_in_may_be_two(
    loaded: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger belongs to the one, the tables to the other: a whole backup has both, and data goes back as owner."""
    suffix = loaded.database.name
    owner, login = f"own_{suffix}", f"dep_{suffix}"
    loaded.sql(f"CREATE ROLE {owner}; CREATE ROLE {login} LOGIN IN ROLE {owner}")
    loaded.sql(f"ALTER ROLE {login} SET statement_timeout = '1s'; ALTER ROLE {login} SET lock_timeout = '1s'")
    loaded.sql(f"ALTER TABLE users OWNER TO {owner}; ALTER TABLE alembic_version OWNER TO {owner}")
    loaded.sql(f"ALTER SCHEMA erm OWNER TO {login}; GRANT CREATE ON SCHEMA public TO {owner}")
    for (table,) in loaded.sql("SELECT tablename::text FROM pg_tables WHERE schemaname = 'erm'"):
        loaded.sql(f"ALTER TABLE erm.{table} OWNER TO {login}")
    try:
        monkeypatch.setenv("ERM_DATABASE_URL", loaded.database.url.replace("postgres@", f"{login}@"))
        loaded.config(f"backup: {{method: pg_dump}}\nmigrations: {{role: {owner}}}\n")
        guard = loaded.apply().outcome.backup
        assert guard is not None
        told = json.loads((Path(guard.place) / "manifest.json").read_text())
        assert {"erm.run", "public.users"} <= set(told["rows"])
        loaded.rollback()
        assert loaded.put_back(backup=guard.id).tables[0].set == 1
        assert loaded.sql("SELECT email FROM users") == [("e",)]
    finally:
        loaded.sql(f"REASSIGN OWNED BY {owner}, {login} TO postgres; DROP OWNED BY {owner}, {login}")
        loaded.sql(f"DROP ROLE {login}, {owner}")
