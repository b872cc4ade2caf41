"""Turns everything that can go wrong between here and a provider into the one domain error, `UpstreamFault`.

No other file of this package catches an `OSError`, an `ssl` error or a parser's error to give it a meaning. Messages
name the provider's origin and the cause; they never hold a header or a body.
"""

from __future__ import annotations

import os
import socket
import ssl

from tollkeeper.domain.errors import FaultKind, UpstreamFault
from tollkeeper.ports.upstream import Origin

_DEADLINE_MESSAGES: dict[FaultKind, str] = {
    "first_byte_timeout": "did not begin to answer in time",
    "idle_timeout": "fell silent in the middle of its answer",
    "total_timeout": "did not finish its answer in time",
}


def place(origin: Origin) -> str:
    """Name an origin for people: `https://api.openai.com:443`."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{origin.scheme}://{host}:{origin.port}"


def while_connecting(error: OSError, origin: Origin) -> UpstreamFault:
    """Map what a dial raised. Nothing of the request has left, so `sent` is False."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return UpstreamFault(
            "tls", f"{place(origin)} shows a certificate that is not accepted: {error.verify_message}", sent=False
        )
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "handshake failed"
        return UpstreamFault("tls", f"no TLS connection to {place(origin)}: {reason}", sent=False)
    # the system's words for the number, not the exception's own: those may name the address behind the host
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno is not None and not isinstance(error, socket.gaierror):
        reason = os.strerror(error.errno)
    return UpstreamFault("connect", f"no connection to {place(origin)}: {reason}", sent=False)


def not_connected(reason: str, origin: Origin) -> UpstreamFault:
    """Say why no connection was made although no system call failed."""
    return UpstreamFault("connect", f"no connection to {place(origin)}: {reason}", sent=False)


def connect_timeout(reason: str, origin: Origin) -> UpstreamFault:
    return UpstreamFault("connect_timeout", f"no connection to {place(origin)} in time: {reason}", sent=False)


def deadline(kind: FaultKind, origin: Origin) -> UpstreamFault:
    """Map a deadline that passed after the request began to leave."""
    return UpstreamFault(kind, f"{place(origin)} {_DEADLINE_MESSAGES[kind]}", sent=True)


def hung_up(error: Exception | None, origin: Origin) -> UpstreamFault:
    """Map a connection that ended before the answer was complete; `error` is what the transport gave as the cause."""
    cause = "" if error is None else f" ({type(error).__name__})"
    return UpstreamFault("closed", f"{place(origin)} hung up before its answer was complete{cause}", sent=True)


def closed_here(origin: Origin) -> UpstreamFault:
    """Answer a read after the exchange was closed on our side."""
    return UpstreamFault("closed", f"the call to {place(origin)} was closed before its answer was complete", sent=True)


def not_http(reason: str, origin: Origin) -> UpstreamFault:
    return UpstreamFault(
        "protocol", f"{place(origin)} answered with something that is not HTTP/1.1: {reason}", sent=True
    )


def head_too_large(what: str, bytes_max: int, origin: Origin) -> UpstreamFault:
    """Map more than HTTP needs: the server's fault, not that of a call whose answer is long."""
    return UpstreamFault("protocol", f"{place(origin)} answered with {what} of more than {bytes_max} bytes", sent=True)


def too_many_headers(count_max: int, origin: Origin) -> UpstreamFault:
    return UpstreamFault("protocol", f"{place(origin)} answered with more than {count_max} headers", sent=True)
