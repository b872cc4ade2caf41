"""Frames and headers: what was written comes back, and nothing else ever does."""

from __future__ import annotations

import struct

import google_crc32c
import journal_fakes
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, UsageRecord
from tollkeeper.journal import format as journal_format
from tollkeeper.journal.format import (
    HEADER_BLOCK_BYTES,
    HEADER_BYTES,
    JournalUnreadable,
    Kind,
    SegmentHeader,
    SegmentReader,
    decode_record,
    decode_reservation,
    encode_frame,
    encode_header,
    encode_payload,
)

HEADER = SegmentHeader(
    number=7, first_sequence=41, salt=b"saltsalt", replica_id="abcdefgh", boot_id="boot", created_at_us=1
)
SMALL = [b"\x01", b"\x92\x01\xa3abc", b"\xc4\x10" + bytes(16), b"\x00\x00\x00\x00\x02\x00\x00\x00\x00\x01"]

text = st.text(max_size=20)
count = st.integers(0, 2**53)
labels = st.dictionaries(text, text, max_size=3)
call_ids = st.binary(min_size=16, max_size=16)
reservations = st.builds(
    Reservation,
    call_id=call_ids,
    organization_id=text,
    project_id=text,
    api_key_id=text,
    operation=text,
    model_asked=text,
    model=text,
    provider=text,
    is_stream=st.booleans(),
    started_at_us=count,
    ceiling_nanos=st.none() | count,
    end_user=text,
    labels=labels,
)
lines = st.builds(
    ChargeLine, dimension=text, quantity=count, price_pico=count, amount_nanos=st.integers(-(2**53), 2**53), source=text
)
records = st.builds(
    UsageRecord,
    call_id=call_ids,
    organization_id=text,
    project_id=text,
    api_key_id=text,
    operation=text,
    model_asked=text,
    model_served=text,
    provider=text,
    status=st.integers(0, 599),
    outcome=st.sampled_from(Outcome),
    is_stream=st.booleans(),
    started_at_us=count,
    latency_us=count,
    first_byte_us=count,
    overhead_us=count,
    service_tier=text,
    quantities=st.dictionaries(text, count, max_size=4),
    reasoning_tokens=count,
    is_estimated=st.booleans(),
    lines=st.lists(lines, max_size=3).map(tuple),
    amount_nanos=st.none() | st.integers(-(2**62), 2**62),
    cost_state=st.sampled_from(CostState),
    reason=text,
    end_user=text,
    labels=labels,
    provider_request_id=text,
    steps_us=st.just(()) | st.lists(count, min_size=6, max_size=6).map(tuple),
)


def segment(payloads: list[bytes], header: SegmentHeader = HEADER) -> bytes:
    frames = [
        encode_frame(header.seed, header.first_sequence + index, Kind.SETTLE, payload)
        for index, payload in enumerate(payloads)
    ]
    return encode_header(header) + b"".join(frames)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(reservations | records, max_size=4))
def test_whatever_is_written_is_read_back(written: list[Reservation | UsageRecord]) -> None:
    reader = SegmentReader(segment([encode_payload(item) for item in written]))
    frames = list(reader)
    read = [
        (decode_reservation if isinstance(item, Reservation) else decode_record)(frame.payload)
        for item, frame in zip(written, frames, strict=True)
    ]
    assert read == written
    assert [frame.sequence for frame in frames] == list(range(41, 41 + len(written)))
    assert (reader.is_damaged, reader.torn_bytes, reader.next_sequence) == (False, 0, 41 + len(written))


def test_a_record_of_a_version_that_timed_no_steps_is_read() -> None:
    record = journal_fakes.record(b"0123456789abcdef")
    fields = msgspec.msgpack.decode(encode_payload(msgspec.structs.replace(record, steps_us=(1, 2, 3, 4, 5, 6))))
    assert fields[-1] == [1, 2, 3, 4, 5, 6]
    assert decode_record(msgspec.msgpack.encode(fields[:-1])) == record


def test_the_times_of_steps_take_few_bytes_of_a_frame() -> None:
    record = journal_fakes.record(b"0123456789abcdef")
    timed = msgspec.structs.replace(record, steps_us=(15, 145, 5, 295, 30, 40))
    assert len(encode_payload(timed)) - len(encode_payload(record)) <= 10


def test_a_tail_torn_at_any_byte_ends_reading_cleanly() -> None:
    whole = segment(SMALL)
    ends = [HEADER_BYTES]
    for payload in SMALL:
        ends.append(ends[-1] + 17 + len(payload))
    for length in range(len(whole)):
        reader = SegmentReader(whole[:length])
        good = [end for end in ends if end <= length]
        assert [frame.payload for frame in reader] == SMALL[: max(len(good) - 1, 0)]
        assert not reader.is_damaged
        assert reader.torn_bytes == (length - good[-1] if good else 0 if length >= HEADER_BLOCK_BYTES else length)


def test_a_flip_of_any_bit_costs_at_most_the_frame_it_is_in() -> None:
    whole = segment(SMALL)
    for at in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[at] ^= 1 << bit
            reader = SegmentReader(bytes(flipped))
            payloads = [frame.payload for frame in reader]
            missing = len(SMALL) - len(payloads)
            assert all(payload in SMALL for payload in payloads), (at, bit)
            assert missing <= (0 if at < HEADER_BYTES else 1), (at, bit)
            is_last = at >= len(whole) - 17 - len(SMALL[-1])
            assert reader.is_damaged == (not is_last), (at, bit)
            assert (reader.torn_bytes > 0) == is_last, (at, bit)
            assert reader.frames_missing == (missing if not is_last else 0)


def test_missing_frames_in_the_middle_are_counted() -> None:
    whole = segment([b"x" * 10] * 9)
    start = HEADER_BYTES + 27 * 3
    reader = SegmentReader(whole[:start] + bytes(27 * 4) + whole[start + 27 * 4 :])
    assert len(list(reader)) == 5
    assert reader.frames_missing == 4


def test_zeros_behind_the_last_frame_are_a_torn_tail() -> None:
    reader = SegmentReader(segment(SMALL) + bytes(100_000))
    assert len(list(reader)) == len(SMALL)
    assert (reader.is_damaged, reader.torn_bytes) == (False, 100_000)


def test_a_frame_forged_inside_a_payload_is_never_taken_for_one() -> None:
    forged = encode_frame(google_crc32c.value(b"guessed!"), 42, Kind.SETTLE, b"forged")
    unsalted = encode_frame(0, 42, Kind.SETTLE, b"forged")
    whole = segment([forged + unsalted + b"tail"])
    reader = SegmentReader(whole[:-1])
    assert list(reader) == []
    assert not reader.is_damaged


def test_a_repeated_frame_is_not_read_twice() -> None:
    whole = segment(SMALL)
    reader = SegmentReader(whole + whole[HEADER_BYTES:])
    assert [frame.payload for frame in reader] == SMALL


def test_sequences_beyond_32_bits_are_found_again_after_damage() -> None:
    header = SegmentHeader(
        number=1, first_sequence=2**32 - 2, salt=b"saltsalt", replica_id="r", boot_id="b", created_at_us=1
    )
    whole = bytearray(segment([b"abc"] * 4, header))
    whole[HEADER_BYTES + 20 + 18] ^= 1
    whole[HEADER_BYTES + 40 + 18] ^= 1
    reader = SegmentReader(bytes(whole))
    assert [frame.sequence for frame in reader] == [2**32 - 2, 2**32 + 1]


def test_a_segment_without_any_readable_header_needs_a_person() -> None:
    whole = bytearray(segment(SMALL))
    whole[20] ^= 1
    whole[20 + HEADER_BLOCK_BYTES] ^= 1
    with pytest.raises(JournalUnreadable, match="no readable header"):
        SegmentReader(bytes(whole), name="0/1.journal")


def test_a_newer_format_is_refused_instead_of_misread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_format, "FORMAT_VERSION", 2)
    newer = segment(SMALL)
    monkeypatch.undo()
    with pytest.raises(JournalUnreadable, match="journal format 2"):
        SegmentReader(newer)


def test_the_bytes_of_a_frame_are_as_documented() -> None:
    frame = encode_frame(5, 9, Kind.FLUSHED, b"\x07")
    body = struct.pack("<QB", 9, 3) + b"\x07"
    assert frame == struct.pack("<II", 1, google_crc32c.extend(5, body)) + body
