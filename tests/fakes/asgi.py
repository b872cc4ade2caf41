"""A client over ASGI without a socket: sends one request, keeps what comes back, and can hang up or stop reading."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import msgspec

Message = MutableMapping[str, Any]


class FakeClient:
    """One request. `leave_after` hangs up after so many messages were received; `stall_after` stops reading then."""

    def __init__(
        self,
        log: list[str],
        *,
        path: str = "/v1/chat/completions",
        query: bytes = b"",
        method: str = "POST",
        headers: dict[str, str] | None = None,
        body: bytes | list[bytes] = b"",
        leave_after: int | None = None,
        stall_after: int | None = None,
        is_cut_short: bool = False,
    ) -> None:
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        self.scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": encoded}
        self.scope["query_string"] = query
        self.messages: list[Message] = []
        self.is_gone = asyncio.Event()
        self._log = log
        self._leave_after, self._stall_after = leave_after, stall_after
        self._pieces = list(body) if isinstance(body, list) else [body]
        self._is_cut_short = is_cut_short

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        if self._pieces:
            piece = self._pieces.pop(0)
            more = bool(self._pieces) or self._is_cut_short
            return {"type": "http.request", "body": piece, "more_body": more}
        if self._is_cut_short:
            return {"type": "http.disconnect"}
        await self.is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        is_end = message["type"] == "http.response.body" and not message.get("more_body")
        self._log.append("end" if is_end else "send")
        self.messages.append(message)
        if self._leave_after is not None and len(self.messages) >= self._leave_after:
            self.is_gone.set()
        if self._stall_after is not None and len(self.messages) >= self._stall_after and not is_end:
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    @property
    def status(self) -> int:
        """The answer's status; 0 when none came."""
        return self.messages[0]["status"] if self.messages else 0

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages if message["type"] == "http.response.body")

    @property
    def has_ended(self) -> bool:
        return bool(self.messages) and not self.messages[-1].get(
            "more_body", self.messages[-1]["type"].endswith("start")
        )

    @property
    def error(self) -> dict[str, Any]:
        """The error object of a refusal."""
        return dict(msgspec.json.decode(self.body)["error"])
