"""What the data plane asks of outbound HTTP: one request to one provider, its answer read piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec


class Deadlines(msgspec.Struct, frozen=True):
    """How long each phase of one upstream call may take, in seconds.

    `idle_s` is the longest silence between two pieces of the answer's body once its head has come; `first_byte_s`
    the longest wait from the last byte sent to the answer's head; `total_s` bounds the whole call.
    """

    connect_s: float = 5.0
    first_byte_s: float = 600.0
    idle_s: float = 300.0
    total_s: float = 1800.0


class Origin(msgspec.Struct, frozen=True):
    """Where a provider listens. `path_prefix` is what its base URL adds before every path, without a trailing slash.

    `is_guarded` says that an organization chose it, not the operator: it is connected to only at addresses that
    organizations may reach.
    """

    scheme: str
    host: str
    port: int
    path_prefix: str = ""
    is_guarded: bool = False


class UpstreamRequest(msgspec.Struct):
    """One request, already rendered: the client writes `head`, then `content-length`, then `body`.

    `head` is the request line and headers as bytes, each line ended by CRLF, without `content-length` and without the
    empty line; see `Upstream.render_head`.
    """

    origin: Origin
    head: bytes
    body: bytes


class Exchange(Protocol):
    """One request on its way and its answer. Whoever opened it calls `close` exactly once, whatever happened.

    Closing before the body ended drops the connection; after the end it goes back to the pool.
    """

    status: int
    headers: list[tuple[bytes, bytes]]  # lower-case names, in the order they came

    async def read(self) -> bytes:
        """Return what has arrived since the last read, waiting when nothing has; b"" at the end of the body.

        Raises:
            UpstreamFault: the answer broke off, was not HTTP, or a deadline passed.
        """
        ...

    async def pass_on(self, sink: Callable[[bytes], bool]) -> None:
        """Give `sink` what has arrived, and what arrives from now on in the very moment, until the body has ended or it
        says False. What comes after that is read, or passed on again.

        Raises:
            UpstreamFault: as `read`.
            Exception: whatever `sink` raises, which is not called again.
        """
        ...

    async def read_all(self, bytes_max: int) -> bytes:
        """Return the whole body.

        Raises:
            UpstreamFault: as `read`; `too_large` when the body exceeds `bytes_max`.
        """
        ...

    def tighten(self, total_s: float) -> None:
        """From now on allow at most `total_s` more seconds (used when a call is only drained for its usage)."""
        ...

    def close(self) -> None: ...


class Upstream(Protocol):
    """The pool of connections to the providers."""

    def render_head(self, origin: Origin, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return the request line and headers, `host` among them; done once per deployment, lines may be appended.

        Raises:
            InvalidRequest: the path or a header holds a character that would end its line.
        """
        ...

    async def open(self, request: UpstreamRequest, deadlines: Deadlines) -> Exchange:
        """Send the request and return once the answer's status and headers are there (1xx answers are skipped).

        Raises:
            UpstreamFault: no connection, no answer in time, or an answer that is not HTTP/1.1.
        """
        ...
