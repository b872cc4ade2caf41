"""`/v1/moderations`, requests: OpenAI's are free of charge. Pure."""

from __future__ import annotations

from tollkeeper.domain.deployment import Deployment
from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire.answers import Stated
from tollkeeper.gateway.wire.media_answer import model_in
from tollkeeper.gateway.wire.media_call import MediaCall


class ModerationCall(MediaCall):
    """A call for moderations."""

    __slots__ = ()

    @property
    def has_output(self) -> bool:
        return False

    @property
    def has_one_input(self) -> bool:
        return False

    def read_answer(self, body: bytes, deployment: Deployment) -> Stated:
        """See `Call`. OpenAI charges nothing for moderations (developers.openai.com/api/docs/guides/moderation, read
        2026-11-22): its answers cost as many tokens as none. Of anybody else's the tokens are counted, for a price of theirs.
        """
        return Stated(model_in(body), Usage({}) if deployment.provider.kind == "openai" else None, [])
