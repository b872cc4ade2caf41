"""The bytes of a journal segment: header and frames, encoded and decoded without touching a file.

A segment is one header block, twice, and then frames without padding. Numbers are little-endian.

    header  magic 8s | version u16 | length u16 | crc32c u32 | msgpack SegmentHeader | zeros up to 256 bytes
    frame   length u32 | crc32c u32 | sequence u64 | kind u8 | payload (`length` bytes of msgpack)

A frame's checksum covers sequence, kind and payload, and starts from the segment's random salt: bytes that a client
puts into a label can therefore never pass for a frame, and neither can what an older file left on the disk.
Sequences rise by one within a segment, so that what is missing can be counted.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import google_crc32c
import msgspec

from tollkeeper.domain.errors import TollkeeperError
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import UsageRecord

if TYPE_CHECKING:
    import mmap

FORMAT_VERSION: Final = 1
HEADER_BLOCK_BYTES: Final = 256
HEADER_BYTES: Final = 2 * HEADER_BLOCK_BYTES
FRAME_HEAD_BYTES: Final = 17
PAYLOAD_BYTES_MAX: Final = 1 << 20

Buffer: TypeAlias = "bytes | mmap.mmap"

_MAGIC: Final = b"TKEEPJNL"
_header_head = struct.Struct("<8sHHI")
_header_checked = struct.Struct("<HH")
_frame_head = struct.Struct("<IIQB")
_frame_lead = struct.Struct("<II")
_frame_body = struct.Struct("<QB")

if google_crc32c.implementation != "c" or google_crc32c.value(b"123456789") != 0xE3069283:  # RFC 3720's check value
    message = "google-crc32c has no C extension on this machine; without it every call would cost milliseconds"
    raise RuntimeError(message)


class Kind(IntEnum):
    """What a frame says. The numbers are the format's: append only."""

    RESERVE = 1  # a Reservation: written before the call goes out
    SETTLE = 2  # a UsageRecord: the end of the reservation of the same call id
    FLUSHED = 3  # an int: every SETTLE up to this sequence is in the database
    RELEASE = 4  # a call id: the end of a reservation whose call never went out


_KINDS: Final = frozenset(Kind)


class JournalUnreadable(TollkeeperError):
    """A segment whose content cannot even be counted; the message names the file and what an operator can do."""

    code = "journal_unreadable"


class SegmentHeader(msgspec.Struct, frozen=True, array_like=True):
    """Who wrote a segment. `boot_id` names the machine's run: another one means that unsynced pages may be lost."""

    number: int
    first_sequence: int
    salt: bytes
    replica_id: str
    boot_id: str
    created_at_us: int

    @property
    def seed(self) -> int:
        """What the checksum of every frame of the segment starts from."""
        return int(google_crc32c.value(self.salt))


class Frame(NamedTuple):
    """One checked frame; `payload` is still encoded."""

    sequence: int
    kind: int
    payload: bytes


encode_payload = msgspec.msgpack.Encoder().encode
decode_reservation = msgspec.msgpack.Decoder(Reservation).decode
decode_record = msgspec.msgpack.Decoder(UsageRecord).decode
decode_sequence = msgspec.msgpack.Decoder(int).decode
decode_call_id = msgspec.msgpack.Decoder(bytes).decode
_decode_header = msgspec.msgpack.Decoder(SegmentHeader).decode


def encode_header(header: SegmentHeader) -> bytes:
    """Return the header block, twice: one flipped bit must not make 64 MiB unreadable."""
    payload = encode_payload(header)
    checksum = google_crc32c.value(_header_checked.pack(FORMAT_VERSION, len(payload)) + payload)
    block = _header_head.pack(_MAGIC, FORMAT_VERSION, len(payload), checksum) + payload
    assert len(block) <= HEADER_BLOCK_BYTES, "a segment header must fit its block"
    return block.ljust(HEADER_BLOCK_BYTES, b"\0") * 2


def encode_frame(seed: int, sequence: int, kind: int, payload: bytes) -> bytes:
    """Return the bytes of one frame, to be written in one piece."""
    assert 0 < len(payload) <= PAYLOAD_BYTES_MAX, "a frame that no reader would accept is never written"
    body = _frame_body.pack(sequence, kind) + payload
    return _frame_lead.pack(len(payload), google_crc32c.extend(seed, body)) + body


class SegmentReader:
    """Iterates over the good frames of a segment in order; what it met is known once it has ended.

    A bad frame with a good one behind it is damage: it is skipped and counted. A bad frame with nothing good behind
    it is a torn tail, the usual mark of a crash: reading ends there and nothing is missing that was acknowledged.

    Raises:
        JournalUnreadable: at construction, when neither copy of the header can be read or a newer version wrote it.
    """

    def __init__(self, data: Buffer, *, name: str = "segment") -> None:
        self._data = data
        self.is_header_damaged = False
        self.header: SegmentHeader | None = self._read_header(name)
        """None when the segment was torn inside its header: it never held a frame."""
        self.next_sequence = self.header.first_sequence if self.header else 0
        """What the next frame would have been numbered."""
        self.frames_missing = 0
        """How many frames were skipped as damaged."""
        self.torn_bytes = 0 if self.header else len(data)
        """How many bytes at the end belong to no good frame."""

    @property
    def is_damaged(self) -> bool:
        return self.is_header_damaged or self.frames_missing > 0

    def __iter__(self) -> Iterator[Frame]:
        if self.header is None:
            return
        seed, at = self.header.seed, HEADER_BYTES
        while at < len(self._data):
            frame = self._frame_at(at, seed)
            if frame is None or frame.sequence != self.next_sequence:
                found = self._resume(at + 1, seed)
                if found is None:
                    self.torn_bytes = len(self._data) - at
                    return
                at, frame = found
                self.frames_missing += frame.sequence - self.next_sequence
            self.next_sequence = frame.sequence + 1
            at += FRAME_HEAD_BYTES + len(frame.payload)
            yield frame

    def _read_header(self, name: str) -> SegmentHeader | None:
        for at in (0, HEADER_BLOCK_BYTES):
            header = self._header_at(at, name)
            if header is not None:
                other = HEADER_BLOCK_BYTES - at
                block = slice(at, at + HEADER_BLOCK_BYTES), slice(other, other + HEADER_BLOCK_BYTES)
                self.is_header_damaged = self._data[block[0]] != self._data[block[1]]
                if self.is_header_damaged and len(self._data) <= HEADER_BYTES:
                    self.is_header_damaged = False  # torn while it was made, or empty: nothing can be missing
                return header
        if len(self._data) > HEADER_BYTES:
            message = (
                f"{name} has no readable header, so the calls in it cannot be counted. Keep a copy, move it out of "
                "the journal directory, and start again; compare the provider's bill for its time."
            )
            raise JournalUnreadable(message)
        return None

    def _header_at(self, at: int, name: str) -> SegmentHeader | None:
        block = self._data[at : at + HEADER_BLOCK_BYTES]
        if len(block) < HEADER_BLOCK_BYTES:
            return None
        magic, version, length, checksum = _header_head.unpack_from(block)
        payload = block[_header_head.size : _header_head.size + length]
        if magic != _MAGIC or google_crc32c.value(_header_checked.pack(version, length) + payload) != checksum:
            return None
        if version != FORMAT_VERSION:
            message = (
                f"{name} was written in journal format {version}; this version of Tollkeeper reads {FORMAT_VERSION}"
            )
            raise JournalUnreadable(message)
        return _decode_header(payload)

    def _frame_at(self, at: int, seed: int) -> Frame | None:
        if at + FRAME_HEAD_BYTES > len(self._data):
            return None
        length, checksum, sequence, kind = _frame_head.unpack_from(self._data, at)
        end = at + FRAME_HEAD_BYTES + length
        if kind not in _KINDS or not 0 < length <= PAYLOAD_BYTES_MAX or end > len(self._data):
            return None
        body = self._data[at + _frame_lead.size : end]
        if google_crc32c.extend(seed, body) != checksum:
            return None
        return Frame(sequence, kind, body[_frame_body.size :])

    def _resume(self, at: int, seed: int) -> tuple[int, Frame] | None:
        """Find the next good frame behind a bad one: candidates by the look of a frame's head, proof by checksum.

        The upper half of the next sequences is known, a kind follows it: few places in a segment look like that, so
        64 MiB are searched in about a second.
        """
        high = {struct.pack("<I", value >> 32) for value in (self.next_sequence, self.next_sequence + (1 << 31))}
        looks = b"(?=(?:" + b"|".join(re.escape(value) for value in sorted(high)) + b")[\x01-\x04])"
        lead = FRAME_HEAD_BYTES - 5
        for match in re.compile(looks, re.DOTALL).finditer(self._data, at + lead):
            frame = self._frame_at(match.start() - lead, seed)
            if frame is not None and frame.sequence >= self.next_sequence:
                return match.start() - lead, frame
        return None
