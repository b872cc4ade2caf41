"""`/v1/images/…`, requests: pictures that are made, edited or varied, by tokens or by the piece. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollkeeper.domain.deployment import Deployment
from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire import media_answer
from tollkeeper.gateway.wire.answers import Stated
from tollkeeper.gateway.wire.decisive_names import is_stated
from tollkeeper.gateway.wire.json_body import load_unambiguous
from tollkeeper.gateway.wire.media_call import MediaCall
from tollkeeper.gateway.wire.unseen import ANYTHING, Unseen

SOLD_BY_THE_PIECE = "dall-e-"
"""How the names of models begin whose pictures are billed one by one (developers.openai.com/api/docs/pricing)."""

_NAMING = ("image_url", "file_id", "url")
_HOLDING = ("image", "images", "mask")


class ImageCall(MediaCall):
    """A call for pictures."""

    __slots__ = ()

    def may_cause_fees(self, model: str) -> bool:  # noqa: ARG002
        """See `Call`. A drawing in SVG is written by another model, which the call names."""
        return is_stated(self.fields.svg)

    def fees_max(self, model: str) -> Mapping[str, int]:
        return {self.kind_of_picture: self.choices} if model.startswith(SOLD_BY_THE_PIECE) else super().fees_max(model)

    @property
    def kind_of_picture(self) -> str:
        """How one picture of a model that sells them by the piece is counted: by quality and size."""
        return f"image:{self.fields.quality or 'standard'}:{self.fields.size or '1024x1024'}"

    def unseen(self) -> Unseen:
        """See `Call`. A body of JSON names its pictures by address or by id, or has them in it."""
        if self.is_form:
            return Unseen(images=len(self.files), data_bytes=self.file_bytes)
        if self.operation != "images.edits":
            return super().unseen()
        fields = load_unambiguous(self.body)
        return ANYTHING if fields is None else Unseen(images=_pictures_in(fields))

    def read_answer(self, body: bytes, deployment: Deployment) -> Stated:
        stated = media_answer.read_images(body)
        if stated.usage is None and stated.pictures and deployment.model.startswith(SOLD_BY_THE_PIECE):
            stated.usage = Usage({self.kind_of_picture: stated.pictures})
        return stated


def _pictures_in(fields: dict[str, Any]) -> int:
    """Count the pictures that a body hands over, under whichever of the names that servers of the dialect know."""
    count = 0
    stack: list[Any] = [fields]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            count += sum(name in item for name in _NAMING)
            held = [value for name in _HOLDING for value in _listed(item.get(name))]
            count += sum(isinstance(each, str) for each in held)
            stack.extend(item.values())
    return count


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
