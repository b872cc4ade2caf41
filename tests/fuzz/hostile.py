"""Hostile requests, seeded: garbage, mutated and half requests, floods, wrong lengths, impossible JSON; and some good calls."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.live.raw_http import render

from tollkeeper.domain.api_key import write_key

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
OTHER_PATHS = (
    "/", "/v1", "/v1/models", "/v1/models/gpt-4o", "/v1/models/%00", "/v1/models/..%2f..", "/v1beta/models", "/v1beta/models/%00",
    "/v1beta/models/x:countTokens", "/v1beta/models/x:embedContent", "/v1/messages/count_tokens", "/v1/models/" + "m" * 3000, "/healthz",
    "/v1/chat/completions/", "//v1//chat", "/v1/organization/costs", "/v1/organization/usage/completions?start_time=x", "*",
    "http://other/v1/models", "/%ff%fe", "/v1/models?" + "a=b&" * 500, "/openapi.json", "/v1/chat/completions?x=1#y", "/\u00e9",
)  # fmt: skip
METHODS = ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "BREW", "get", "POST ", "M" * 40)
NAMES = (
    "model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "service_tier", "user", "metadata",
    "best_of", "tools", "temperature", "response_format", "prompt", "input", "logit_bias", "stop", "seed", "\u0000", "mod\u0065l",
)  # fmt: skip
NUMBERS = (
    "1e309",
    "-1e309",
    "9" * 400,
    "-" + "9" * 400,
    "0.1e-400",
    "1e1000000",
    "-0",
    "00",
    "1.",
    ".5",
    "NaN",
    "Infinity",
    "0x10",
)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(slots=True)
class Shot:
    """What goes over one connection. `must_succeed` marks a good call; `pause_at` waits a little in the middle.

    `must_be_refused`: whoever sends it has no good credential and asks for what is not public.
    `is_whole`: an answer is worth waiting for.
    """

    kind: str
    data: bytes
    must_succeed: bool = False
    must_be_refused: bool = False
    is_whole: bool = False
    pause_at: int | None = None
    pause_s: float = 0.0
    closes_half: bool = False

    @property
    def is_head(self) -> bool:
        """The answer to a HEAD request has no body, whatever its headers say."""
        return self.data.startswith(b"HEAD ")


class HostileMaker:
    """Makes shots; the same seed and key make the same ones."""

    def __init__(self, seed: int, key: str) -> None:
        self._random = random.Random(seed)
        self._key = key
        self._kinds: tuple[tuple[Callable[[], Shot], int], ...] = (
            (self._good, 4),
            (self._garbage, 10),
            (self._mutated, 25),
            (self._flood, 4),
            (self._bad_chunks, 8),
            (self._wrong_length, 8),
            (self._pipelined, 4),
            (self._slow, 4),
            (self._strange_json, 12),
            (self._wild_fields, 18),
            (self._odd_types, 8),
            (self._elsewhere, 8),
            (self._stranger, 10),
            (self._odd_protocol, 5),
        )

    def next(self) -> Shot:
        make = self._random.choices([kind for kind, _ in self._kinds], [weight for _, weight in self._kinds])[0]
        return make()

    # ---- what is good ------------------------------------------------------------------------------------------------

    def _good(self) -> Shot:
        return Shot("good", self._call(), must_succeed=True)

    def _call(self, **changes: Any) -> bytes:
        rng = self._random
        body: dict[str, Any] = {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": f"hello {rng.random()}"}],
        }
        if rng.random() < 0.4:
            body["stream"] = True
        return self._post(json.dumps({**body, "max_tokens": 5, **changes}).encode())

    def _post(self, body: bytes, *, path: str = PATHS[0], key: str | None = None, **headers: str) -> bytes:
        head = {"authorization": f"Bearer {self._key if key is None else key}", "content-type": "application/json"}
        return render(f"POST {path}", {**head, **headers}, body)

    # ---- what is not -------------------------------------------------------------------------------------------------

    def _garbage(self) -> Shot:
        rng = self._random
        data = rng.randbytes(rng.randint(0, 2000))
        if rng.random() < 0.3:
            data = b"POST /v1/chat/completions HTTP/1.1\r\n" + data + b"\r\n\r\n"
        return Shot("garbage", data, closes_half=rng.random() < 0.5)

    def _mutated(self) -> Shot:
        rng = self._random
        data = bytearray(self._call())
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(data)) if data else 0
            match rng.randrange(6):
                case 0:
                    data[at : at + 1] = rng.randbytes(1)
                case 1:
                    del data[at : at + rng.randint(1, 20)]
                case 2:
                    data[at:at] = rng.randbytes(rng.randint(1, 20))
                case 3:
                    data[at:at] = data[at : at + rng.randint(1, 60)]
                case 4:
                    data = data[: max(1, at)]
                case _:
                    data[at:at] = rng.choice((b"\r\n", b"\n", b"\x00", b'"', b"{", b"\\", b"\xff", b": ", b"\r\n\r\n"))
        return Shot("mutated", bytes(data), closes_half=rng.random() < 0.4)

    def _flood(self) -> Shot:
        rng = self._random
        headers = rng.choice(
            (
                b"".join(
                    b"x-%d: %b\r\n" % (number, b"y" * rng.randint(0, 90)) for number in range(rng.randint(100, 3000))
                ),
                b"x-long: " + b"z" * rng.randint(1_000, 200_000) + b"\r\n",
                b"cookie: " + b"a=b; " * 5_000 + b"\r\n",
                b"authorization: Bearer x\r\n" * 300,
            )
        )
        return Shot(
            "flood", b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + headers + rng.choice((b"", b"\r\n"))
        )

    def _bad_chunks(self) -> Shot:
        rng = self._random
        head = self._post(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
        sizes = (
            b"5",
            b"-1",
            b"ffffffffffffffffff",
            b"zz",
            b"",
            b"0",
            b"1;ext=1",
            b"00000003",
            b" 3",
            b"3 ",
            b"7fffffff",
        )
        chunks = b"".join(
            rng.choice(sizes)
            + rng.choice((b"\r\n", b"\n", b""))
            + rng.randbytes(rng.randint(0, 9))
            + rng.choice((b"\r\n", b""))
            for _ in range(rng.randint(1, 6))
        )
        return Shot("bad chunks", head + chunks + rng.choice((b"", b"0\r\n\r\n")), closes_half=rng.random() < 0.5)

    def _wrong_length(self) -> Shot:
        rng = self._random
        stated = rng.choice(
            (b"1", b"99999", b"-1", b"1" * 30, b"abc", b"+5", b"5, 5", b"5\r\ncontent-length: 6", b"", b"0")
        )
        head, _, body = self._call().partition(b"content-length: ")
        data = head + b"content-length: " + stated + b"\r\n" + body.partition(b"\r\n")[2]
        if rng.random() < 0.2:
            data = data.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n", 1)
        return Shot("wrong length", data, closes_half=rng.random() < 0.4)

    def _pipelined(self) -> Shot:
        rng = self._random
        parts = [
            rng.choice((self._call, lambda: self._wild_fields().data, lambda: self._elsewhere().data))()
            for _ in range(4)
        ]
        return Shot("pipelined", b"".join(parts))

    def _slow(self) -> Shot:
        rng = self._random
        data = self._call()
        return Shot(
            "slow", data[: rng.choice((len(data), len(data) - 1))], pause_at=rng.randrange(len(data)), pause_s=0.02
        )

    def _strange_json(self) -> Shot:
        rng = self._random
        number = rng.choice(NUMBERS)
        name = rng.choice(NAMES)
        depth = rng.choice((10, 200, 5_000, 50_000))
        text = "".join(
            chr(rng.choice((rng.randrange(0x20), rng.randrange(0xD800), rng.randrange(0xE000, 0x110000))))
            for _ in range(30)
        )
        body = rng.choice(
            (
                f'{{"model":"gpt-4o","messages":[],"{name}":{number}}}'.encode(),
                b'{"model":"gpt-4o","messages":' + b"[" * depth + b"]" * rng.choice((depth, depth - 1)) + b"}",
                b'{"a":' * depth + b"1" + b"}" * depth,
                json.dumps(
                    {"model": text, "messages": [{"role": "user", "content": text}]}, ensure_ascii=False
                ).encode(),
                b'{"model":"gpt-4o","messages":[{"role":"user","content":"\\ud800"}]}',
                b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"\xc3\x28"}]}',
                b'{"model":"gpt-4o","mod\\u0065l":"o1","messages":[]}',
                b"\xef\xbb\xbf{}",
                b'{"model":"gpt-4o","messages":[],"messages":[]}',
            )
        )
        return Shot("strange JSON", self._post(body, path=rng.choice(PATHS)))

    def _wild_fields(self) -> Shot:
        rng = self._random
        body: dict[str, Any] = {
            "model": rng.choice(("gpt-4o-mini", "o1", "text-embedding-3-small", "no-such", self._value(1)))
        }
        body["messages"] = rng.choice(([{"role": "user", "content": "hi"}], self._value(2)))
        body |= {rng.choice(NAMES): self._value(2) for _ in range(rng.randint(0, 4))}
        return Shot("wild fields", self._post(json.dumps(body).encode(), path=rng.choice(PATHS)))

    def _value(self, depth: int) -> Any:
        rng = self._random
        match rng.randrange(8 if depth else 6):
            case 0:
                return None
            case 1:
                return rng.random() < 0.5
            case 2:
                return rng.choice((0, 1, -1, 2, 2**31, 2**63, 10**30, rng.randrange(1000)))
            case 3:
                return rng.choice((0.5, -1.5, 1e300))
            case 4:
                return rng.choice(
                    ("", "auto", "flex", "x" * 300, "\u0000", "[[sim:status=503]]", "[[sim:nonsense]]", "é" * 50)
                )
            case 5:
                return rng.choice(([], {}))
            case 6:
                return [self._value(depth - 1) for _ in range(rng.randint(1, 3))]
            case _:
                return {
                    rng.choice((*NAMES, "role", "content", "include_usage")): self._value(depth - 1) for _ in range(2)
                }

    def _odd_types(self) -> Shot:
        """Ask for something usual in which what stands deep inside has a `type` that is no text."""
        rng = self._random
        odd: Any = rng.choice(([], {}, ["text"], {"type": "text"}, 7, True, 1.5))
        part = {
            "type": odd,
            rng.choice(("image_url", "input_audio", "source", "file_id", "content")): rng.choice((1, {}, "x")),
        }
        asked: dict[str, Any] = {"model": "gpt-4o-mini", "max_tokens": 5}
        content = {"role": "user", "content": [{"type": "text", "text": "hi"}, part]}
        result = {"type": "tool_result", "tool_use_id": "t", "content": [part]}
        choices: tuple[tuple[str, dict[str, Any]], ...] = (
            ("/v1/chat/completions", {**asked, "messages": [content]}),
            ("/v1/messages", {**asked, "messages": [content]}),
            ("/v1/messages", {**asked, "messages": [{"role": "user", "content": [result]}]}),
            ("/v1/messages/count_tokens", {"model": "gpt-4o-mini", "messages": [content]}),
            ("/v1/responses", {"model": "gpt-4o-mini", "input": [content]}),
            ("/v1/responses", {"model": "gpt-4o-mini", "input": [{**content, "type": odd}]}),
        )
        path, body = rng.choice(choices)
        return Shot("odd types", self._post(json.dumps(body).encode(), path=path))

    def _elsewhere(self) -> Shot:
        rng = self._random
        line = f"{rng.choice(METHODS)} {rng.choice((*OTHER_PATHS, PATHS[0]))}"
        if rng.random() < 0.4:
            line = f"POST {rng.choice(OTHER_PATHS)}"
        return Shot("elsewhere", render(line, {"authorization": f"Bearer {self._key}"}, b""))

    def _stranger(self) -> Shot:
        rng = self._random
        unknown = write_key("".join(rng.choices(ALPHABET, k=12)), "".join(rng.choices(ALPHABET, k=43)))
        key = rng.choice(
            (
                unknown,
                unknown,
                unknown[:-1],
                "",
                "sk-tk-",
                self._key[:-1],
                self._key + "x",
                "\xff" * 20,
                "sk-" + "a" * 5000,
            )
        )
        return Shot(
            "stranger", self._post(b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}', key=key)
        )

    def _odd_protocol(self) -> Shot:
        rng = self._random
        call = self._call()
        data = rng.choice(
            (
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                call.replace(b"HTTP/1.1", b"HTTP/1.0", 1),
                call.replace(b"\r\n", b"\n"),
                call.replace(b"host: tollkeeper", b"host: tollkeeper\r\nconnection: upgrade\r\nupgrade: websocket", 1),
                call.replace(b"host: tollkeeper", b"host: tollkeeper\r\nexpect: 100-continue", 1),
                call.replace(b"host: tollkeeper", b"host: tollkeeper\r\nconnection: close", 1),
                call.replace(b"application/json", b"text/plain", 1),
                call.replace(b"application/json", b"application/json; charset=utf-16", 1),
                call.replace(b"host: tollkeeper", b"host: tollkeeper\r\ncontent-encoding: gzip", 1),
                call.replace(
                    b"host: tollkeeper",
                    b"host: tollkeeper\r\nx-tollkeeper-labels: " + rng.randbytes(9).replace(b"\n", b""),
                    1,
                ),
                call.replace(b"host: tollkeeper", b" folded: header", 1),
            )
        )
        return Shot("odd protocol", data, closes_half=rng.random() < 0.3)
