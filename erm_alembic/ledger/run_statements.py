"""The statements that begin a run in the ledger, and that end those which ended without a word."""

from __future__ import annotations

__all__ = ["CLOSE_RUNS", "START_RUN"]

# What ended without a word is told apart by the one that comes after it; it lived at least until its last trace.
START_RUN = """
    WITH started AS (
        INSERT INTO {schema}.run (mode, environment, who, host, backend_pid, erm_version, git_commit, overrides)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s::text[]) RETURNING id, started_at
    ), died AS (
        UPDATE {schema}.run AS r
           SET outcome = 'died',
               finished_at = greatest(
                   r.started_at,
                   (SELECT max(started_at + duration_ms * interval '1 ms') FROM {schema}.revision WHERE run_id = r.id),
                   (SELECT max(at) FROM {schema}.progress WHERE run_id = r.id)),
               error = 'ended without a word; found by run ' || started.id || ' at '
                   || to_char(started.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
          FROM started
         WHERE r.finished_at IS NULL
    )
    SELECT id FROM started
"""
# The same, for a run that has nothing to do and leaves no row of its own.
CLOSE_RUNS = """
    UPDATE {schema}.run AS r
       SET outcome = 'died',
           finished_at = greatest(
               r.started_at,
               (SELECT max(started_at + duration_ms * interval '1 ms') FROM {schema}.revision WHERE run_id = r.id)),
           error = 'ended without a word; found at '
               || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
     WHERE r.finished_at IS NULL RETURNING id
"""
