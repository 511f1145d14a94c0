"""The tables of the load."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["SHARED", "Base", "CounterRow", "Entry", "Shared"]

# How many rows of `shared` there are.
SHARED = 4


class Base(DeclarativeBase):
    """The tables of the load."""


class CounterRow(Base):
    """The last number that the key's writer has written."""

    __tablename__ = "counters"
    key: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class Entry(Base):
    """Every number that was ever written."""

    __tablename__ = "entries"
    key: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


class Shared(Base):
    """What all workers count up by reading and writing."""

    __tablename__ = "shared"
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]
