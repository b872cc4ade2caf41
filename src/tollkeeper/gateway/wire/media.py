"""The OpenAI dialect's routes for moderations, images and audio: which kind of call each of them is. Pure."""

from __future__ import annotations

from tollkeeper.gateway.wire.audio import ListenCall, SpeechCall
from tollkeeper.gateway.wire.images import ImageCall
from tollkeeper.gateway.wire.media_body import MediaOperation, read_body
from tollkeeper.gateway.wire.media_call import MediaCall
from tollkeeper.gateway.wire.moderations import ModerationCall

_KINDS: dict[MediaOperation, type[MediaCall]] = {
    "moderations": ModerationCall,
    "images.generations": ImageCall,
    "images.edits": ImageCall,
    "images.variations": ImageCall,
    "audio.speech": SpeechCall,
    "audio.transcriptions": ListenCall,
    "audio.translations": ListenCall,
}


def parse(operation: MediaOperation, body: bytes, content_type: bytes) -> MediaCall:
    """Read a request's body.

    Raises:
        InvalidRequest: it cannot be read, or a field is missing or has a wrong type; `param` names the field.
    """
    return _KINDS[operation](operation, body, read_body(operation, body, content_type), content_type)
