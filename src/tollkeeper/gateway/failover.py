"""Which deployment serves a call when the first one does not: the next in order, as long as nothing has been billed.

Nobody tries again after the client has its first byte, nor where a provider may have begun to write and will bill it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tollkeeper.domain.deployment import Deployment
from tollkeeper.domain.errors import InvalidRequest, UpstreamFault
from tollkeeper.gateway.client import Client
from tollkeeper.gateway.outgoing import Outgoing, outgoing_of
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.relay import Relay
from tollkeeper.gateway.whole_answer import WholeAnswer

_OTHERS_MAY_SERVE = frozenset({401, 402, 403, 408, 429})
"""Besides every 5xx: our key is refused or has no credit there, or it is too busy. Other refusals are the call's own fault."""


async def pass_through_any(
    relay: Relay, client: Client, passage: Passage, others: Iterable[Deployment]
) -> WholeAnswer | None:
    """Pass a call through at its deployment, else at one of the others, in order; see `Relay.pass_through`.

    Raises:
        UpstreamFault: the last one could not be reached, or an answer broke off.
    """
    left = iter(others)
    while True:
        answer = fault = None
        try:
            answer = await relay.pass_through(client, passage)
        except UpstreamFault as raised:
            fault = raised
        if fault is None and (answer is None or not _may_others_serve(passage.status)):
            return answer
        following = _next(passage, left) if fault is None or not (fault.sent or client.status) else None
        if following is not None:
            passage.move_on(*following, fault)
        elif fault is not None:
            raise fault
        else:
            return answer


def _next(passage: Passage, left: Iterator[Deployment]) -> tuple[Deployment, Outgoing] | None:
    """Return the next deployment that can be asked for the call, with what goes out to it; None when none is left."""
    for deployment in left:
        try:
            return deployment, outgoing_of(passage.call, deployment, passage.output_tokens)
        except InvalidRequest:
            continue
    return None


def _may_others_serve(status: int) -> bool:
    """Tell it by the provider's own status: a translated refusal may have another one."""
    return status >= 500 or status in _OTHERS_MAY_SERVE
