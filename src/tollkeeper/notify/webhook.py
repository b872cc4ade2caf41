"""Sends signed webhooks, as Standard Webhooks says, so that their receivers can tell them from anybody else's.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, version 1.0.0, 2026-11-22.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import TYPE_CHECKING

from tollkeeper.kit.clock import now_us
from tollkeeper.notify.not_delivered import NotDelivered

if TYPE_CHECKING:
    from tollkeeper.notify.hooks import HookClient

SECRET_PREFIX = "whsec_"  # noqa: S105  # what stands before one
SECRET_BYTES = 32
_GONE = 410


def new_secret() -> str:
    """Return a new secret to sign with: 32 random bytes in base64 behind `whsec_`."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: HMAC-SHA256 over id, seconds and body with dots between, in base64."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


class WebhookSender:
    """Posts JSON with the three headers that let a receiver verify it."""

    def __init__(self, client: HookClient) -> None:
        self._client = client

    async def send(self, url: str, secret: str, body: bytes, *, message_id: str) -> None:
        """Deliver one; `message_id` is the same for every attempt, the time and the signature are not.

        Raises:
            NotDelivered: it was not answered with 2xx; permanently after 410, which says that nobody wants it any more.
        """
        at_s = now_us() // 1_000_000
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": sign(secret, message_id, at_s, body),
        }
        status = await self._client.post(url, body, headers)
        if not 200 <= status < 300:
            raise NotDelivered(is_permanent=status == _GONE, reason=f"the receiver answered {status}")
