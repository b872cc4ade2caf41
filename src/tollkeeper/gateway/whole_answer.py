"""An answer that is held back until it is settled: metered, and translated where the client speaks another dialect."""

from __future__ import annotations

import logging
import zlib

import msgspec

from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.domain.usage import Charge, Outcome
from tollkeeper.gateway.client import Header
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.targets import Target
from tollkeeper.gateway.wire.answers import read_answer

METERED_BYTES_MAX = 64 * 1024 * 1024
_log = logging.getLogger(__name__)


class WholeAnswer(msgspec.Struct):
    """An answer as it came, and as the client gets it in the end."""

    status: int
    headers: list[Header]
    body: bytes

    def headers_with_cost(self, charge: Charge) -> list[Header]:
        if charge.amount_nanos is not None:
            self.headers.append((b"x-tollkeeper-cost-usd", b"%d.%09d" % divmod(charge.amount_nanos, NANOS_PER_USD)))
        return self.headers


def meter_whole(passage: Passage, answer: WholeAnswer, target: Target, request_id: str) -> WholeAnswer:
    """Let the passage know what an answer states, and return it as the client gets it."""
    if not 200 <= answer.status < 300:
        return _error(passage, answer, target, request_id)
    passage.ended(Outcome.COMPLETE)
    body = _plain(answer)
    stated = read_answer(target.api.dialect, body)
    passage.model_served = stated.model
    if stated.usage is not None:
        passage.use(stated.usage)
    else:
        passage.reason = "the provider stated no usage"
        passage.output_texts = stated.texts
    if passage.translation is not None:
        answer.body = passage.translation.answer(
            target.without_secret(body), model=passage.call.model, request_id=request_id
        )
        answer.headers = _as_json(answer.headers)
    return answer


def _error(passage: Passage, answer: WholeAnswer, target: Target, request_id: str) -> WholeAnswer:
    passage.ended(Outcome.PROVIDER_ERROR)
    if answer.status in {401, 403}:
        _log.warning("provider '%s' refused our key with %d", passage.deployment.provider.name, answer.status)
    answer.body = target.without_secret(answer.body)
    if passage.translation is not None:
        answer.status, answer.body = passage.translation.error(answer.status, _plain(answer), request_id)
        answer.headers = _as_json(answer.headers)
    return answer


def _plain(answer: WholeAnswer) -> bytes:
    """Return the body as it is metered: decompressed when the provider compressed it although nobody asked."""
    if all(name != b"content-encoding" for name, _ in answer.headers):
        return answer.body
    try:
        return zlib.decompressobj(wbits=47).decompress(answer.body, METERED_BYTES_MAX)
    except zlib.error:
        return answer.body


def _as_json(headers: list[Header]) -> list[Header]:
    """Return headers for a body that was written here."""
    kept = [each for each in headers if each[0] not in {b"content-type", b"content-encoding"}]
    return [*kept, (b"content-type", b"application/json")]
