"""The writing child: exact files, nothing silent, a few at once, and no process that outlives who asked."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tollkeeper.domain.access import Principal, PrincipalKind
from tollkeeper.domain.errors import InvalidRequest, NotInstalled, TooManyAttempts
from tollkeeper.parquet.answers import FileAnswer
from tollkeeper.parquet.table import Column, Head
from tollkeeper.parquet.turns import Asker, Turns, asker_of
from tollkeeper.parquet.writing import ClientGone, ParquetFile, ParquetWriter, WriterFailed

HEAD = Head(
    (
        Column("name", "text"),
        Column("calls", "count"),
        Column("cost_usd", "usd"),
        Column("at", "moment"),
        Column("day", "day"),
    ),
    {"timezone": "Asia/Seoul"},
)
INT64_MAX = 2**63 - 1
ROWS: list[list[Any]] = [
    ["=cmd 한국어 🦊", INT64_MAX, 1, 1_700_000_000_123_456, "2026-11-01"],
    [None, 0, None, 0, None],
    ["", -1, -123_456_789_012_345_678, 253_402_300_799_999_999, "2026-03-08"],
    ["beyond an int64 of nano-dollars", 1, 10**38 - 1, 1, "2026-11-02"],
]


async def pages_of(*pages: Sequence[Sequence[Any]]) -> AsyncIterator[Sequence[Sequence[Any]]]:
    for page in pages:
        yield page


async def read(file: ParquetFile) -> bytes:
    try:
        return b"".join([part async for part in file])
    finally:
        file.close()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return state.rsplit(")", 1)[1].split()[0] != "Z"


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while is_alive(pid):
            await asyncio.sleep(0.01)


def script(text: str) -> tuple[str, ...]:
    return sys.executable, "-c", text


STUCK = script("import time; time.sleep(60)")
ENDLESS = script(
    "import sys\nwhile sys.stdin.buffer.read(1 << 16): pass\nwhile True: sys.stdout.buffer.write(b'x' * 65536)"
)


async def test_a_file_has_every_value_exactly() -> None:
    writer = ParquetWriter()
    table = pq.read_table(io.BytesIO(await read(await writer.write(HEAD, pages_of(ROWS[:2], [], ROWS[2:])))))
    assert [str(field.type) for field in table.schema] == [
        "string",
        "int64",
        "decimal128(38, 9)",
        "timestamp[us, tz=UTC]",
        "date32[day]",
    ]
    assert table.column("name").to_pylist() == [row[0] for row in ROWS]
    assert table.column("calls").to_pylist() == [row[1] for row in ROWS]
    nanos = [None if each is None else int(each.scaleb(9)) for each in _wide(table.column("cost_usd").to_pylist())]
    assert nanos == [row[2] for row in ROWS]
    assert table.column("at").cast("int64").to_pylist() == [row[3] for row in ROWS]
    assert [None if day is None else day.isoformat() for day in table.column("day").to_pylist()] == [
        row[4] for row in ROWS
    ]
    assert table.schema.metadata[b"tollkeeper.timezone"] == b"Asia/Seoul"
    await writer.aclose()


def _wide(values: list[Decimal | None]) -> list[Decimal | None]:
    import decimal

    decimal.getcontext().prec = 60
    return values


async def test_a_file_without_rows_has_its_columns() -> None:
    table = pq.read_table(io.BytesIO(await read(await ParquetWriter().write(HEAD, pages_of()))))
    assert (table.num_rows, table.column_names) == (0, [column.name for column in HEAD.columns])


@pytest.mark.parametrize("calls", [2**63, -(2**63) - 1, 2**64])
async def test_a_count_that_no_int64_holds_ends_in_a_fault_and_never_in_a_wrong_figure(calls: int) -> None:
    writer = ParquetWriter()
    with pytest.raises((WriterFailed, OverflowError)):
        await read(await writer.write(HEAD, pages_of([["x", calls, 1, 1, None]])))
    with pytest.raises(WriterFailed):
        await read(await writer.write(HEAD, pages_of([["x", 1, 10**38, 1, None]])))
    await writer.aclose()


async def test_what_serves_never_loads_the_library() -> None:
    program = (
        "import sys, tollkeeper.bootstrap.replica, tollkeeper.admin.app, tollkeeper.web.face, tollkeeper.cli.usage_file;"
        "sys.exit('pyarrow' in sys.modules)"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, check=False
    )
    assert done.returncode == 0


async def test_more_rows_than_a_file_may_have_are_refused_before_anything_is_answered() -> None:
    writer = ParquetWriter(rows_max=3)
    with pytest.raises(InvalidRequest, match="more than 3 lines"):
        await writer.write(HEAD, pages_of(ROWS))
    assert pq.read_table(io.BytesIO(await read(await writer.write(HEAD, pages_of(ROWS[:3]))))).num_rows == 3


async def test_a_child_that_takes_too_long_is_killed_and_gives_its_turn_back() -> None:
    writer = ParquetWriter(turns=Turns(at_once=1), timeout_s=0.3, command=STUCK)
    for _ in range(2):  # the second one gets the turn of the first
        with pytest.raises(InvalidRequest, match="takes longer"):
            await writer.write(HEAD, pages_of(ROWS))
    await writer.aclose()


async def test_one_file_more_than_may_be_written_at_once_waits_and_is_then_refused() -> None:
    writer = ParquetWriter(turns=Turns(at_once=1, wait_s=0.1))
    first = await writer.write(HEAD, pages_of(ROWS))
    with pytest.raises(TooManyAttempts) as refused:
        await writer.write(HEAD, pages_of(ROWS))
    assert refused.value.fields["retry_after_seconds"] > 0
    first.close()
    first.close()  # again it does nothing, above all no second turn
    second = await writer.write(HEAD, pages_of(ROWS))
    with pytest.raises(TooManyAttempts):
        await writer.write(HEAD, pages_of(ROWS))
    second.close()
    await writer.aclose()


async def test_nobody_has_two_files_and_no_organization_all_of_them() -> None:
    writer = ParquetWriter(turns=Turns(at_once=3, of_organization=2, wait_s=0.1), command=ENDLESS)

    async def write(organization_id: str, who: str) -> ParquetFile:
        return await writer.write(HEAD, pages_of(ROWS), asker=Asker(organization_id, who))

    first = await write("acme", "kim")
    with pytest.raises(TooManyAttempts, match="of yours"):
        await write("acme", "kim")
    second = await write("acme", "lee")
    with pytest.raises(TooManyAttempts, match="of this organization"):
        await write("acme", "park")
    third = await write("globex", "kim")
    with pytest.raises(TooManyAttempts, match="3 Parquet files"):
        await write("initech", "choi")
    second.close()
    fourth = await write("acme", "park")
    for each in (first, third, fourth):
        each.close()
    await writer.aclose()


async def test_who_waits_gets_the_turn_that_becomes_free_and_who_left_meanwhile_keeps_none() -> None:
    turns = Turns(at_once=1, wait_s=60)
    kim, lee, park = (Asker("acme", name) for name in ("kim", "lee", "park"))
    await turns.take(kim)
    leaving, waiting = asyncio.create_task(turns.take(lee)), asyncio.create_task(turns.take(park))
    await asyncio.sleep(0)
    turns.give_back(kim)
    leaving.cancel()  # its turn has come, and it goes without having noticed
    await asyncio.wait([leaving, waiting])
    assert (leaving.cancelled(), waiting.done(), waiting.cancelled()) == (True, True, False)
    late = asyncio.create_task(turns.take(lee))
    await asyncio.sleep(0)
    assert not late.done()
    turns.give_back(park)
    await late


def test_all_keys_of_a_person_are_the_person() -> None:
    page = Principal(PrincipalKind.ACCOUNT, "acct_1", "Kim", "org_1", account_id="acct_1", member_id="mem_1")
    key = Principal(PrincipalKind.API_KEY, "key_1", "k", "org_1", member_id="mem_1")
    service = Principal(PrincipalKind.API_KEY, "key_2", "s", "org_1")
    assert asker_of(page) == asker_of(key) == Asker("org_1", "mem_1")
    assert asker_of(service) == Asker("org_1", "key_2")


async def test_a_reader_that_takes_nothing_loses_its_file_long_before_its_time_is_over() -> None:
    writer = ParquetWriter(command=ENDLESS, timeout_s=600, stall_s=0.3)
    file = await writer.write(HEAD, pages_of(ROWS))
    parts = aiter(file)
    for _ in range(5):
        await anext(parts)
    await until_gone(file._child.pid)
    with pytest.raises(WriterFailed):
        _ = [part async for part in parts]
    await writer.aclose()


async def test_a_client_that_leaves_takes_the_child_with_it() -> None:
    writer = ParquetWriter(command=ENDLESS)
    file = await writer.write(HEAD, pages_of(ROWS))
    pid = file._child.pid
    answer = FileAnswer(file, "usage.parquet")
    sent = 0

    async def send(message: Any) -> None:
        nonlocal sent
        sent += 1
        if sent > 3:
            raise OSError("the client is gone")

    async def receive() -> Any:
        await asyncio.Event().wait()

    with pytest.raises(BaseException):  # noqa: B017  # how the framework says it is its own business
        await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)
    await until_gone(pid)
    await writer.aclose()


async def test_a_client_that_left_while_rows_were_read_gets_no_file() -> None:
    writer = ParquetWriter(turns=Turns(at_once=1))

    async def is_gone() -> bool:
        return True

    with pytest.raises(ClientGone):
        await writer.write(HEAD, pages_of(ROWS, ROWS), is_gone=is_gone)
    assert await read(await writer.write(HEAD, pages_of(ROWS)))
    await writer.aclose()


async def test_a_reader_that_stalls_loses_the_file_in_time() -> None:
    writer = ParquetWriter(command=ENDLESS, timeout_s=1)
    file = await writer.write(HEAD, pages_of(ROWS))
    parts = aiter(file)
    await anext(parts)
    await until_gone(file._child.pid)
    with pytest.raises(WriterFailed):
        _ = [part async for part in parts]
    await writer.aclose()


async def test_a_child_that_fails_says_why() -> None:
    writer = ParquetWriter(command=script("import sys; sys.exit('no room on the moon')"))
    with pytest.raises(WriterFailed, match="no room on the moon"):
        await writer.write(HEAD, pages_of(ROWS))
    await writer.aclose()


async def test_without_the_library_the_answer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ParquetWriter, "is_installed", False)
    with pytest.raises(NotInstalled, match=r"tollkeeper\[parquet\]"):
        await ParquetWriter().write(HEAD, pages_of(ROWS))


async def test_a_table_that_ends_too_early_makes_no_file() -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tollkeeper.parquet",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    out, why = await child.communicate(b"\x05\x00\x00\x00ab")
    assert (child.returncode, out) == (1, b"")
    assert b"the table ends before its end" in why
