"""A limit as a call meets it: which budget it is, of whom, for which model, in which unit."""

from __future__ import annotations

from typing import Literal

import msgspec

LimitScope = Literal["organization", "team", "project", "member", "api_key", "credit"]
"""Whose limit it is. `credit` is an organization's prepaid credit: its limit is what was granted."""
Unit = Literal["usd", "requests", "tokens", "concurrent"]
"""What is counted: nano-USD, requests, tokens, or calls at once (which come back when the call ends)."""
COUNTED_UNITS: tuple[Unit, ...] = ("requests", "tokens", "concurrent")


class Limit(msgspec.Struct, frozen=True):
    """One budget that a key's calls are held to. What it amounts to and what is left is the store's to say."""

    budget_id: str
    scope_kind: LimitScope
    scope_id: str
    scope_name: str
    unit: Unit
    period: Literal["daily", "weekly", "monthly", "total"]
    model: str = ""  # as calls ask for it; "" is every model
    is_hard: bool = True  # else more is let in, and counted
    timezone: str = "UTC"  # the organization's, for people
