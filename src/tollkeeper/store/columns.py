"""What the tables are written with: the metadata that holds them all, and how a column of each sort is made."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, Text, text

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

Int = BigInteger().with_variant(Integer(), "sqlite")  # SQLite's STRICT tables know INTEGER only, which is 64 bits


def text_(name: str, *, nullable: bool = False, default: str | None = None) -> Column[Any]:
    """Make a text column. `default` is for columns that came later than their table."""
    stated = None if default is None else text(f"'{default}'")
    return Column(name, Text, nullable=nullable, server_default=stated)


def int_(name: str, *, nullable: bool = False, default: int | None = None) -> Column[Any]:
    """Make a 64-bit integer column. `default` is for columns that came later than their table."""
    stated = None if default is None else text(str(default))
    return Column(name, Int, nullable=nullable, autoincrement=False, server_default=stated)
