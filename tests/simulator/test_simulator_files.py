"""Files of the simulator, as the official client reads them: kept for the key that sent them, byte for byte."""

from __future__ import annotations

import openai
import pytest

from tollkeeper_simulator import Simulator

CONTENT = b'{"a": 1}\r\n\r\n--not a boundary\n\x00\xff\r' * 3


async def test_a_file_is_kept_shown_listed_and_deleted(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    made = await client.files.create(file=("in.jsonl", CONTENT), purpose="user_data")
    assert (made.bytes, made.filename, made.purpose, made.expires_at) == (len(CONTENT), "in.jsonl", "user_data", None)
    assert await client.files.retrieve(made.id) == made
    assert (await client.files.content(made.id)).content == CONTENT
    assert [each.id async for each in client.files.list()] == [made.id]
    stranger = client.with_options(api_key="sk-sim-other")
    assert (await stranger.files.list()).data == []
    with pytest.raises(openai.NotFoundError):
        await stranger.files.content(made.id)
    assert (await client.files.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(made.id)
    assert not simulator.bill.records


async def test_files_are_listed_in_pages_by_purpose_and_in_either_order(client: openai.AsyncOpenAI) -> None:
    made = [await client.files.create(file=b"x", purpose=each) for each in ("vision", "batch", "vision")]
    ids = [each.id for each in made]
    assert [each.id async for each in client.files.list(limit=2)] == ids[::-1]
    assert [each.id async for each in client.files.list(order="asc", limit=1)] == ids
    assert [each.id async for each in client.files.list(purpose="batch")] == ids[1:2]
    with pytest.raises(openai.BadRequestError):
        await client.files.list(after="file-nowhere")


async def test_a_file_expires_when_it_is_told_to(client: openai.AsyncOpenAI) -> None:
    made = await client.files.create(
        file=b"x", purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.expires_at == made.created_at + 3600
    for wrong in ({"purpose": "other"}, {"expires_after": {"anchor": "created_at", "seconds": 1}}):
        with pytest.raises(openai.BadRequestError):
            await client.files.create(**{"file": b"x", "purpose": "vision", **wrong})  # type: ignore[arg-type]
