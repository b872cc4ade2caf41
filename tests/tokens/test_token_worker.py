"""The counting child: started when needed, gone when idle, replaced when it dies, and never in anybody's way."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tollkeeper.tokens.estimate import estimate_tokens
from tollkeeper.tokens.worker import TokenCounterProcess

TEXT = "Hello, world! 你好"


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return state.rsplit(")", 1)[1].split()[0] != "Z"


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while is_alive(pid):
            await asyncio.sleep(0.01)


COUNTS_LETTERS = """
import sys
from tollkeeper.tokens.pipe import LENGTH, decode_request, message
while head := sys.stdin.buffer.read(4):
    request = decode_request(sys.stdin.buffer.read(LENGTH.unpack(head)[0]))
    sys.stdout.buffer.write(message([len(text) for text in request.texts]))
    sys.stdout.buffer.flush()
"""
"""A child that answers like the real one, without half a second of vocabularies: it says 16 for TEXT."""


@pytest.fixture
async def counter() -> AsyncIterator[TokenCounterProcess]:
    counter = TokenCounterProcess(command=silent(COUNTS_LETTERS))
    yield counter
    await counter.aclose()


def silent(script: str = "import time; time.sleep(60)") -> tuple[str, ...]:
    return sys.executable, "-c", script


async def test_it_counts_in_a_child_that_is_started_on_first_use_and_kept() -> None:
    counter = TokenCounterProcess()
    assert counter.pid is None
    assert await counter.count("gpt-4o", []) == []
    assert counter.pid is None
    assert await counter.count("gpt-4o", [TEXT, ""]) == [6, 0]
    pid = counter.pid
    assert pid not in (None, os.getpid())
    assert await asyncio.gather(*(counter.count("gpt-4", [TEXT] * size) for size in (1, 2, 3))) == [
        [7],
        [7] * 2,
        [7] * 3,
    ]
    assert counter.pid == pid
    await counter.aclose()


async def test_a_child_that_was_killed_is_replaced(counter: TokenCounterProcess) -> None:
    await counter.count("gpt-4o", [TEXT])
    pid = counter.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until_gone(pid)
    await counter.count("gpt-4o", [TEXT])  # by bytes if its death was not heard yet, counted if it was
    assert await counter.count("gpt-4o", [TEXT]) == [16]
    assert counter.pid != pid


async def test_a_child_killed_while_it_counts_gives_the_estimate_at_once() -> None:
    counter = TokenCounterProcess(command=silent())
    asking = asyncio.ensure_future(counter.count("gpt-4o", [TEXT, "a"]))
    async with asyncio.timeout(10):
        while counter.pid is None:
            await asyncio.sleep(0.01)
    os.kill(counter.pid, signal.SIGKILL)
    async with asyncio.timeout(8):
        assert await asking == [estimate_tokens(TEXT), 1]
    await counter.aclose()


async def test_a_child_that_does_not_answer_is_given_up_and_ended() -> None:
    counter = TokenCounterProcess(command=silent(), timeout_s=0.2)
    asking = asyncio.ensure_future(counter.count("gpt-4o", [TEXT]))
    async with asyncio.timeout(10):
        while (pid := counter.pid) is None:
            await asyncio.sleep(0.01)
        assert await asking == [estimate_tokens(TEXT)]
    await until_gone(pid)
    await counter.aclose()


@pytest.mark.parametrize(
    "script",
    [
        "print('this is no answer' * 1000)",
        "import os; os.write(1, b'\\x01\\0\\0\\0\\xc1')",
        "import os; os.write(1, b'\\x01\\0\\0\\0\\x90')",  # an answer to no question
        "raise SystemExit(1)",
    ],
)
async def test_a_child_that_answers_nonsense_gives_the_estimate(script: str) -> None:
    counter = TokenCounterProcess(command=silent(script), timeout_s=5)
    assert await counter.count("gpt-4o", [TEXT]) == [estimate_tokens(TEXT)]
    await counter.aclose()


async def test_a_command_that_does_not_exist_gives_the_estimate() -> None:
    counter = TokenCounterProcess(command=("/nowhere/python",))
    assert await counter.count("gpt-4o", [TEXT]) == [estimate_tokens(TEXT)]
    await counter.aclose()


async def test_who_comes_when_too_many_wait_gets_the_estimate_at_once() -> None:
    counter = TokenCounterProcess(command=silent(), queue_max=2)
    waiting = [asyncio.ensure_future(counter.count("gpt-4o", [TEXT])) for _ in range(2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await counter.count("gpt-4o", [TEXT]) == [estimate_tokens(TEXT)]
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await counter.aclose()


async def test_a_cancelled_question_does_not_get_its_answer_to_the_next_one(counter: TokenCounterProcess) -> None:
    await counter.count("gpt-4o", [TEXT])
    cancelled = asyncio.ensure_future(counter.count("gpt-4o", ["hello world " * 50_000]))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    assert await counter.count("gpt-4o", [TEXT]) == [16]


async def test_an_idle_child_is_ended_and_started_again() -> None:
    counter = TokenCounterProcess(command=silent(COUNTS_LETTERS), idle_s=0.05)
    assert await counter.count("gpt-4o", [TEXT]) == [16]
    pid = counter.pid
    assert pid is not None
    await until_gone(pid)
    assert counter.pid is None
    assert await counter.count("gpt-4o", [TEXT]) == [16]
    await counter.aclose()


async def test_a_text_that_cannot_be_sent_is_estimated_and_the_child_goes_on(counter: TokenCounterProcess) -> None:
    assert await counter.count("gpt-4o", [TEXT]) == [16]
    pid = counter.pid
    assert await counter.count("gpt-4o", ["\ud83d"]) == [1]
    assert await counter.count("gpt-4o", [TEXT]) == [16]
    assert counter.pid == pid


async def test_closing_ends_the_child_and_later_questions_are_estimated(counter: TokenCounterProcess) -> None:
    await counter.count("gpt-4o", [TEXT])
    pid = counter.pid
    assert pid is not None
    await counter.aclose()
    await until_gone(pid)
    assert await counter.count("gpt-4o", [TEXT]) == [estimate_tokens(TEXT)]
    assert counter.pid is None


async def test_the_child_gets_neither_our_environment_nor_our_sockets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    found = tmp_path / "found"
    script = f"import os; open({str(found)!r}, 'w').write(repr(dict(os.environ)) + str(os.listdir('/proc/self/fd')))"
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    (number,) = [listening.fileno() for listening in server.sockets]
    counter = TokenCounterProcess(command=silent(script), timeout_s=5)
    os.set_inheritable(number, True)  # as a server that hands its sockets to workers does
    await counter.count("gpt-4o", [TEXT])
    await counter.aclose()
    server.close()
    environment, descriptors = found.read_text().split("}")
    assert "sk-secret" not in environment
    assert f"'{number}'" not in descriptors


def test_the_child_dies_with_its_parent() -> None:
    code = (
        "import asyncio\nfrom tollkeeper.tokens.worker import TokenCounterProcess\n"
        "async def main():\n"
        "    counter = TokenCounterProcess()\n"
        "    await counter.count('gpt-4o', ['a'])\n"
        "    print(counter.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    asyncio.run(until_gone(pid))
