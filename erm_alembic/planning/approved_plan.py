"""The file of an approved plan, read: what was approved, that nobody has changed it since, and who signed it.

The file is the plan as `--format json` prints it, with one more key, `approval`: what tells the database for good, what
else was approved, a checksum over all of it, and a signature where there is a key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from erm_alembic.config.plan_keys import key_id
from erm_alembic.errors import Refused, UsageError
from erm_alembic.findings import Override
from erm_alembic.planning.terms import StatementTerms, StepTerms, Terms

__all__ = [
    "FILE_VERSION",
    "SCHEMA_VERSION",
    "ApprovedPlan",
    "canonical",
    "checksum",
    "is_plan_file",
    "read_approved",
    "verify_signed",
]

# Of the plan's JSON, and of what an approval adds to it.
SCHEMA_VERSION = 1
FILE_VERSION = 2
NOTHING_CHANGED = "Nothing was changed."


@dataclass(frozen=True)
class ApprovedPlan:
    """What stands in the file of an approved plan.

    Args:
        name: the file, as it was typed.
        terms: what was approved.
        digest: SHA-256 of them.
        partial: by revision, how many of its statements were approved, where the rest depends on data.
        overrides: the rules that were let pass with it.
        signature: its signature's members, None for an unsigned one.
        content: what a signature is about.
    """

    name: str
    terms: Terms
    digest: str
    partial: Mapping[str, int] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    signature: Mapping[str, Any] | None = None
    content: bytes = field(default=b"", repr=False)

    @property
    def steps(self) -> Mapping[str, StepTerms]:
        """The approved steps by revision."""
        return {step.revision: step for step in self.terms.steps}


def canonical(document: Mapping[str, Any]) -> bytes:
    """What checksum and signature of a file are about: all of it but themselves, in one spelling.

    Args:
        document: the file's JSON.
    """
    approval = {key: value for key, value in document["approval"].items() if key not in ("checksum", "signature")}
    text = json.dumps({**document, "approval": approval}, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii")


def checksum(content: bytes) -> str:
    """SHA-256 of what `canonical` gives, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def is_plan_file(content: bytes) -> bool:
    """Whether a file is an approved plan, of whichever version: only such a one may be overwritten by another.

    Args:
        content: its bytes.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and isinstance(document.get("approval"), dict) and "schema_version" in document


def read_approved(content: bytes, name: str) -> ApprovedPlan:
    """Read an approved plan.

    Args:
        content: the bytes of its file.
        name: the file, as it was typed.

    Raises:
        UsageError: it is no plan, was cut off, or is of a version that this erm does not know.
        Refused: it was changed since it was written.
    """
    document = _document(content, name)
    try:
        found = canonical(document)
        approval = document["approval"]
        if checksum(found) != approval["checksum"]:
            _refuse_changed(name)
        terms = _terms(document)
        approved = ApprovedPlan(
            name=name,
            terms=terms,
            digest=_text(document["digest"]),
            partial={_text(each["revision"]): _number(each["certain"]) for each in approval["partial"]},
            overrides=tuple(Override(_text(each["rule"]), _text(each["reason"])) for each in document["overrides"]),
            signature=approval.get("signature"),
            content=found,
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _no_plan(name, "lacks what an approved plan has, or has it in another shape") from error
    if terms.digest() != approved.digest:
        _refuse_changed(name)
    return approved


def _document(content: bytes, name: str) -> dict[str, Any]:
    if not content.strip():
        raise _no_plan(name, "is empty")
    try:
        document = json.loads(content, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except _Twice as error:
        raise _no_plan(name, f"has the key {error.args[0]!r} twice in one object") from None
    except json.JSONDecodeError as error:
        if content.lstrip()[:1] == b"{" and error.pos >= len(error.doc.rstrip()):
            raise _no_plan(name, "ends in the middle: it was cut off") from None
        raise _no_plan(name, f"is not JSON (line {error.lineno})") from None
    except (ValueError, RecursionError):
        raise _no_plan(name, "is not JSON") from None
    if not isinstance(document, dict) or "schema_version" not in document or "pending" not in document:
        raise _no_plan(name, "is JSON, but no plan")
    if not isinstance(document.get("approval"), dict):
        raise UsageError(
            f"{name} is a plan that was printed, not one that was kept: it has no `approval`.",
            effect=NOTHING_CHANGED,
            cure=f"Keep it with: erm migrate --mode plan --out {name}",
        )
    versions = (document["schema_version"], document["approval"].get("version"))
    if versions != (SCHEMA_VERSION, FILE_VERSION):
        raise UsageError(
            f"{name} was written by another version of erm: its format is {versions[0]}.{versions[1]}, and this one "
            f"knows {SCHEMA_VERSION}.{FILE_VERSION}.",
            effect=NOTHING_CHANGED,
            cure=f"Plan again with this version: erm migrate --mode plan --out {name}",
        )
    return document


class _Twice(ValueError):
    """A key that stands twice: one reader would see the first value, another one the second."""


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _terms(document: Mapping[str, Any]) -> Terms:
    approval = document["approval"]
    target = approval["target"]
    sealed = {
        (_text(each["revision"]), _number(each["statement"])): _text(each["known_by"]) for each in approval["hidden"]
    }
    direction = document["direction"]
    if direction not in ("upgrade", "downgrade"):
        raise ValueError(direction)
    return Terms(
        environment=_text(document["environment"]),
        system=_optional(target["system_identifier"]),
        oid=_number(target["database_oid"]),
        database=_text(target["database"]),
        address=_text(document["database"]["url"]),
        version_table=_text(approval["version_table"]),
        schema=_optional(approval["schema"]),
        direction=direction,
        to=_optional(approval["to"]),
        steps_asked=_number(approval["steps"]),
        current=tuple(map(_text, _list(document["current"]))),
        steps=tuple(_step(each, sealed) for each in _list(document["pending"])),
        catalog=_text(approval["catalog"]),
        role=_text(approval["role"]),
    )


def _step(member: Mapping[str, Any], sealed: Mapping[tuple[str, int], str]) -> StepTerms:
    revision, rendered = _text(member["revision"]), member["rendered"]
    if rendered not in ("full", "partial"):
        raise ValueError(rendered)
    return StepTerms(
        revision=revision,
        path=_text(member["path"]),
        source_hash=_text(member["source_hash"]),
        rendered=rendered,
        certain=None if member["certain"] is None else _number(member["certain"]),
        statements=tuple(
            _statement(each, sealed.get((revision, number)))
            for number, each in enumerate(_list(member["statements"]), start=1)
        ),
    )


def _statement(member: Mapping[str, Any], sealed: str | None) -> StatementTerms:
    return StatementTerms(
        sql=_text(member["sql"]),
        autocommit=_flag(member["autocommit"]),
        parameter_sets=_number(member["parameter_sets"]),
        read=_flag(member["read"]),
        line=None if member["line"] is None else _number(member["line"]),
        path=_optional(member["path"]),
        sealed=sealed,
    )


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _optional(value: Any) -> str | None:
    return None if value is None else _text(value)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _no_plan(name: str, why: str) -> UsageError:
    return UsageError(
        f"{name} {why}.",
        effect=NOTHING_CHANGED,
        cure="Give a file that `erm migrate --mode plan --out FILE` has written.",
    )


def _refuse_changed(name: str) -> NoReturn:
    raise Refused(
        f"{name} was changed after it was written: its content does not fit its checksum.",
        effect=NOTHING_CHANGED,
        cure=f"Take the file as it was approved, or plan again and have that approved: erm migrate --mode plan --out "
        f"{name}",
    )


def verify_signed(approved: ApprovedPlan, keys: Sequence[bytes]) -> str | None:
    """Make sure that one of the keys has signed a plan.

    Args:
        approved: the plan.
        keys: the public keys of `safety.plan_keys`; without any, a plan need not be signed.

    Returns:
        The short name of the key that has; None where none is asked for.

    Raises:
        Refused: it is not signed, or by another key.
        ConfigurationError: the library that verifies signatures is not installed.
    """
    if not keys:
        return None
    from erm_alembic.planning.signing import Signature, verify

    cure = f"Let the one who has the key plan: erm migrate --mode plan --out {approved.name} --sign-key KEY"
    if approved.signature is None:
        raise Refused(
            f"{approved.name} is not signed, and safety.plan_keys names the keys that must have signed it.",
            effect=NOTHING_CHANGED,
            cure=cure,
        )
    try:
        signature = Signature(_text(approved.signature["key"]), _text(approved.signature["value"]))
    except (KeyError, TypeError, AttributeError):
        signature = Signature("?", "")
    if not verify(approved.content, signature, keys):
        expected = ", ".join(key_id(key) for key in keys)
        raise Refused(
            f"{approved.name} is not signed by a key of safety.plan_keys: it names the key "
            f"{signature.key[:16]!r}, and those that may sign are {expected}.",
            effect=NOTHING_CHANGED,
            cure=cure,
        )
    return signature.key
