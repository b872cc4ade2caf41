"""A real browser for tests: Chromium, driven over the pipe of its DevTools protocol.

Protocol: https://chromedevtools.github.io/devtools-protocol/ (2026-11-22); `--remote-debugging-pipe` reads from descriptor
3 and writes to 4, messages end with a zero byte.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import itertools
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="there is no program `chromium` on this machine")
ANSWER_S = 20.0
_AS_CHROMIUM = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # containers forbid what the sandbox is made of
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


class Browser:
    """One Chromium; what it answers is sorted to who asked, and what it reports to the tabs."""

    def __init__(self, writing: int) -> None:
        self._writing = writing
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.tabs: dict[str, Tab] = {}

    async def read(self, stream: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                told = json.loads((await stream.readuntil(b"\0"))[:-1])
                if "id" in told:
                    asked = self._asked.pop(told["id"])
                    if not asked.done():
                        asked.set_result(told)
                elif told.get("sessionId") in self.tabs:
                    self.tabs[told["sessionId"]].note(told["method"], told["params"])

    async def ask(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._asked[number] = asyncio.get_running_loop().create_future()
        said = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._writing, json.dumps(said).encode() + b"\0")
        told = await asyncio.wait_for(self._asked[number], ANSWER_S)
        assert "error" not in told, told
        return dict(told["result"])

    async def open_tab(self, *, language: str = "en", width: int = 1000, is_dark: bool = False) -> Tab:
        """Open a tab of a person of their own: nothing is shared with other tabs."""
        context = (await self.ask("Target.createBrowserContext"))["browserContextId"]
        target = (await self.ask("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        tab = self.tabs[session] = Tab(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            await tab.ask(f"{domain}.enable")
        await tab.ask("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
        await tab.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await tab.ask("Emulation.setEmulatedMedia", features=[scheme])
        return tab


class Tab:
    """A tab: where it goes, what a person does in it, what it showed and asked for meanwhile."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session
        self.addresses: list[str] = []
        self.complaints: list[str] = []
        """What the console says of bugs and of the policy."""

    def note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            request = params["request"]
            self.addresses.append(f"{request['method']} {request['url']}")
            self.addresses += [value for name, value in request["headers"].items() if name.lower() == "referer"]
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded":
            entry = params["entry"]
            if entry["source"] != "network" and entry["level"] in {"warning", "error"}:
                self.complaints.append(entry["text"])

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._browser.ask(method, self._session, **params)

    async def go(self, address: str) -> None:
        await self.ask("Page.navigate", url=address)

    async def run(self, script: str) -> Any:
        """Return what an expression comes to."""
        told = await self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def shown(self) -> str:
        """Return what a person reads."""
        return str(await self.run("document.body ? document.body.innerText : ''"))

    async def wait(self, text: str) -> str:
        """Return what a person reads as soon as a text is there."""
        return await self._wait(self.shown, lambda found: text in found, text)

    async def wait_path(self, path: str) -> None:
        await self._wait(lambda: self.run("location.pathname + location.search"), lambda found: found == path, path)

    async def wait_until(self, condition: str) -> None:
        """Wait until an expression is true on a page that is loaded."""
        said = f"document.readyState === 'complete' && ({condition}) ? 'true' : ''"
        await self._wait(lambda: self.run(said), bool, condition)

    async def _wait(self, look: Callable[[], Any], is_there: Callable[[str], bool], wanted: str) -> str:
        found = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                while not is_there(found):
                    await asyncio.sleep(0.02)
                    with contextlib.suppress(AssertionError):  # between two pages there is nothing to look at
                        found = await look()
        assert is_there(found), f"{wanted!r} did not come; there is: {found!r}; {self.complaints}"
        return found

    async def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        text = {"Tab": "", "Enter": "\r", " ": " "}[key]
        for kind in ("keyDown", "keyUp"):
            await self.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text
            )

    async def type(self, text: str) -> None:
        await self.ask("Input.insertText", text=text)

    async def fill(self, **values: str) -> None:
        """Type into the fields of these names, over what they hold."""
        for name, value in values.items():
            await self.run(f"(f => {{ f.focus(); f.select(); }})(document.querySelector('input[name={name}]'))")
            await self.type(value)

    async def click(self, text: str) -> None:
        """Click, with the mouse, the link or button that is shown with a text."""
        place = await self.run(
            "(() => { const found = [...document.querySelectorAll('a,button,label')].find(each => "
            f"each.innerText === {json.dumps(text)} && each.offsetParent !== null); found.scrollIntoView(); "
            "const box = found.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def picture(self, path: Path) -> None:
        shot = await self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def running_browser(folder: Path) -> AsyncIterator[Browser]:
    """Start a Chromium that keeps everything in a folder, and end it."""
    assert PROGRAM is not None
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    # out of the way of 3 and 4, which become theirs in the child
    high_in, high_out = (fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 20) for each in (theirs_in, theirs_out))
    process = await asyncio.create_subprocess_exec(
        sys.executable,  # a fork of this process, which has threads, must run nothing of ours before it is another program
        "-c",
        _AS_CHROMIUM,
        str(high_in),
        str(high_out),
        PROGRAM,
        *_FLAGS,
        f"--user-data-dir={folder}",
        pass_fds=(high_in, high_out),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    for each in (theirs_in, theirs_out, high_in, high_out):
        os.close(each)
    stream = asyncio.StreamReader(limit=64 * 1024 * 1024)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(ours_in, "rb", 0)
    )
    browser = Browser(ours_out)
    reading = asyncio.create_task(browser.read(stream))
    try:
        yield browser
    finally:
        with contextlib.suppress(Exception):
            await browser.ask("Browser.close")
        try:
            await asyncio.wait_for(process.wait(), 10.0)
        except TimeoutError:
            process.kill()
            await process.wait()
        reading.cancel()
        transport.close()
        os.close(ours_out)
