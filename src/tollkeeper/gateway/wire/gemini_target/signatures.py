"""Thought signatures: what a model wants back with its function calls, on the way through clients that know none.

A part of a model's answer may carry `thoughtSignature`; Gemini 3 and later refuse (400) a history in which the first
function call of a step has lost its own. Google documents a text to send instead for calls that came from elsewhere
(https://ai.google.dev/gemini-api/docs/generate-content/thought-signatures, 2026-11): the model then goes on without its
earlier thoughts. How each dialect's clients carry signatures:

- OpenAI: `extra_content.google.thought_signature` of a tool call (or of the message, for text), as on Google's own
  endpoint for OpenAI clients.
- Anthropic: inside the id of the tool use, which every client sends back as it is: `<id>__sig__<base64url>`. Ids stay
  within `[a-zA-Z0-9_-]+`, so that another provider takes the conversation over.
"""

from __future__ import annotations

import re

from tollkeeper.gateway.wire.gemini_target.models import is_budgeted

UNSIGNED = "skip_thought_signature_validator"
"""What is sent for a call whose signature is not known."""
_MARK = "__sig__"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_SAFE_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TO_URL = str.maketrans("+/", "-_", "=")
_FROM_URL = str.maketrans("-_", "+/")


def needs_signature(model: str) -> bool:
    """Tell whether the model refuses calls without one."""
    return not is_budgeted(model)


def is_safe_id(call_id: str) -> bool:
    """Tell whether an id may be shown to clients that allow letters, digits, `_` and `-` alone."""
    return _SAFE_ID.fullmatch(call_id) is not None and _MARK not in call_id


def signed_id(call_id: str, signature: str | None) -> str:
    """Return an id that carries a signature; what is not base64 cannot be one and is left out."""
    if not signature or _BASE64.fullmatch(signature) is None:
        return call_id
    return f"{call_id}{_MARK}{signature.translate(_TO_URL)}"


def split_id(signed: str) -> tuple[str, str | None]:
    """Return the id and the signature that `signed_id` was given."""
    call_id, mark, carried = signed.partition(_MARK)
    if not mark or not carried:
        return signed, None
    signature = carried.translate(_FROM_URL)
    return call_id, signature + "=" * (-len(signature) % 4)
