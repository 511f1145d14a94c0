"""What a text would do that outlives its transaction, or lifts what holds it: for work that is always rolled back.

An allow-list: what a statement begins with must be known to stay within the transaction. The server enforces the most
of it (READ ONLY, a constraint that no commit satisfies); what is told here is told before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from erm_alembic.postgres.text.lexer import Token, statement_kind, tokens
from erm_alembic.postgres.text.side_effects import OUTSIDE as ACTS_OUTSIDE

__all__ = ["OUTSIDE", "OWN_SAVEPOINT", "makes_constraints_immediate", "objection"]

# What holds a test is called so; no statement of a test names any of it.
OWN = ("erm_smoke_", "a_smoke_test_never_commits")
OWN_SAVEPOINT = OWN[0]

READS = frozenset(
    [
        *("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "CALL", "COPY"),
        *("SAVEPOINT", "RELEASE", "ROLLBACK TO", "SET", "RESET", "DISCARD"),
        *("DECLARE", "FETCH", "MOVE", "CLOSE", "PREPARE", "EXECUTE", "DEALLOCATE", "LISTEN", "UNLISTEN", "NOTIFY"),
    ]
)
WRITES = READS | {"INSERT", "UPDATE", "DELETE", "MERGE", "CREATE"}
ROW_CHANGES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
ENDS = {"COMMIT": "commits", "END": "commits", "ROLLBACK": "ends its transaction", "ABORT": "ends its transaction"}
BEGINS = frozenset({"BEGIN", "START"})
TWO_PHASE = frozenset({"PREPARE", "COMMIT", "ROLLBACK"})

# The view by which settings can be changed like rows; one made on it can, too.
SETTINGS_VIEW = "pg_settings"
# Settings that hold a test, or by which its statements could not be read any more.
GUARDED = frozenset(
    [
        *("transaction_read_only", "default_transaction_read_only", "transaction_isolation", "transaction_deferrable"),
        *("default_transaction_isolation", "default_transaction_deferrable", "session_replication_role", "role"),
        *("session_authorization", "standard_conforming_strings", "backslash_quote", "client_encoding"),
    ]
)
# What SET takes besides the name of a setting, and the setting that it is about.
GUARDED_WORDS = {
    "AUTHORIZATION": "session_authorization",
    "TRANSACTION": "transaction_read_only",
    "CHARACTERISTICS": "transaction_read_only",
    "NAMES": "client_encoding",
}

# Functions that run a text of SQL which nobody has read, or the queries of views that are not named.
RUN_TEXTS = frozenset(
    [
        *("query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema", "cursor_to_xml", "cursor_to_xmlschema"),
        *("table_to_xml", "table_to_xmlschema", "table_to_xml_and_xmlschema"),
        *("schema_to_xml", "schema_to_xmlschema", "schema_to_xml_and_xmlschema"),
        *("database_to_xml", "database_to_xmlschema", "database_to_xml_and_xmlschema"),
        *("ts_stat", "ts_rewrite", "crosstab", "crosstab2", "crosstab3", "crosstab4", "connectby", "xpath_table"),
        *("run_command_on_workers", "run_command_on_shards", "run_command_on_placements", "run_command_on_all_nodes"),
        *("run_command_on_coordinator", "run_command_on_colocated_placements", "distributed_exec"),
        *("query_export_to_s3", "table_import_from_s3"),
    ]
)
# Functions that change large objects, which servers before PostgreSQL 16 let a transaction do that only reads.
LARGE_OBJECTS = frozenset(
    ["lo_creat", "lo_create", "lo_from_bytea", "lo_put", "lo_truncate", "lo_truncate64", "lo_unlink", "lowrite"]
)
# Beside what no plan may send: files of the server, slots, locks that outlive the transaction, pages of tables and
# indexes, other sessions, other hosts.
OUTSIDE = (
    ACTS_OUTSIDE
    | RUN_TEXTS
    | frozenset(
        [
            *("lo_export", "lo_import", "pg_read_file", "pg_read_binary_file", "pg_ls_dir", "pg_stat_file"),
            *("pg_file_unlink", "pg_file_rename", "pg_file_sync", "pg_export_snapshot", "pg_import_system_collations"),
            *("pg_advisory_lock", "pg_advisory_lock_shared", "pg_try_advisory_lock", "pg_try_advisory_lock_shared"),
            *("pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all"),
            *("pg_logical_slot_get_changes", "pg_logical_slot_get_binary_changes", "pg_replication_slot_advance"),
            *("pg_copy_logical_replication_slot", "pg_copy_physical_replication_slot", "pg_sync_replication_slots"),
            *("pg_replication_origin_create", "pg_replication_origin_drop", "pg_replication_origin_advance"),
            *("pg_replication_origin_session_setup", "pg_replication_origin_session_reset"),
            *("dblink_connect", "dblink_connect_u", "dblink_open", "dblink_send_query", "dblink_fdw_validator"),
            *("pg_stat_reset_slru", "pg_stat_reset_replication_slot", "pg_stat_reset_subscription_stats"),
            *("pg_stat_reset_single_function_counters", "pg_stat_reset_backend_stats", "pg_create_subscription"),
            *("pg_log_standby_snapshot", "pg_buffercache_evict", "heap_force_kill", "heap_force_freeze"),
            *("pg_truncate_visibility_map", "brin_summarize_new_values", "brin_summarize_range"),
            *("brin_desummarize_range", "gin_clean_pending_list", "pg_background_launch", "http_get", "http_post"),
            *("http_put", "http_patch", "http_delete", "http_head"),
            *("pg_restore_relation_stats", "pg_restore_attribute_stats", "pg_clear_relation_stats", "setval"),
        ]
    )
)


def objection(sql: str, *, writes: bool, outside: frozenset[str] = frozenset()) -> str | None:
    """Why a text may not be sent in a transaction that is to be rolled back; None where nothing speaks against it.

    Args:
        sql: the text as the server gets it.
        writes: whether it may change rows.
        outside: names of functions and tables of the database by which it would act outside, too.

    Example:
        >>> objection("SELECT 1; COMMIT", writes=True)
        'it commits'
        >>> objection("DELETE FROM orders", writes=False), objection("DELETE FROM orders", writes=True)
        ('DELETE changes rows', None)
    """
    all_tokens = list(tokens(sql))
    if _cannot_be_read(sql, all_tokens):
        return "it has characters of which not even its strings can be told apart from its words"
    if any(token.name.startswith(OWN) for token in all_tokens if token.kind in ("word", "quoted")):
        return "it names what holds the test"
    if found := _outside(all_tokens, OUTSIDE | outside):
        return f"of {found}, whose effect no rollback takes back"
    if not writes and (found := _outside(all_tokens, LARGE_OBJECTS)):
        return f"{found} changes large objects"
    if any(token.name == SETTINGS_VIEW for token in all_tokens) and any(
        token.says("UPDATE", "CREATE", "MERGE") for token in all_tokens
    ):
        return f"it may change settings that hold the test, through {SETTINGS_VIEW}"
    statements = list(_split(all_tokens))
    for statement in statements:
        if found := _of_statement(statement, writes):
            return found
    if len(statements) > 1 and any(True for statement in statements for _ in _set_names(statement)):
        return "it changes a setting and does more in one text; send them one by one"
    return None


def makes_constraints_immediate(sql: str) -> bool:
    """Whether it checks all deferred constraints at once.

    Example:
        >>> makes_constraints_immediate("set constraints all immediate;")
        True
    """
    words = [token.text.upper() for token in tokens(sql) if token.text != ";"]
    return words == ["SET", "CONSTRAINTS", "ALL", "IMMEDIATE"]


def _split(all_tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """At each semicolon, also one in parentheses: the server takes none of the statements that have one there."""
    statement: list[Token] = []
    for token in all_tokens:
        if token.kind == "other" and token.text == ";":
            if statement:
                yield statement
            statement = []
        else:
            statement.append(token)
    if statement:
        yield statement


def _cannot_be_read(sql: str, all_tokens: Sequence[Token]) -> bool:
    """Whether the server may take the text apart in another way than we do: odd characters, odd quotes."""
    for before, token in pairwise([Token("other", ""), *all_tokens]):
        end = before.start + len(before.text)
        if token.kind == "other" and not token.text[0].isascii():
            return True
        if token.kind == "quoted" and not token.text.startswith('"'):
            return True  # U&"..." spells a name by its code points
        if token.kind == "other" and token.text == "$":
            following = sql[token.start + 1 : token.start + 2]
            if not (following.isascii() and following.isdigit()):
                return True
        glued = before.kind == "other" and before.text[:1].isdigit() and token.start == end
        if glued and token.kind == "string":
            return True  # older servers end a number where its letters begin
    return False


def _outside(all_tokens: Sequence[Token], names: frozenset[str]) -> str | None:
    """The first name of something that acts outside of the transaction."""
    return next((token.name for token in all_tokens if token.kind in ("word", "quoted") and token.name in names), None)


def _of_statement(statement: list[Token], writes: bool) -> str | None:
    kind = statement_kind(statement)
    if kind in TWO_PHASE and any(token.says("PREPARED", "TRANSACTION") for token in statement[1:2]):
        return "it is about a two-phase commit" if not _only_ends(statement) else f"it {ENDS[kind]}"
    if kind in ENDS:
        return f"it {ENDS[kind]}"
    if kind in BEGINS:
        return "it begins a transaction, and is within one already"
    if kind in ROW_CHANGES and not writes:
        return f"{kind} changes rows"
    if kind not in (WRITES if writes else READS):
        return f"{kind or 'its first word'} is nothing that a test may send to a database in use"
    if kind == "CREATE" and not _is_temporary(statement):
        return "it changes the schema"
    if kind in ("SELECT", "WITH", "EXPLAIN", "PREPARE") and _makes_table(statement):
        return "it changes the schema"
    if kind == "EXPLAIN" and any(token.says("CREATE", "REFRESH") for token in statement):
        return "it changes the schema"
    if kind == "COPY":
        return _of_copy(statement, writes)
    if kind == "DISCARD" and not any(token.says("PLANS", "SEQUENCES") for token in statement):
        return "it would drop what holds the test"
    return _of_settings(statement)


def _only_ends(statement: list[Token]) -> bool:
    """COMMIT TRANSACTION and ROLLBACK TRANSACTION, which are about no prepared one."""
    return not statement[0].says("PREPARE") and statement[1].says("TRANSACTION")


def _is_temporary(statement: list[Token]) -> bool:
    """Whether the word stands where the grammar has it: anything may be called so."""
    following = statement[2:] if statement[1:] and statement[1].says("LOCAL", "GLOBAL") else statement[1:]
    if len(following) < 2 or not following[0].says("TEMP", "TEMPORARY"):
        return False
    made = following[2:] if following[1].says("RECURSIVE") else following[1:]
    return bool(made) and made[0].says("TABLE", "VIEW", "SEQUENCE")


def _makes_table(statement: list[Token]) -> bool:
    """SELECT ... INTO, but for a temporary table; the INTO of INSERT and MERGE comes before any SELECT of theirs."""
    selects = [False]
    for at, token in enumerate(statement):
        if token.text == "(":
            selects.append(False)
        elif token.text == ")" and len(selects) > 1:
            selects.pop()
        elif token.says("SELECT"):
            selects[-1] = True
        elif token.says("INTO") and selects[-1]:
            following = [each for each in statement[at + 1 : at + 4] if not each.says("LOCAL", "GLOBAL")]
            is_temporary = following and following[0].says("TEMP", "TEMPORARY")
            return not is_temporary or any(each.text == "." for each in following[1:2])  # a schema may be called so
    return False


def _of_copy(statement: list[Token], writes: bool) -> str | None:
    """COPY between the server and the test; files and programs are the server's."""
    depth = 0
    for token, following in pairwise(statement):
        depth += (token.text == "(") - (token.text == ")")
        if depth or not token.says("TO", "FROM"):
            continue
        if not following.says("STDOUT", "STDIN"):
            return "it copies to or from a file or a program of the server's"
        return "COPY FROM changes rows" if token.says("FROM") and not writes else None
    return "COPY without STDIN or STDOUT"


def _of_settings(statement: list[Token]) -> str | None:
    """Settings that hold the test."""
    for name in _set_names(statement):
        if name in GUARDED:
            return f"it changes {name}, which holds the test"
        if name == "":
            return "it sets what cannot be told beforehand"
        if name == "all":
            return "it resets the settings that hold the test"
    return None


def _set_names(statement: list[Token]) -> Iterator[str]:
    """The settings that a statement changes: `all` for each of them, an empty name where it is not written there."""
    words = [token for token in statement if not token.says("SESSION", "LOCAL")]
    if statement[0].says("SET", "RESET") and not (len(words) > 1 and words[1].says("CONSTRAINTS")):
        name = words[1] if len(words) > 1 else Token("other", "")
        yield GUARDED_WORDS.get(name.text.upper(), name.name.lower()) if name.kind == "word" else name.name.lower()
    for at, token in enumerate(statement[:-1]):
        if token.kind in ("word", "quoted") and token.name == "set_config" and statement[at + 1].text == "(":
            named, after = (*statement[at + 2 : at + 4], Token("other", ""), Token("other", ""))[:2]
            is_written = named.kind == "string" and named.text.startswith("'") and after.text == ","
            yield named.text[1:-1].lower() if is_written else ""
