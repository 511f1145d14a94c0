"""What the tests of `erm doctor` share: projects, what is found of them, and evidence that is bent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from erm_alembic.config.loader import load_settings
from erm_alembic.doctor.evidence import Evidence
from erm_alembic.doctor.examination import examine
from erm_alembic.doctor.model import Diagnosis, Examination, Examined
from tests.routing.servers import Servers
from tests.support.servers import PrivateServer

ROUTING = "fallback_budget: {share: 0.2}, policies: {reporting: {read_only: true, max_follower_lag: 60s}}"


def url_of(server: PrivateServer, role: str = "postgres", dbname: str = "postgres") -> str:
    return server.url(dbname).replace("postgres@", f"{role}@")


def project(
    folder: Path, primary: str, replicas: dict[str, str] | None = None, *, routing: str = ROUTING, more: str = ""
) -> Path:
    """A folder whose erm.yaml describes some servers, with an Alembic project."""
    if not (folder / "alembic.ini").exists():
        (folder / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
        (folder / "migrations").mkdir(exist_ok=True)
        (folder / "migrations" / "env.py").write_text("")
    listed = ", ".join(f"{{name: {name}, url: {json.dumps(url)}}}" for name, url in (replicas or {}).items())
    (folder / "erm.yaml").write_text(
        f"database:\n  environments: {{prod: {{url: {json.dumps(primary)}}}}}\n"
        f"  replicas: [{listed}]\n  routing: {{{routing}}}\n{more}"
    )
    return folder


def examined(folder: Path, env: str = "prod") -> Examination:
    return examine(load_settings(env, cwd=folder))


def of(found: Examination, check: str) -> Examined:
    (one,) = [each for each in found.examined if each.check == check]
    return one


def told(found: Examination, check: str, level: str) -> list[Diagnosis]:
    return [each for each in of(found, check).diagnoses if each.level == level]


def names(servers: Servers, role: str = "postgres") -> dict[str, str]:
    return {name: url_of(each, role) for name, each in servers.standbys.items()}


def with_facts(evidence: Evidence, name: str, **facts: Any) -> Evidence:
    """The same, where a server said something else of itself."""
    overview = evidence.overview
    if name == "primary":
        assert overview.primary.facts is not None
        primary = replace(overview.primary, facts=replace(overview.primary.facts, **facts))
        return replace(evidence, overview=replace(overview, primary=primary))
    replicas = tuple(
        replace(each, facts=replace(each.facts, **facts)) if each.name == name and each.facts else each
        for each in overview.replicas
    )
    return replace(evidence, overview=replace(overview, replicas=replicas))


def with_state(evidence: Evidence, name: str, **state: Any) -> Evidence:
    """The same, where the monitor knows something else of a replica."""
    replicas = tuple(
        replace(each, state=replace(each.state, **state)) if each.name == name else each
        for each in evidence.overview.replicas
    )
    return replace(evidence, overview=replace(evidence.overview, replicas=replicas))
