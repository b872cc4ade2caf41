"""A collector for tests: takes OTLP over HTTP, decodes what comes, and can refuse it or keep it waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Sink:
    """What came: `spans` in order, `headers` of each request, `raw` bodies. `status` is what it answers."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.status = 200
        self.url = ""
        self._come = threading.Condition()

    def wait_for(self, count: int, timeout_s: float = 20.0) -> list[Span]:
        """Return the spans once there are so many."""
        with self._come:
            assert self._come.wait_for(lambda: len(self.spans) >= count, timeout_s), (
                f"{len(self.spans)} of {count} came"
            )
            return list(self.spans)

    def take(self, headers: dict[str, str], body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._come:
            self.headers.append(headers)
            self.raw.append(body)
            for resource in request.resource_spans:
                self.resources.append(attributes_of(resource.resource))
                for scope in resource.scope_spans:
                    self.spans.extend(scope.spans)
            self._come.notify_all()


def attributes_of(holder: Any) -> dict[str, Any]:
    """Return the attributes of a span, an event or a resource as plain values."""
    found: dict[str, Any] = {}
    for each in holder.attributes:
        ((kind, value),) = MessageToDict(each.value).items()
        found[each.key] = int(value) if kind == "intValue" else value
    return found


@contextmanager
def running_sink() -> Iterator[Sink]:
    """Serve until left, on a port that the system chooses."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            import gzip

            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if sink.status == 200:
                sink.take({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(sink.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
