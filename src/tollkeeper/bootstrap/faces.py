"""The pages and the administration API as one ASGI application: who answers which path."""

from __future__ import annotations

from tollkeeper.bootstrap.late_administration import App
from tollkeeper.gateway.client import Receive, Scope, Send
from tollkeeper.web.face import Face


class Faces:
    """Hands a request to the pages when it is theirs, else to the API; without `pages` everything is the API's."""

    def __init__(self, pages: Face | None, api: App) -> None:
        self.pages, self._api = pages, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application."""
        pages = self.pages
        if pages is not None and scope["type"] == "http" and pages.owns(scope):
            await pages(scope, receive, send)
        else:
            await self._api(scope, receive, send)
