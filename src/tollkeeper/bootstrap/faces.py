"""The pages and the administration API as one ASGI application: who answers which path."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from tollkeeper.bootstrap.late_administration import App
from tollkeeper.gateway.client import Receive, Scope, Send
from tollkeeper.web.face import Face

_OF_PROGRAMS = ("/v1/", "/v1beta/")


class Faces:
    """Hands a request to the pages when it is theirs, else to the API; without `pages` everything is the API's."""

    def __init__(self, pages: Face | None, api: App) -> None:
        self.pages, self._api = pages, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application."""
        pages = self.pages if scope["type"] == "http" else None
        if pages is not None and pages.owns(scope):
            await pages(scope, receive, send)
        elif pages is not None and _is_of_reader(scope):
            await self._answer_or_tell(pages, scope, receive, send)
        else:
            await self._api(scope, receive, send)

    async def _answer_or_tell(self, pages: Face, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request of a person's browser to the API; what it does not know is told on a page."""
        is_missing = False

        async def send_known(message: Any) -> None:
            nonlocal is_missing
            is_missing = is_missing or message.get("status") == HTTPStatus.NOT_FOUND
            if not is_missing:
                await send(message)

        await self._api({**scope}, receive, send_known)
        if is_missing:
            await pages(scope, receive, send)


def _is_of_reader(scope: Scope) -> bool:
    """Tell whether somebody looks at an address in a browser: programs call those below /v1, and ask for no HTML."""
    if scope["method"] not in {"GET", "HEAD"} or scope["path"].startswith(_OF_PROGRAMS):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
