"""How long a recording plays, by its bytes alone: exactly of plain samples, at most of MP3; of anything else nobody knows. Pure."""

from __future__ import annotations

WAV_HEADER_LENGTH = 36  # up to and including the bits of a sample
MP3_BYTES_PER_SECOND_MIN = 500  # the lowest bit rate is 8 kbit/s (ISO/IEC 13818-3); half of it, to be sure
_WAV_FORMATS = frozenset({1, 3, 6, 7})  # PCM, float, A-law, mu-law; a compressed one may play for hours (RFC 2361)
_WAV_SAMPLES_PER_BYTE_MAX = 2  # plain samples have one byte or more; twice as many, to be sure
_SAMPLES_PER_SECOND_MAX = 384_000  # the most that studio equipment makes
_MP3_BEGINNINGS = (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa", b"\xff\xe3", b"\xff\xe2")
_FIRST_CHUNK, _CHUNK_HEAD, _CHUNKS_MAX = 12, 8, 16
_ID3_LENGTH, _ID3_FOOTER = 10, 0x10  # id3.org/id3v2.4.0-structure, §3.1


def seconds_of(sound: bytes) -> int | None:
    """Return how many seconds plain samples in a WAV file play, rounded up."""
    rates = _plain_rates(sound[:WAV_HEADER_LENGTH])
    return None if rates is None else -(-_samples_length(sound, rates[1]) // rates[1])


def seconds_max(sound: bytes) -> int | None:
    """Return a bound of how many seconds a recording plays; None when its bytes do not bound it."""
    bound = wav_seconds_max(sound[:WAV_HEADER_LENGTH], len(sound))
    if bound is None and _is_mp3(sound):
        return len(sound) // MP3_BYTES_PER_SECOND_MIN + 1
    return bound


def wav_seconds_max(header: bytes, size: int) -> int | None:
    """Return a bound of how many seconds a WAV file of a size plays, by its first 36 bytes; None when they do not bound it."""
    rates = _plain_rates(header)
    return None if rates is None else size * _WAV_SAMPLES_PER_BYTE_MAX // rates[0] + 1


def _plain_rates(header: bytes) -> tuple[int, int] | None:
    """Return how many samples and how many bytes a second of a WAV file has.

    None when it is none, when its samples are not plain, or when its figures do not agree with each other: whoever plays it
    may go by any of them.
    """
    if len(header) < WAV_HEADER_LENGTH or header[:4] != b"RIFF" or header[8:16] != b"WAVEfmt ":
        return None
    kind, channels, block, bits = (int.from_bytes(header[at : at + 2], "little") for at in (20, 22, 32, 34))
    samples, size = int.from_bytes(header[24:28], "little"), int.from_bytes(header[28:32], "little")
    is_possible = kind in _WAV_FORMATS and 0 < samples <= _SAMPLES_PER_SECOND_MAX and block > 0
    is_agreed = size == samples * block and block * 8 == channels * bits
    return (samples, size) if is_possible and is_agreed else None


def _samples_length(sound: bytes, second: int) -> int:
    """Return how many bytes of a WAV file are samples, of which `second` play in one.

    What its `data` chunk says is taken where little more than that is there; else all that follows it, and without one the
    whole file: a forged or a streamed header may say less.
    """
    place = _FIRST_CHUNK
    for _ in range(_CHUNKS_MAX):
        name, size = sound[place : place + 4], int.from_bytes(sound[place + 4 : place + 8], "little")
        place += _CHUNK_HEAD
        if name == b"data":
            rest = max(len(sound) - place, 0)
            return size if 0 < size <= rest < size + second else rest
        place += size + size % 2
    return len(sound)


def _is_mp3(sound: bytes) -> bool:
    """Tell whether a frame of MP3 stands at the beginning, or right behind a tag: anything could follow that."""
    place = 0
    if sound[:3] == b"ID3" and len(sound) >= _ID3_LENGTH:
        first, second, third, fourth = sound[6:_ID3_LENGTH]
        place = _ID3_LENGTH + (first << 21 | second << 14 | third << 7 | fourth)
        place += _ID3_LENGTH if sound[5] & _ID3_FOOTER else 0
    return sound.startswith(_MP3_BEGINNINGS, place)
