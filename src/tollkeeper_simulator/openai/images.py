"""What a picture costs in tokens: by tiles or by patches, as the model's makers publish it.

Rules and figures: developers.openai.com/api/docs/guides/images-vision, "Calculating costs", read 2026-11-22. Nothing is
fetched: a picture that is not in the request is taken to be as large as its URL says (`…800x600…`), else 1,024 × 1,024.
"""

from __future__ import annotations

import base64
import math
import re
from typing import Literal

Detail = Literal["low", "high", "original"]

_USUAL_SIZE = (1_024, 1_024)
_SIZE_IN_URL = re.compile(r"(?<!\d)(\d{1,5})x(\d{1,5})(?!\d)")
_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER_CHARS = 4_096
_FRAME_MARKERS = frozenset({*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})

_TILES: dict[str, tuple[int, int]] = {
    "gpt-4o-mini": (2_833, 5_667), "gpt-4o": (85, 170), "gpt-4.1": (85, 170), "gpt-4-turbo": (85, 170), "o1": (75, 150), "o3-pro": (75, 150),
    "o3": (75, 150), "gpt-5": (70, 140),
}  # fmt: skip
_PATCHES: dict[str, tuple[int, int]] = {
    "gpt-4.1-mini": (1_536, 162), "gpt-4.1-nano": (1_536, 246), "o4-mini": (1_536, 172), "gpt-5-mini": (1_536, 162),
    "gpt-5-nano": (1_536, 246), "gpt-5.4-mini": (1_536, 162), "gpt-5.4-nano": (1_536, 246),
}  # fmt: skip
_PATCHES_USUAL = {"high": (2_500, 120), "low": (256, 120), "original": (10_000, 120)}
_NEWER = ("gpt-5.", "gpt-6")


def image_tokens(model: str, url: str, detail: object) -> int:
    """Return what the picture costs; a model of which nothing is published counts tiles as gpt-4o does."""
    wanted: Detail = "low" if detail == "low" else "original" if detail == "original" else "high"
    width, height = size_of(url)
    if model in _PATCHES:
        budget, percent = _PATCHES[model]
        return -(-_patches(width, height, budget) * percent // 100)
    if model.startswith(_NEWER):
        budget, percent = _PATCHES_USUAL[wanted]
        return -(-_patches(width, height, budget) * percent // 100)
    base, tile = _TILES.get(model, _TILES["gpt-4o"])
    return base if wanted == "low" else base + tile * _tiles(width, height)


def size_of(url: str) -> tuple[int, int]:
    """Return width and height in pixels."""
    if not url.startswith("data:"):
        found = _SIZE_IN_URL.search(url)
        return (max(1, int(found[1])), max(1, int(found[2]))) if found else _USUAL_SIZE
    chars = url.partition(",")[2][:_HEADER_CHARS]
    try:
        header = base64.b64decode(chars[: len(chars) // 4 * 4])
    except ValueError:
        return _USUAL_SIZE
    if header.startswith(_PNG) and len(header) >= 24:
        size = int.from_bytes(header[16:20]), int.from_bytes(header[20:24])
    else:
        size = _jpeg_size(header)
    return size if min(size) > 0 else _USUAL_SIZE


def _jpeg_size(header: bytes) -> tuple[int, int]:
    place = 2
    while header.startswith(b"\xff\xd8") and place + 9 <= len(header) and header[place] == 0xFF:
        if header[place + 1] in _FRAME_MARKERS:
            return int.from_bytes(header[place + 7 : place + 9]), int.from_bytes(header[place + 5 : place + 7])
        place += 2 + int.from_bytes(header[place + 2 : place + 4])
    return 0, 0


def _tiles(width: int, height: int) -> int:
    """Fit it into 2,048 × 2,048, then its shorter side to 768, and count the tiles of 512 × 512."""
    shrink = min(1.0, 2_048 / max(width, height))
    shrink = min(shrink, 768 / min(width, height))
    return math.ceil(width * shrink / 512) * math.ceil(height * shrink / 512)


def _patches(width: int, height: int, budget: int) -> int:
    """Count the patches of 32 × 32, of a picture that is shrunk until they are no more than the budget."""
    count = math.ceil(width / 32) * math.ceil(height / 32)
    return min(count, budget)
