"""Sends texts to Slack's incoming webhooks.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, 2026-11-22.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper.notify.not_delivered import NotDelivered

if TYPE_CHECKING:
    from tollkeeper.notify.hooks import HookClient

_PASSING = frozenset({408, 425, 429})


def escaped(text: str) -> str:
    """Return a text in which nothing mentions or links: Slack gives meaning to three characters.

    https://docs.slack.dev/messaging/formatting-message-text#escaping, 2026-11-22.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class SlackSender:
    """Posts texts."""

    def __init__(self, client: HookClient) -> None:
        self._client = client

    async def send(self, url: str, text: str) -> None:
        """Deliver one; Slack cannot tell a repeated one from a new one.

        Raises:
            NotDelivered: Slack did not take it; permanently after 4xx: the webhook is revoked, its channel gone.
        """
        body = msgspec.json.encode({"text": escaped(text), "mrkdwn": False})
        status = await self._client.post(url, body, {})
        if not 200 <= status < 300:
            is_permanent = 300 <= status < 500 and status not in _PASSING
            raise NotDelivered(is_permanent=is_permanent, reason=f"Slack answered {status}")
