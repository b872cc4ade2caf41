"""What was decided about a call and by which figures: let in or refused, with every limit that was looked at."""

from __future__ import annotations

from typing import Any

import msgspec


class RefusedCall(msgspec.Struct, frozen=True, gc=False):
    """A call that was refused before it was forwarded: it has no usage record, so this is all that is left of it.

    `status`, `code` and `message` are what the caller was told; `looked_at` is `LimitRefusal.looked_at`, empty for a
    refusal that no limit made. `model` is "" when the call was refused before it was read.
    """

    call_id: bytes
    organization_id: str
    project_id: str
    api_key_id: str
    model: str
    at_us: int
    status: int
    code: str
    message: str
    looked_at: tuple[dict[str, Any], ...] = ()


class LookedAt(msgspec.Struct, frozen=True, kw_only=True):
    """A limit as it stood when a call came. Amounts are nano-USD or counts by `unit`; None is what nobody wrote down.

    Of a call that was let in, `used` is what the process had last heard of a budget, `left` the rest of its limit by that,
    `at_hand` what of it the process held in its own lease, and `charged` what the call came to.
    """

    kind: str  # budget or rate
    id: str
    scope_kind: str = ""
    scope_id: str = ""
    scope_name: str = ""
    model: str = ""
    unit: str = ""
    period: str = ""
    limit: int | None = None
    used: int | None = None
    reserved: int | None = None
    left: int | None = None
    at_hand: int | None = None
    needed: int | None = None
    charged: int | None = None
    resets_at_us: int | None = None
    is_decisive: bool = False


class CallDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a call was let in, and why. A call that was let in has no code and no message."""

    call_id: bytes
    at_us: int
    is_admitted: bool
    status: int
    code: str = ""
    message: str = ""
    api_key_id: str
    project_id: str
    model: str
    reserved_nanos: int | None = None
    cost_nanos: int | None = None
    limits: tuple[LookedAt, ...] = ()


def looked_at_of(kept: dict[str, Any]) -> LookedAt:
    """Return what a refusal kept of a limit."""
    names = set(LookedAt.__struct_fields__) - {"id"}
    known = {name: value for name, value in kept.items() if name in names}
    return LookedAt(id=str(kept.get("budget_id") or kept.get("rate_limit_id") or ""), **known)
