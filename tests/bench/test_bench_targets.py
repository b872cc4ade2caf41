"""What is sent and answered has the size that the page states, and a check notices what is missing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from bench.stream_load import render_request
from bench.targets import Target, answer_body, check_call, check_stream, request_body, stream_events


@contextmanager
def answering(status: int, body: bytes) -> Iterator[Target]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Target(f"http://127.0.0.1:{server.server_port}/v1/chat/completions", {}, b"{}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_call_has_250_bytes_and_an_output_limit_whatever_the_model_is_called() -> None:
    for model in ("gpt-4o-mini", "streams/gpt-4o-mini"):
        body = request_body(model, stream=False)
        assert len(body) == 250
        assert json.loads(body)["max_tokens"] == 64
        assert json.loads(body)["model"] == model


def test_the_answer_has_700_bytes_and_adds_up() -> None:
    usage = json.loads(answer_body())["usage"]
    assert len(answer_body()) == 700
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]


def test_a_stream_has_100_chunks_of_230_bytes_then_why_it_ends_then_usage_then_the_end_mark() -> None:
    events = stream_events()
    assert [len(event) for event in events[:100]] == [230] * 100
    assert json.loads(events[100].removeprefix(b"data: "))["choices"][0]["finish_reason"] == "stop"
    assert json.loads(events[101].removeprefix(b"data: "))["usage"]["completion_tokens"] == 64
    assert events[102:] == [b"data: [DONE]\n\n"]


def test_a_whole_answer_passes_the_check_and_others_do_not() -> None:
    with answering(200, answer_body()) as target:
        assert check_call(target) is None
    for status, body in ((429, answer_body()), (200, b'{"usage":null}'), (200, b"<html>")):
        with answering(status, body) as target:
            assert check_call(target) is not None


def test_a_stream_that_lost_a_chunk_or_its_end_mark_fails_the_check() -> None:
    events = stream_events()
    with answering(200, b"".join(events)) as target:
        assert check_stream(target) is None
    with answering(200, b"".join(events[1:])) as target:
        assert check_stream(target) == "99 of 100 chunks came"
    with answering(200, b"".join(events[:-1])) as target:
        assert check_stream(target) == "the stream has no end mark"


def test_nobody_listening_is_a_reason_and_no_exception() -> None:
    with answering(200, b"") as target:
        pass
    assert "ConnectionRefusedError" in (check_call(target) or "")


def test_a_request_states_host_and_length() -> None:
    head, _, body = render_request(Target("http://127.0.0.1:80/v1/x", {"a": "b"}, b"{}")).partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [b"POST /v1/x HTTP/1.1", b"host: 127.0.0.1:80", b"a: b", b"content-length: 2"]
    assert body == b"{}"
