"""The reservation of one call: made once before it is forwarded, ended exactly once."""

from __future__ import annotations

import msgspec

from tollkeeper.domain.lease import Draw


class Reservation(msgspec.Struct, array_like=True):
    """What is held for a call, and enough to book it should the process die. Field order is the journal's format.

    `ceiling_nanos` is the upper bound of its cost; None when the model has no price. Its end is the settlement of the
    same `call_id`, or, after a crash, the replay that settles it at `ceiling_nanos` as an estimate.
    """

    call_id: bytes
    organization_id: str
    project_id: str
    api_key_id: str
    operation: str
    model_asked: str
    model: str
    provider: str
    is_stream: bool
    started_at_us: int
    ceiling_nanos: int | None
    end_user: str = ""
    labels: dict[str, str] = {}
    draws: tuple[Draw, ...] = ()  # what is taken from which lease; calls at once are not among them
