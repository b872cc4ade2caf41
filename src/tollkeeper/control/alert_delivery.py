"""Delivering to the targets of alerts in fair turns, and noting an alert that nobody may receive."""

from __future__ import annotations

from tollkeeper.control.outbox import BATCH_MAX, About, Delivery
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store import alert_deliveries
from tollkeeper.store.engine import Connection
from tollkeeper.store.outbox import Mail

SHARE_MAX = 5
"""How many messages of one organization are tried in a round."""
NOBODY = "nobody may receive it"


class HookDelivery(Delivery):
    """Hands over what is due for Slack and webhooks: organizations' own targets, some of which answer slowly or never."""

    async def _list_due(self) -> list[str]:
        return await self._store.read(
            lambda c: alert_deliveries.list_due_fairly(c, now_us=now_us(), limit=BATCH_MAX, share=SHARE_MAX)
        )


async def note_nobody(connection: Connection, about: About, *, at_us: int) -> None:
    """Note an e-mail about an alert for which there is no recipient, within the transaction that fires the alert."""
    unsent = Mail(
        id=new_id("mail"),
        organization_id=about.organization_id,
        kind=about.kind,
        recipient="",
        sealed_message=b"",
        created_at_us=at_us,
        alert_id=about.alert_id,
    )
    await alert_deliveries.put_undeliverable(connection, unsent, failure=NOBODY)
