"""The request that goes out for a call: the client's bytes where the provider speaks its dialect, else their translation."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tollkeeper.domain.deployment import Deployment
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.call import Call
from tollkeeper.gateway.wire.json_body import load
from tollkeeper.gateway.wire.provider_api import api_of
from tollkeeper.gateway.wire.translation import Translation
from tollkeeper.gateway.wire.translations import find_translation

_encode = msgspec.json.encode


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A request's body as a deployment takes it; with a translation, its answer must be translated back."""

    body: bytes
    translation: Translation | None = None


def first_outgoing(
    call: Call, deployments: Iterable[Deployment], output_tokens: int | None
) -> tuple[Deployment, Outgoing]:
    """Return the first deployment that can be asked for the call, and what goes out to it; see `outgoing_of`.

    Raises:
        InvalidRequest: none of them can; it is the first one's.
    """
    refusal: InvalidRequest | None = None
    for deployment in deployments:
        try:
            return deployment, outgoing_of(call, deployment, output_tokens)
        except InvalidRequest as error:
            refusal = refusal or error
    assert refusal is not None, "a route has a deployment"
    raise refusal


def outgoing_of(call: Call, deployment: Deployment, output_tokens: int | None) -> Outgoing:
    """Return what goes out; `output_tokens` is the limit of each answer when no more is paid for.

    Raises:
        InvalidRequest: the deployment's provider cannot be asked for this, or not in this way.
    """
    kind = deployment.provider.kind
    if api_of(kind).dialect == call.dialect:
        return Outgoing(call.upstream_body(deployment.model, kind, output_tokens=output_tokens))
    translation = find_translation(call, kind)
    if translation is None:
        raise InvalidRequest(
            f"The model '{call.model}' is served by a provider of kind '{kind}', which this route cannot call. {_other_route(call)}",
            param="model",
        )
    if call.is_ambiguous:
        raise InvalidRequest(
            "A name that decides stands twice in this body, or is escaped; it cannot be translated for its provider."
        )
    fields = translation.request(load(call.body), model=deployment.model, output_tokens=output_tokens)
    try:
        return Outgoing(_encode(fields), translation)
    except (UnicodeError, OverflowError, RecursionError):  # half a surrogate pair, say
        raise InvalidRequest("The body holds a text or a number that JSON cannot carry.") from None


def _other_route(call: Call) -> str:
    """Say what can be asked instead."""
    if call.operation == "generate_content":
        return "Gemini's route reaches models of Gemini; call this one by POST /v1/chat/completions or /v1/messages."
    if call.operation in {"responses", "completions"}:
        return "Call it by POST /v1/chat/completions or /v1/messages."
    return "Name a model of another provider; GET /v1/models lists them."
