"""An option means the same in every command that has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

import erm_alembic.generate
from erm_alembic.cli.main import COMMANDS
from erm_alembic.revisions.autogenerate import Generated
from erm_alembic.revisions.project import AlembicOptions
from tests.cli.pipeline import erm

# What is written differs, and each command says what: one help for all of them would tell nobody anything. Without
# --env and ERM_ENV, import-sql reaches no database. The formats of a report are more than those of a list,
# and a plan is run by one command and shown by others. What --check looks for, each command says, and what --mode,
# --to, --limit and --report are of, and where the signature goes.
OWN_WORDS = {"--out", "--env", "--format", "--plan", "--check", "--mode", "--to", "--limit", "--report", "--sign-key"}

# Of a plan: whether revisions would run, by exit code 3, and its SQL, printed. Elsewhere --check looks for differences,
# and --sql writes scripts.
OF_A_PLAN = {("migrate", "--check"), ("migrate", "--sql")}
# Of a backup, not of a revision; and of what is recorded, which may be several heads.
NOT_ONE_REVISION = {("restore", "--to"), ("repair", "--to")}


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for part, nested in getattr(command, "commands", {}).items():
        yield from _commands(f"{name} {part}", nested)


def test_a_flag_of_two_commands_has_one_declaration() -> None:
    """The same flag has the same other spellings, value, help and completion wherever it stands."""
    declared: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for table in COMMANDS:
        for name, command in _commands(table.name, table.load()):
            for option in command.params:
                if option.param_type_name == "option":
                    for flag in option.opts:
                        words = "" if flag in OWN_WORDS else option.help
                        spelling = (tuple(option.opts), option.metavar, words, option.multiple)
                        if (name, flag) not in OF_A_PLAN | NOT_ONE_REVISION:
                            declared[flag].add(spelling)
    assert {"-x", "--name", "--tag", "--head", "--env", "--config", "--format", "--check", "--sql"} <= set(declared)
    assert {flag for flag, spellings in declared.items() if len(spellings) > 1} == set()


def test_gen_hands_alembics_own_options_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """-x, --name and --tag reach env.py when a revision is generated, as they do when one is run."""
    given: list[AlembicOptions] = []

    def generate(env: str | None, *, options: AlembicOptions, **rest: Any) -> Generated:
        given.append(options)
        return Generated(changes=(), source="", path=None)

    monkeypatch.setattr(erm_alembic.generate, "generate", generate)
    code, out, _ = erm(capsys, "gen", "--diff", "-x", "tenant=eu", "--name", "billing", "--tag", "r7")
    assert (code, out) == (0, "")
    assert given == [AlembicOptions(x=("tenant=eu",), name="billing", tag="r7")]


def test_each_command_ends_its_help_with_examples_that_fit_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Examples stand last, each line within 80 columns, and arguments are named in capitals."""
    for table in COMMANDS:
        for name, command in _commands(table.name, table.load()):
            _, out, _ = erm(capsys, *name.split(), "--help")
            last = out.rpartition("\n\n")[2]
            assert [line for line in last.splitlines() if len(line) > 80] == []
            assert last.startswith("  Example") or getattr(command, "no_args_is_help", False), out
            arguments = [each for each in command.params if each.param_type_name == "argument"]
            assert [each.metavar for each in arguments if not (each.metavar or "").isupper()] == []


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("check --env prod downgrades", "Write it behind: erm check downgrades --env ..."),
        ("check --since a1 downgrades", "Leave it out: erm check downgrades takes none."),
        ("backup --format text list", "Write it behind: erm backup list --format ..."),
        ("backup --tables-at-risk list", "Leave it out: erm backup list takes none."),
        ("backup --env prod --verify verify latest", "Leave it out: erm backup verify --env prod takes none."),
        ("history --limit 3 restore a1", "Leave it out: erm history restore takes none."),
        ("release --env prod status", "Write it behind: erm release status --env ..."),
    ],
)
def test_an_option_before_a_command_of_a_group_is_not_forgotten(
    capsys: pytest.CaptureFixture[str], words: str, cure: str
) -> None:
    """What the command would not get is refused, with where it belongs, before anything is looked at."""
    code, out, err = erm(capsys, *words.split())
    assert (code, out) == (2, "")
    assert ", which does not get it." in err
    assert cure in err


@pytest.mark.parametrize("name", [each.name for each in COMMANDS])
def test_a_group_that_does_something_itself_looks_for_options_before_its_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """All of them do, so that the next group cannot forget it."""
    (group,) = [each.load() for each in COMMANDS if each.name == name]
    below = list(getattr(group, "commands", {}))
    own = {flag for option in group.params for flag in option.opts}
    if below and "--env" in own:
        handed_on = name in ("backup", "history")
        option = ["--format", "json"] if handed_on else ["--env", "prod"]
        code, _, err = erm(capsys, name, *option, below[0])
        assert (code, f"{option[0]} stands before {below[0]}, which does not get it." in err) == (2, True)
    else:
        assert not below or own <= {"--help", "-h"}
