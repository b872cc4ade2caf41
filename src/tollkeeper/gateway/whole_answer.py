"""An answer that is held back until it is settled: metered, and translated where the client speaks another dialect."""

from __future__ import annotations

import logging
import zlib

import msgspec

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.domain.usage import Charge, Outcome
from tollkeeper.gateway.client import Header
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.targets import Target
from tollkeeper.gateway.wire.answers import read_answer

METERED_BYTES_MAX = 8 * 1024 * 1024
"""Of an answer that a provider compressed, which no request asks for: it is a bomb beyond that."""
_log = logging.getLogger(__name__)


class WholeAnswer(msgspec.Struct):
    """An answer as it came from `target`, and as the client gets it in the end."""

    status: int
    headers: list[Header]
    body: bytes
    target: Target
    is_compressed: bool

    def headers_with_cost(self, charge: Charge) -> list[Header]:
        if charge.amount_nanos is not None:
            self.headers.append((b"x-tollkeeper-cost-usd", b"%d.%09d" % divmod(charge.amount_nanos, NANOS_PER_USD)))
        return self.headers


def as_asked(passage: Passage, answer: WholeAnswer) -> WholeAnswer:
    """Let the passage know what an answer states, and return it as the client gets it."""
    target = answer.target
    if answer.is_compressed:
        _inflate(answer)
    answer.body = target.without_secret(answer.body)
    if not 200 <= answer.status < 300:
        return _error(passage, answer)
    passage.ended(Outcome.COMPLETE)
    body = answer.body
    stated = passage.call.read_answer(body, passage.deployment) or read_answer(target.api.dialect, body)
    passage.model_served = stated.model
    if stated.usage is not None:
        passage.use(stated.usage)
    else:
        passage.reason = "the provider stated no usage"
        passage.output_texts = stated.texts
    if passage.translation is not None:
        answer.body = passage.translation.answer(body, model=passage.call.model, request_id=passage.request_id)
        answer.headers = _as_json(answer.headers)
    elif stated.body is not None:
        answer.body = target.without_secret(stated.body)
        answer.headers = _of_type(answer.headers, stated.content_type)
    return answer


def _error(passage: Passage, answer: WholeAnswer) -> WholeAnswer:
    passage.ended(Outcome.PROVIDER_ERROR)
    if answer.status in {401, 403}:
        _log.warning("provider '%s' refused our key with %d", passage.deployment.provider.name, answer.status)
    if passage.translation is not None:
        answer.status, answer.body = passage.translation.error(answer.status, answer.body, passage.request_id)
        answer.headers = _as_json(answer.headers)
    return answer


def _inflate(answer: WholeAnswer) -> None:
    """Undo the compression, for which nobody asked."""
    inflater = zlib.decompressobj(wbits=47)
    try:
        plain = inflater.decompress(answer.body, METERED_BYTES_MAX)
    except zlib.error:
        plain = b""
    if not inflater.eof:
        raise UpstreamFault("protocol", "the provider compressed its answer, which nobody asked for", sent=True)
    answer.body, answer.headers = plain, _of_type(answer.headers, b"")


def _as_json(headers: list[Header]) -> list[Header]:
    """Return headers for a body that was written here."""
    return _of_type(headers, b"application/json")


def _of_type(headers: list[Header], content_type: bytes) -> list[Header]:
    """Return headers for a body that is another one than the provider's; "" is of the same type."""
    gone = {b"content-type", b"content-encoding"} if content_type else {b"content-encoding"}
    kept = [each for each in headers if each[0] not in gone]
    return [*kept, (b"content-type", content_type)] if content_type else kept
