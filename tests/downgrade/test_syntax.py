"""Whether two texts of a revision are the same code."""

from __future__ import annotations

import pytest

from erm_alembic.revisions.source.same_code import same_code, source_hash

CODE = '"""Orders."""\nfrom alembic import op\n\n\ndef upgrade():\n    op.execute("CREATE TABLE t (id int)")\n'


@pytest.mark.parametrize(
    "other",
    [
        CODE.replace('"CREATE TABLE t (id int)"', "'CREATE TABLE t (id int)'"),
        CODE.replace('"CREATE TABLE t (id int)"', '(\n        "CREATE TABLE t "\n        "(id int)"\n    )'),
        CODE.replace("\n\n\n", "\n# comment\n\n"),
        CODE.replace('"""Orders."""', '"""Orders, as they were renamed."""'),
        CODE.replace('"""Orders."""\n', ""),
        CODE.replace("\n", "\r\n"),
        "\ufeff" + CODE,
        CODE.replace('"CREATE', 'u"CREATE'),
    ],
)
def test_what_a_formatter_changes_is_the_same_code(other: str) -> None:
    """Quotes, wrapping, comments, blank lines, line ends and the module's docstring do not count."""
    assert same_code(CODE, other)


def test_f_strings_in_one_piece_or_two_are_the_same_code() -> None:
    """An f-string that a formatter joined is the same."""
    assert same_code("x = f'{a} b' 'c'", 'x = f"{a} bc"')
    assert not same_code("x = f'{a} b'", "x = f'{a} c'")


@pytest.mark.parametrize(
    "other",
    [
        CODE.replace("id int", "id bigint"),
        CODE + "    op.execute('x')\n",
        CODE.replace("upgrade", "downgrade"),
        "def upgrade(:\n",
    ],
)
def test_what_runs_differently_is_another_code(other: str) -> None:
    """A changed statement, an added one, a renamed function or a broken file is an edit."""
    assert not same_code(CODE, other)


def test_broken_sources_are_the_same_only_letter_by_letter() -> None:
    """Two files that are not Python are compared as text."""
    assert same_code("def (", "def (")
    assert not same_code("def (", "def  (")


def test_the_hash_is_sha_256_of_the_bytes() -> None:
    """The hash is the one that `sha256sum` prints."""
    assert source_hash(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
