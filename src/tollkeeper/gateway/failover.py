"""Which deployment serves a call when the first one does not: the next, as long as the client has seen nothing.

A try that nobody bills is passed over within the same record. One that may be billed ends its own: see `pipeline`.
"""

from __future__ import annotations

from tollkeeper.domain.deployment_health import KEY_REFUSED, Failure
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import Outcome
from tollkeeper.gateway.candidates import Candidates
from tollkeeper.gateway.client import Client
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.refused import key_refused
from tollkeeper.gateway.relay import Relay
from tollkeeper.gateway.whole_answer import WholeAnswer, as_asked
from tollkeeper.gateway.wire.provider_api import api_of
from tollkeeper.gateway.wire.provider_refusal import is_account_refused, is_too_long, wait_us
from tollkeeper.ports.deployments import Place

_OTHERS_MAY_SERVE = frozenset({401, 402, 403, 404, 408, 409, 429})
"""Besides every 5xx: our key is refused or has no credit there, the model is not there, or it is too busy. Other refusals
are the call's own fault."""
_MAY_ASK_TO_WAIT = frozenset({429, 503, 529})
_TOO_LONG = "context_length"


async def pass_through_any(
    relay: Relay, client: Client, passage: Passage, candidates: Candidates
) -> WholeAnswer | None:
    """Pass a call through at the first deployment that serves it; see `Relay.pass_through`.

    Raises:
        UpstreamFault: the last one could not be reached; or an answer broke off, or never came, that may be billed.
        DeploymentsBusy: every deployment is at its limit for longer than the call may wait.
        ClientGoneError: the client left before another one was asked.
    """
    place = candidates.enter_first(passage) or await candidates.enter(passage)
    assert place is not None, "a call has at least one deployment"
    while True:
        answer = fault = None
        try:
            answer = await relay.pass_through(client, passage)
        except UpstreamFault as raised:
            fault, failure = raised, Failure(0, raised.kind)
            place.fail(failure)
            passage.failed(fault)
            if fault.sent or client.status:
                raise  # whether somebody else is asked, `Pipeline._forward` decides
        except BaseException:
            place.leave()
            raise
        else:
            if answer is None:
                _end_stream(passage, place)
                return None
            told = None if 200 <= answer.status < 300 else _failure_of(passage, answer)
            if told is None:
                return _take(passage, answer, place)
            failure = told
            _note(failure, place, passage, candidates)
        following = await candidates.enter(passage, failure)
        if following is not None:
            place = following
        elif fault is not None:
            raise fault
        else:
            assert answer is not None
            return _refused(passage, answer, failure)


def _take(passage: Passage, answer: WholeAnswer, place: Place) -> WholeAnswer:
    """Return an answer as the client gets it; what cannot be read or translated has not served it."""
    try:
        taken = as_asked(passage, answer)
    except UpstreamFault as fault:
        place.fail(Failure(0, fault.kind))
        raise
    except BaseException:
        place.leave()
        raise
    place.serve()
    return taken


def _note(failure: Failure, place: Place, passage: Passage, candidates: Candidates) -> None:
    """Let the deployment's health know of a refusal, and what the call may do about it."""
    if failure.reason == _TOO_LONG:
        place.serve()
        candidates.turn_to_long_context()
        return
    place.fail(failure)
    if failure.wait_us is not None and failure.status in _MAY_ASK_TO_WAIT:
        candidates.set_aside(passage.deployment)


def _refused(passage: Passage, answer: WholeAnswer, failure: Failure) -> WholeAnswer:
    """Return the last refusal as the client gets it.

    Raises:
        ProviderKeyRefused: it is about Tollkeeper's own key, which a client would take for its own.
    """
    found = as_asked(passage, answer)
    if failure.status in KEY_REFUSED:
        raise key_refused(passage.deployment.provider, tries=passage.shown_tries(""))
    if failure.wait_us is not None and all(name != b"retry-after" for name, _ in found.headers):
        found.headers.append((b"retry-after", b"%d" % -(-failure.wait_us // 1_000_000)))
    return found


def _end_stream(passage: Passage, place: Place) -> None:
    if passage.outcome is Outcome.BROKEN:
        place.leave()  # the provider said an error: of the call, or of itself
    else:
        place.serve()


def _failure_of(passage: Passage, answer: WholeAnswer) -> Failure | None:
    """Return what a refusal means for the deployment, by what the provider itself said; None when it is the call's fault."""
    dialect, status = api_of(passage.deployment.provider.kind).dialect, answer.status
    if status >= 500 or status < 400 or status in _OTHERS_MAY_SERVE:  # nothing is redirected: a key would go along
        return Failure(status, "", wait_us(dialect, answer.headers, answer.body))
    if is_account_refused(dialect, status, answer.body):
        return Failure(401, "account_refused")
    if is_too_long(dialect, status, answer.body):
        return Failure(status, _TOO_LONG)
    return None
