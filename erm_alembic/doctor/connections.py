"""The way to the servers: poolers in between, encryption, and how many connections there may be."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.doctor.evidence import PRIMARY, Evidence
from erm_alembic.doctor.model import Diagnosis
from erm_alembic.postgres.server_facts import ServerFacts

__all__ = ["connection_limits", "encryption", "poolers"]

VERIFYING = ("verify-ca", "verify-full")


def poolers(evidence: Evidence) -> Iterator[Diagnosis]:
    """No connection pooler stands between erm and the servers."""
    for name, facts in evidence.servers.items():
        if not facts.pooled:
            continue
        mode = evidence.pool_modes.get(name, "unknown")
        words = "a connection pooler" if mode == "unknown" else f"a connection pooler in {mode} mode"
        if name == PRIMARY:
            yield Diagnosis(
                "error",
                f"The primary is behind {words}.",
                "Migrations are refused: the deploy lock and the settings of a session would be another client's."
                + (
                    " Prepared statements and SET of the application's sessions are shared too."
                    if mode == "transaction"
                    else ""
                ),
                "Give migrations the database's own address, past the pooler (ERM_DATABASE_URL, or another profile).",
                name,
            )
        else:
            yield Diagnosis(
                "error" if mode == "transaction" else "warning",
                f"The replica is behind {words}.",
                "What is known of a replica is known of one server; a pooler that has several behind it, or changes "
                "them, answers from one that is further behind."
                + (
                    " A snapshot or a prepared statement does not outlive its transaction."
                    if mode == "transaction"
                    else ""
                ),
                "Give routing the standby's own address.",
                name,
            )


def encryption(evidence: Evidence) -> Iterator[Diagnosis]:
    """What goes over a network is encrypted, and to the right server."""
    if evidence.is_dev:
        return
    urls = {PRIMARY: evidence.overview.primary.url} | {each.name: each.url for each in evidence.overview.replicas}
    for name, facts in evidence.servers.items():
        if facts.is_local:
            continue
        mode = facts.sslmode
        better = _with_sslmode(urls[name])
        if not facts.encrypted:
            yield Diagnosis(
                "error" if evidence.is_production else "warning",
                f"The connection is not encrypted (sslmode={mode}).",
                "Whoever is on the way reads all rows and, where the server asks for it in clear, the password.",
                f"Let the server have a certificate, and write sslmode=verify-full into the address: {better}",
                name,
            )
        elif mode not in VERIFYING:
            yield Diagnosis(
                "warning",
                f"The connection is encrypted, and nobody makes sure to whom (sslmode={mode}).",
                "Who can stand in between can answer in the server's place"
                + (", without any encryption too." if mode in ("allow", "prefer") else "."),
                f"Write sslmode=verify-full (with sslrootcert for an authority of your own) into the address: {better}",
                name,
            )


def connection_limits(evidence: Evidence) -> Iterator[Diagnosis]:
    """One process of the application cannot use up a server's connections."""
    wanted = evidence.settings.pool.max_conns
    for name, facts in evidence.each_server.items():
        bound, reason = _bound(facts)
        if bound is not None and wanted > bound:
            yield Diagnosis(
                "warning",
                f"The pool of one process may open {wanted} connections (pool.max_conns), and {reason} {bound}.",
                "Under load the application's own connections are refused (53300), and those of migrations with them.",
                "Lower database.pool.max_conns to what all processes together may have, or raise the server's limit.",
                name,
            )


def _bound(facts: ServerFacts) -> tuple[int | None, str]:
    settings = facts.settings
    bounds: list[tuple[int, str]] = []
    if "max_connections" in settings:
        kept = sum(int(settings.get(each, "0")) for each in ("superuser_reserved_connections", "reserved_connections"))
        bounds.append(
            (int(settings["max_connections"]) - kept, "the server has (max_connections, less what is reserved)")
        )
    if facts.connection_limit is not None and not facts.is_superuser:
        bounds.append((facts.connection_limit, "the role, or the database, is allowed (CONNECTION LIMIT)"))
    return min(bounds, default=(None, ""))


def _with_sslmode(url: str) -> str:
    parameters = DatabaseUrl.parse(url).with_parameters(sslmode="verify-full").parameters
    host = quote(parameters.get("host", ""), safe=",:")
    return f"...@{host}/...?sslmode=verify-full"
