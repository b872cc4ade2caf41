"""The administration is assembled once, beside the event loop, and an assembly that fails is told and tried again."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tollkeeper.bootstrap.late_administration import App, LateAdministration
from tollkeeper.kit.tasks import TaskGroup


async def _answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"whole"})


async def _ask(app: App) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "method": "GET", "path": "/v1/account", "headers": [], "state": {}}, receive, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent)


class _Assembly:
    """Waits, in its thread, until it is let go."""

    def __init__(self) -> None:
        self.begun, self.may_end, self.count = threading.Event(), threading.Event(), 0

    def __call__(self) -> App:
        self.count += 1
        self.begun.set()
        assert self.may_end.wait(10)
        return _answer


@pytest.fixture
def assembly() -> _Assembly:
    return _Assembly()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_nothing_is_assembled_before_a_request(assembly: _Assembly) -> None:
    LateAdministration(assembly)
    await asyncio.sleep(0)
    assert assembly.count == 0


async def test_requests_that_come_meanwhile_wait_for_one_assembly_beside_the_loop(assembly: _Assembly) -> None:
    app, tasks = LateAdministration(assembly), TaskGroup()
    asked = [tasks.start(_ask(app), "request") for _ in range(5)]
    await _until(assembly.begun.is_set)  # the loop turns while the assembly waits
    assert not any(each.done() for each in asked)
    assembly.may_end.set()
    assert await asyncio.gather(*asked) == [(200, b"whole")] * 5
    assert await _ask(app) == (200, b"whole")
    assert assembly.count == 1


async def test_a_request_that_is_given_up_does_not_end_the_assembly_for_others(assembly: _Assembly) -> None:
    app, tasks = LateAdministration(assembly), TaskGroup()
    gone, stays = (tasks.start(_ask(app), "request") for _ in range(2))
    await _until(assembly.begun.is_set)
    gone.cancel()
    await asyncio.wait([gone])
    assembly.may_end.set()
    assert await stays == (200, b"whole")
    assert assembly.count == 1


async def test_an_assembly_that_fails_is_logged_answers_500_and_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcomes: list[App | None] = [None, _answer]

    def assemble() -> App:
        made = outcomes.pop(0)
        if made is None:
            raise OSError(24, "Too many open files")
        return made

    app = LateAdministration(assemble)
    status, body = await _ask(app)
    assert (status, json.loads(body)["error"]["type"]) == (500, "internal_error")
    assert "Too many open files" in caplog.text
    assert b"Too many" not in body
    assert await _ask(app) == (200, b"whole")
