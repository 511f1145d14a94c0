"""What came back from a backup, or would: as text and as JSON."""

from __future__ import annotations

import shlex
from typing import Any

from erm_alembic.config.env_option import env_option
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.safe import Paint, one_line, plain
from erm_alembic.render.words import counted

__all__ = ["put_back_json", "put_back_text", "restored_json", "restored_text"]


def restored_text(restored: Any, environment: str, paint: Paint = plain) -> str:
    """A backup that was restored into a database.

    Args:
        restored: what came back.
        environment: the profile.
        paint: gives colour; none by default.
    """
    amount = f"{counted(restored.tables, 'table')} with {counted(restored.rows, 'row')}"
    lines = [paint(f"Restored {one_line(restored.backup)} into {one_line(restored.database)}: {amount}.", "good")]
    if restored.kept_as is not None:
        lines.append(f"What was there before is now {one_line(restored.kept_as)}.")
    lines += [one_line(note) for note in restored.notes]
    lines.append(f"The database of {one_line(environment)} is as it was.")
    return "\n".join(lines) + "\n"


def restored_json(restored: Any) -> str:
    """The same as one JSON object."""
    return result_document({"restored": plain_value(restored)})


def put_back_text(found: Any, environment: str, again: tuple[str, ...] = (), paint: Paint = plain) -> str:
    """Lost data that was, or would be, put back.

    Args:
        found: what was put back.
        environment: the profile.
        again: what was typed, for the command that does it.
        paint: gives colour; none by default.
    """
    word = "Put back" if found.really else "Would put back"
    lines = [paint(f"{word} from {one_line(found.backup)}:", "strong")]
    for each in found.tables:
        lines += _table(each, found.really)
    lines += [f"  {one_line(note)}" for note in found.notes]
    left = any(each.left for each in found.tables)
    if found.really:
        lines.append(paint(f"Done, in one transaction: run {found.run_id} in the ledger.", "good"))
    else:
        command = shlex.join(["erm", "restore", *again, "--yes"]) + env_option(environment)
        lines += ["", "Nothing was changed.", f"To do it: {one_line(command)}"]
    if left:
        lines.append("Values that were written since stay; --overwrite lets those of the backup win.")
    return "\n".join(lines) + "\n"


def put_back_json(found: Any) -> str:
    """The same as one JSON object."""
    return result_document({"put_back": plain_value(found)})


def _table(each: Any, really: bool) -> list[str]:
    lines = [f"  {one_line(each.table)}"]
    if each.columns:
        columns = ", ".join(map(one_line, each.columns))
        verb = "got" if really else "gets" if each.set == 1 else "get"
        lines.append(f"    {columns}: {counted(each.set, 'row')} {verb} the backup's value")
    if each.inserted:
        verb = "came" if really else "comes" if each.inserted == 1 else "come"
        lines.append(f"    {counted(each.inserted, 'row')} that {_were(each.inserted)} gone {verb} back whole")
    if each.left:
        lines.append(f"    {counted(each.left, 'row')} {'holds' if each.left == 1 else 'hold'} another value by now")
    if each.gone:
        lines.append(f"    {counted(each.gone, 'row')} of the backup {_are(each.gone)} not there any more")
    if each.new:
        verb = "has" if each.new == 1 else "have"
        lines.append(f"    {counted(each.new, 'row')} {verb} come since: the backup knows no value of it")
    if each.changed:
        lines.append(f"    {counted(each.changed, 'row')} {_were(each.changed)} changed since, in columns that stay")
    if not (each.columns or each.inserted):
        lines.append("    every row of the backup is there")
    if each.triggers:
        lines.append(f"    {counted(each.triggers, 'trigger')} of the table may fire")
    return lines


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
