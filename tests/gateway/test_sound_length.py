"""How long a recording plays: by its samples, not by the header and the tags around them."""

from __future__ import annotations

import io
import wave

import pytest

from tollkeeper.gateway.wire.sound_length import seconds_of

RATE = 32_000  # 16,000 samples of two bytes


def recording(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes(bytes(int(seconds * RATE)))
    return file.getvalue()


@pytest.mark.parametrize(("seconds", "billed"), [(1, 1), (1.5, 2), (3, 3)])
def test_samples_alone_count(seconds: float, billed: int) -> None:
    sound = recording(seconds)
    assert seconds_of(sound) == billed
    assert seconds_of(sound + b"LIST\x04\0\0\0INFO") == billed
    assert seconds_of(sound[:36] + b"LIST\x04\0\0\0INFO" + sound[36:]) == billed


@pytest.mark.parametrize("said", [0, 100, 0xFFFFFFFF])
def test_a_size_that_does_not_fit_what_is_there_is_not_believed(said: int) -> None:
    sound = recording(3)
    assert seconds_of(sound[:40] + said.to_bytes(4, "little") + sound[44:]) == 3


def test_a_file_without_samples_in_sight_counts_whole() -> None:
    sound = recording(2)
    assert seconds_of(sound[:36] + b"junk" + sound[40:]) == 3
