"""The tables of the shop."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Integer, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The models."""


class Customer(Base):
    """Somebody who buys."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text)


class Till(Base):
    """A till, and the number of its last sale."""

    __tablename__ = "tills"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last_sale: Mapped[int] = mapped_column(Integer, server_default="0")


class Sale(Base):
    """What was sold."""

    __tablename__ = "sales"
    __table_args__ = (Index("sales_by_customer", "customer_id"), Index("sales_by_till", "till_id", "number"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    customer_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("customers.id"))
    till_id: Mapped[int | None] = mapped_column(Integer)
    number: Mapped[int | None] = mapped_column(Integer)
    cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(Text, server_default="EUR")
    gift_message: Mapped[str | None] = mapped_column(Text)
    sold_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
