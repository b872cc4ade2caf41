"""Posting to the targets of alerts: texts to Slack, signed JSON to webhooks."""

from __future__ import annotations

from tollkeeper.domain.alert import TargetAccess, TargetKind
from tollkeeper.notify.hooks import HookClient
from tollkeeper.notify.slack import SlackSender
from tollkeeper.notify.webhook import WebhookSender


class Hooks:
    """Satisfies `control.outbox.HookSender`."""

    def __init__(self, client: HookClient) -> None:
        self._slack, self._webhook = SlackSender(client), WebhookSender(client)

    async def send(self, kind: TargetKind, access: TargetAccess, body: bytes, *, message_id: str) -> None:
        """Deliver one; see the protocol."""
        if kind == "slack":
            await self._slack.send(access.url, body.decode())
        else:
            await self._webhook.send(access.url, access.secret, body, message_id=message_id)
