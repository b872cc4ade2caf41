"""A Parquet file as the answer to a request: its child ends with it, whatever becomes of the client."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tollkeeper.parquet.writing import ParquetFile

MEDIA_TYPE = "application/vnd.apache.parquet"
"""https://www.iana.org/assignments/media-types/application/vnd.apache.parquet, 2026-11-23."""
_CLIENT_GONE = 499


class FileAnswer(StreamingResponse):
    """Sends the file part by part, as fast as the client takes it."""

    def __init__(self, file: ParquetFile, name: str) -> None:
        super().__init__(file, headers=download_headers(name), media_type=MEDIA_TYPE)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def download_headers(name: str) -> dict[str, str]:
    """Return the headers of a file that is to be kept under a name, and by nobody in between."""
    return {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }


def to_nobody() -> Response:
    """Return what is answered to a client that has left."""
    return Response(status_code=_CLIENT_GONE)
