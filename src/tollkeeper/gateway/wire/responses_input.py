"""OpenAI's Responses, requests: what of an input costs tokens that no text shows, and its texts for counting. Pure.

Items: `openai` 3.51 type stubs (types/responses/response_input_item_param.py, 2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollkeeper.gateway.wire.decisive_names import is_stated
from tollkeeper.gateway.wire.json_body import load_unambiguous
from tollkeeper.gateway.wire.texts import collect_texts, items_of, kind_of
from tollkeeper.gateway.wire.unseen import ANYTHING, PLAIN, Unseen, UnseenTally

if TYPE_CHECKING:
    from tollkeeper.gateway.wire.responses import ResponsesCall

_NOT_INPUT = frozenset({"role", "type", "id", "call_id", "status", "image_url", "file_url", "file_data", "result"})
_TEXT_PARTS = frozenset({"input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"})
_TEXT_ITEMS = frozenset(
    {
        "function_call", "reasoning", "custom_tool_call", "local_shell_call", "local_shell_call_output", "shell_call",
        "shell_call_output", "apply_patch_call", "apply_patch_call_output", "mcp_list_tools", "mcp_approval_request",
        "mcp_approval_response", "mcp_call",
    }
)  # fmt: skip
"""Items that are all text. Of a reasoning item the sealed text counts, which is longer than what it stands for."""
_OUTPUT_ITEMS = frozenset({"function_call_output", "custom_tool_call_output"})
_READ = ("input", "instructions", "tools")


def unseen_of(call: ResponsesCall) -> Unseen:
    """Return what an input has besides text; PLAIN, itself, when that is nothing.

    What lies at the provider already (an earlier response, a conversation, a stored prompt, an item named by its id) is as
    long as nobody knows here: up to the model's window.
    """
    fields = call.fields
    if fields.previous_response_id is not None or is_stated(fields.conversation) or is_stated(fields.prompt):
        return ANYTHING
    if bytes(memoryview(fields.input)[:1]) != b"[":
        return PLAIN
    read = load_unambiguous(call.body)
    if read is None:
        return ANYTHING
    tally = _Tally()
    for item in items_of(read.get("input")):
        tally.add_item(item)
    return tally.total()


def texts_in(fields: dict[str, Any]) -> tuple[list[str], int]:
    """Return every text of the input of a decoded body, and how many tokens came as numbers: none do here."""
    texts: list[str] = []
    for name in _READ:
        collect_texts(fields.get(name), texts, skip=_NOT_INPUT)
    return texts, 0


class _Tally(UnseenTally):
    """Adds up what items have besides text."""

    def add_item(self, item: Any) -> None:
        if not isinstance(item, dict):
            return
        kind = kind_of(item)
        if kind in _OUTPUT_ITEMS:
            self._add_content(item.get("output"))
        elif kind == "message" or (item.get("type") is None and "role" in item):
            self._add_content(item.get("content"))
        elif kind == "computer_call_output":
            self._add_part(item.get("output"))
        elif kind == "image_generation_call":
            self.add_image(item.get("result"))
        elif kind not in _TEXT_ITEMS:
            self.add_anything()

    def _add_content(self, content: Any) -> None:
        for part in items_of(content):
            self._add_part(part)

    def _add_part(self, part: Any) -> None:
        if not isinstance(part, dict):
            return
        kind = kind_of(part)
        if kind in {"input_image", "computer_screenshot"}:
            url = part.get("image_url")
            self.add_image(url if isinstance(url, str) and url.startswith("data:image/") else None)
        elif kind == "input_audio":
            audio = part.get("input_audio")
            sound = audio if isinstance(audio, dict) else {}
            self.add_audio(sound.get("data"), sound.get("format"))
        elif kind not in _TEXT_PARTS:
            self.add_anything()
