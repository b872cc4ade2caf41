"""Posting to the targets of alerts: texts to Slack, signed JSON to webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tollkeeper.domain.alert import TargetAccess, TargetKind
from tollkeeper.notify.slack import SlackSender
from tollkeeper.notify.webhook import WebhookSender

if TYPE_CHECKING:
    from tollkeeper.notify.hooks import HookClient


class Hooks:
    """Satisfies `control.outbox.HookSender`. Its client is made with the first delivery: many processes have none."""

    def __init__(self, make_client: Callable[[], HookClient]) -> None:
        self._make_client = make_client
        self._client: HookClient | None = None
        self._lock = asyncio.Lock()

    async def send(self, kind: TargetKind, access: TargetAccess, body: bytes, *, message_id: str) -> None:
        """Deliver one; see the protocol."""
        async with self._lock:
            if self._client is None:  # imports and certificates for 0.3 s, too long for the loop
                self._client = await asyncio.to_thread(self._make_client)
        if kind == "slack":
            await SlackSender(self._client).send(access.url, body.decode())
        else:
            await WebhookSender(self._client).send(access.url, access.secret, body, message_id=message_id)
