"""What pictures cost: the published examples, and the size as it stands in the picture or in its URL."""

from __future__ import annotations

import base64
import struct

import pytest

from tollkeeper_simulator.openai.images import image_tokens, size_of

JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 600, 800) + bytes(20)
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480)


def inline(data: bytes) -> str:
    return "data:image/any;base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("url", "size"),
    [
        ("https://a.test/b.png", (1_024, 1_024)),
        ("https://a.test/2048x4096/b.png", (2_048, 4_096)),
        (inline(PNG), (640, 480)),
        (inline(JPEG), (800, 600)),
        (inline(JPEG[:9]), (1_024, 1_024)),
        (inline(b"\xff\xd8\xff"), (1_024, 1_024)),
        ("data:image/png;base64,!", (1_024, 1_024)),
        ("data:", (1_024, 1_024)),
    ],
)
def test_a_pictures_size_is_read_from_it_or_from_its_url(url: str, size: tuple[int, int]) -> None:
    assert size_of(url) == size


@pytest.mark.parametrize(
    ("model", "size", "detail", "tokens"),
    [
        ("gpt-4o", "1024x1024", "high", 765),
        ("gpt-4o", "2048x4096", "high", 1_105),
        ("gpt-4o", "4096x8192", "low", 85),
        ("gpt-4o-mini", "1024x1024", None, 25_501),
        ("gpt-4.1-mini", "1024x1024", None, 1_659),
        ("gpt-4.1-nano", "4000x1474", None, 3_779),
        ("gpt-5.4", "1600x1600", "high", 3_000),
        ("gpt-5.4", "9000x9000", "original", 12_000),
    ],
)
def test_the_published_examples(model: str, size: str, detail: str | None, tokens: int) -> None:
    assert image_tokens(model, f"https://a.test/{size}.png", detail) == tokens
