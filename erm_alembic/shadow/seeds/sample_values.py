"""Values for a column of any type, as the text that PostgreSQL reads: ordinary ones, and those at the edges.

What a type accepts is taken from the catalogs. A value at an edge (the longest text, the largest number, another
alphabet, a dimension of a second) is what a narrower type, a cast or a rewriting of values would lose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from erm_alembic.postgres.seeding import SqlType

__all__ = ["Samples", "array_of", "samples_of"]

LONG_TEXT = 600  # characters: an index row takes them, and no varchar that is usual does
ARRAY = 4  # the header that a modifier of a character type counts in


@dataclass(frozen=True)
class Samples:
    """Values of one type.

    Args:
        plain: the n-th ordinary value; another one for another n, where the type has that many.
        edges: values at the edges of the type.
        sure: False where the values are guesses that the server must judge.
    """

    plain: Callable[[int], str]
    edges: tuple[str, ...] = ()
    sure: bool = True

    def several(self, count: int, start: int = 1) -> list[str]:
        """Ordinary values, then those at the edges."""
        return [*(self.plain(number) for number in range(start, start + count)), *self.edges]


def samples_of(type: SqlType) -> Samples:
    """Values of a type, whatever it is made of.

    Args:
        type: the type, with the modifier that its column gives it.

    Example:
        >>> samples_of(SqlType("character varying", "varchar", modifier=6)).edges[0]
        'Üñ'
        >>> samples_of(SqlType("mood", "mood", "e", labels=("sad", "happy"))).plain(2)
        'happy'
    """
    match type.kind:
        case "d" if type.part is not None:
            return samples_of(type.part)
        case "e" if type.labels:
            labels = type.labels
            return Samples(lambda n: labels[(n - 1) % len(labels)], tuple(reversed(labels)))
        case "a" if type.part is not None:
            return _array(samples_of(type.part))
        case "r" | "m" if type.part is not None:
            return _range(samples_of(type.part)) if type.kind == "r" else _multirange(samples_of(type.part))
        case "c":
            return _composite([samples_of(each) for each in type.fields])
        case _:
            return _base(type)


def _base(type: SqlType) -> Samples:
    if type.internal in ("varchar", "bpchar", "text", "name", "citext"):
        return _text(type)
    if type.internal == "numeric":
        return _numeric(type.modifier)
    if type.internal in ("bit", "varbit"):
        return _bits(type)
    if type.internal in ("vector", "halfvec"):
        size = type.modifier if type.modifier > 0 else 3
        return Samples(lambda n: "[" + ",".join([str(n)] * size) + "]")
    known = BASE.get(type.internal)
    if known is not None:
        return known
    return Samples(lambda n: GUESSES[(n - 1) % len(GUESSES)].format(n=n), sure=False)


def _text(type: SqlType) -> Samples:
    length = type.modifier - ARRAY if type.modifier >= ARRAY else 60 if type.internal == "name" else None
    if length is None:
        long = ("Üñïçødé ☃ 'quoted' " * LONG_TEXT)[:LONG_TEXT]
        return Samples(lambda n: f"value {n}", (long + "\n", "", " MiXed Case  ", "0"))
    long = ("Üñïçødé" * (length // 7 + 1))[: min(length, LONG_TEXT * 4)]
    if type.internal == "name":  # its length is counted in bytes
        long = "N" + "x" * 62
    return Samples(lambda n: _short(n, length), (long, "", " MiX"[:length], "0"))


def _short(number: int, length: int) -> str:
    """A text of at most that length, different for as many numbers as possible."""
    text = f"value {number}"
    if len(text) <= length:
        return text
    digits, rest = "", number
    while rest or not digits:
        rest, digit = divmod(rest, 26)
        digits = chr(ord("a") + digit) + digits
    return digits[-length:]


def _numeric(modifier: int) -> Samples:
    if modifier < ARRAY:
        return Samples(lambda n: f"{n}.25", ("12345678901234567890.123456789", "-0.000000001", "0", "-1"))
    precision, scale = (modifier - ARRAY) >> 16 & 0xFFFF, (modifier - ARRAY) & 0x7FF
    scale = scale - 0x800 if scale > 0x3FF else scale  # PostgreSQL 15 and newer: a scale may be negative
    whole, digits = max(precision - scale, 0), min(max(scale, 0), precision)
    zeros = "0" * max(scale - precision, 0) + "9" * digits if scale > 0 else ""
    largest = ("9" * (whole + min(scale, 0)) + "0" * -min(scale, 0) or "0") + (f".{zeros}" if zeros else "")
    limit = 10 ** max(whole + min(scale, 0), 0)

    def plain(number: int) -> str:
        whole_part = number % limit * 10 ** -min(scale, 0)
        return f"{whole_part}.{(number * 25) % 10**digits:0{scale}d}" if scale > 0 else str(whole_part)

    return Samples(plain, (largest, f"-{largest}", "0", "-1" if limit > 1 else "0"))


def _bits(type: SqlType) -> Samples:
    length = max(type.modifier, 1) if type.modifier > 0 or type.internal == "bit" else 8
    return Samples(lambda n: f"{n % 2**length:0{length}b}", ("1" * length, "0" * length))


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def array_of(value: str) -> str:
    """An array with one element.

    Example:
        >>> print(array_of('a "b"'))
        {"a \\"b\\""}
    """
    return "{" + _quoted(value) + "}"


def _array(of: Samples) -> Samples:
    edges = list(islice(of.edges, 3))
    together = "{" + ",".join([_quoted(edge) for edge in edges] + ["NULL"]) + "}"
    return Samples(lambda n: array_of(of.plain(n)), (together, "{}"), of.sure)


def _range(of: Samples) -> Samples:
    # Ranges that do not overlap, for exclusion constraints.
    def plain(number: int) -> str:
        return f"[{_quoted(of.plain(number * 2))},{_quoted(of.plain(number * 2 + 1))})"

    return Samples(plain, ("empty", f"[{_quoted(of.plain(900))},)"), False)


def _multirange(of: Samples) -> Samples:
    return Samples(lambda n: "{" + of.plain(n) + "}", ("{}",), False)


def _composite(fields: list[Samples]) -> Samples:
    def row(values: list[str]) -> str:
        return "(" + ",".join('"' + value.replace("\\", "\\\\").replace('"', '""') + '"' for value in values) + ")"

    edges = row([field.edges[0] if field.edges else field.plain(1) for field in fields])
    return Samples(lambda n: row([field.plain(n) for field in fields]), (edges,), all(field.sure for field in fields))


def _date(number: int) -> str:
    """A day of its own; days that grow with the number."""
    return f"{2001 + number // 336}-{number // 28 % 12 + 1:02d}-{number % 28 + 1:02d}"


def _uuid(number: int) -> str:
    digits = hashlib.sha256(str(number).encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


def _whole(bits: int) -> Samples:
    largest = 2 ** (bits - 1) - 1
    return Samples(str, (str(largest), str(-largest - 1), "0", "-1"))


BASE = {
    "bool": Samples(lambda n: "true" if n % 2 else "false", ("false", "true")),
    "int2": _whole(16),
    "int4": _whole(32),
    "int8": _whole(64),
    "float4": Samples(lambda n: f"{n}.5", ("1.2345678e+30", "-1.5e-30", "0", "-1.5")),
    "float8": Samples(lambda n: f"{n}.5", ("1.2345678901234567e+300", "-1.2345678901234567", "0", "-1.5")),
    "money": Samples(lambda n: f"{n}.25", ("12345678901.23", "-1.05", "0")),
    "bytea": Samples(lambda n: f"\\x{n:08x}", ("\\x00ff5c27" + "ab" * 100, "\\x")),
    "date": Samples(_date, ("9999-12-31", "0001-01-01")),
    "timestamp": Samples(lambda n: f"{_date(n)} 12:34:56.789012", ("9999-12-31 23:59:59", "0001-01-01 00:00:00")),
    "timestamptz": Samples(
        lambda n: f"{_date(n)} 12:34:56.789012+00", ("9999-12-31 23:59:59+00", "0001-01-02 00:00:00+00")
    ),
    "time": Samples(lambda n: f"12:{n % 60:02d}:56.789012", ("23:59:59.999", "00:00:00")),
    "timetz": Samples(lambda n: f"12:{n % 60:02d}:56.789012+02", ("23:59:59.999-05", "00:00:00+00")),
    "interval": Samples(lambda n: f"1 year 2 mons {n} days 04:05:06.789", ("-1000 years", "0", "999 hours 0.5 secs")),
    "uuid": Samples(_uuid, ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff")),
    "json": Samples(
        lambda n: f'{{"number": {n}, "list": [1, null, "ü"]}}', ('{"b": 1,  "a": 2, "a": 3.0}', "{}", "[]", '"text"')
    ),
    "jsonb": Samples(
        lambda n: f'{{"number": {n}, "list": [1, null, "ü"]}}', ('{"b": 1, "a": 3.0}', "{}", "[]", '"text"', "null")
    ),
    "jsonpath": Samples(lambda n: f"$.a[{n}]"),
    "xml": Samples(lambda n: f"<a>{n}</a>", ('<b c="ü"/>',), False),
    "inet": Samples(lambda n: f"10.0.{n // 250}.{n % 250 + 1}", ("2001:db8::1/64", "192.168.1.5/24")),
    "cidr": Samples(lambda n: f"10.{n // 250}.{n % 250}.0/24", ("2001:db8::/32", "0.0.0.0/0")),
    "macaddr": Samples(lambda n: f"08:00:2b:01:{n // 256 % 256:02x}:{n % 256:02x}"),
    "macaddr8": Samples(lambda n: f"08:00:2b:01:02:03:{n // 256 % 256:02x}:{n % 256:02x}"),
    "tsvector": Samples(lambda n: f"'word{n}':1", ("", "'a':1A 'b':2,3")),
    "tsquery": Samples(lambda n: f"'word{n}'", ("'a' & !'b'",)),
    "point": Samples(lambda n: f"({n},2.5)", ("(-1e+30,0)",)),
    "line": Samples(lambda n: f"{{1,2,{n}}}"),
    "lseg": Samples(lambda n: f"[(0,0),({n},1)]"),
    "box": Samples(lambda n: f"({n * 10 + 5},5),({n * 10},0)"),
    "path": Samples(lambda n: f"[(0,0),({n},1)]", ("((0,0),(1,1),(2,0))",)),
    "polygon": Samples(lambda n: f"((0,0),({n},1),(2,0))"),
    "circle": Samples(lambda n: f"<({n * 10},0),1>"),
    "oid": Samples(str, ("4294967295", "0")),
    "xid": Samples(str),
    "xid8": Samples(str, ("18446744073709551615",)),
    "cid": Samples(str),
    "tid": Samples(lambda n: f"(0,{n})"),
    "pg_lsn": Samples(lambda n: f"0/{n:X}"),
    "txid_snapshot": Samples(lambda n: f"{n}:{n + 1}:"),
    "pg_snapshot": Samples(lambda n: f"{n}:{n + 1}:"),
    "char": Samples(lambda n: chr(ord("a") + n % 26)),
    "regclass": Samples(lambda n: ("pg_class", "pg_type", "pg_proc")[n % 3]),
    "regtype": Samples(lambda n: ("integer", "text", "uuid")[n % 3]),
    "regnamespace": Samples(lambda n: "pg_catalog"),
    "regrole": Samples(lambda n: "pg_monitor"),
    "regproc": Samples(lambda n: ("now", "pi", "version")[n % 3]),
    "regprocedure": Samples(lambda n: ("now()", "pi()", "version()")[n % 3]),
    "regconfig": Samples(lambda n: ("simple", "english")[n % 2]),
    "regdictionary": Samples(lambda n: "simple"),
    # Extensions that many projects use.
    "hstore": Samples(lambda n: f'"key"=>"{n}"', ('"ü"=>NULL', "")),
    "ltree": Samples(lambda n: f"top.n{n}", ("top.science.physics",)),
    "lquery": Samples(lambda n: f"*.n{n}"),
    "cube": Samples(lambda n: f"({n}, 2)"),
    "geometry": Samples(lambda n: f"POINT({n} 2)", sure=False),
    "geography": Samples(lambda n: f"POINT({n} 2)", sure=False),
}

# For a type that nobody has told us of: its input function says which of these it takes.
GUESSES = (
    "value {n}",
    "{n}",
    "",
    "{{}}",
    "({n},{n})",
    "[{n},{n}]",
    "{n}.0.0",
    "a{n}",
    "POINT({n} {n})",
    "SRID=4326;POINT({n} 2)",
)
