"""Today's calls, made through the gateway: whole, streamed and embedded, of several dialects, tried twice, refused, without a price."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.screenshots.office import Office


def call_today(office: Office, gateway: GatewayProcess, simulator: SimulatorProcess) -> None:
    """Make the calls. The last one is a stream that its first deployment refused and the second one served."""

    def call(key: str, path: str, body: dict[str, Any], **labels: str) -> int:
        told = ",".join(f"{name}={value}" for name, value in labels.items())
        headers = {
            "authorization": f"Bearer {office.keys[key].key}",
            "content-type": "application/json",
            **({"x-tollkeeper-labels": told} if told else {}),
        }
        request = urllib.request.Request(f"{gateway.base_url}/{path}", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            return refusal.code

    for number in range(3):
        call(
            "search-production",
            "chat/completions",
            chat("gpt-5.4", "통행료 규정을 요약해 주세요.", 400 + number),
            feature="search",
        )
        call(
            "문서 요약 운영",
            "messages",
            chat("claude-sonnet-4-6", "이 계약서를 요약해 주세요.", 700) | {"max_tokens": 2_000},
        )
        call(
            "api-server-production", "chat/completions", chat("gpt-4o-mini", "Which gate is open?", 120), feature="chat"
        )
        call("하은 노트북", "chat/completions", chat("gpt-5.4", "Compare the two prompts.", 900), purpose="eval")
    call("search-production", "embeddings", {"model": "text-embedding-3-small", "input": ["통행료", "toll keeper"]})
    call("figma-plugin", "chat/completions", chat("local/house-llm", "Draw a gate.", 60))
    call("api-server-production", "chat/completions", chat("gpt-4o-mini", "[[sim:status=400]]", 10))
    call("nightly-batch", "chat/completions", chat("gpt-4o-mini", "One more.", 10))
    call("figma-plugin", "chat/completions", chat("gpt-9", "Draw a bridge.", 10))
    call("nightly-batch", "chat/completions", chat("gpt-4o-mini", "And another.", 10))
    simulator.fault("status=503", match={"model": "gpt-5.4"})
    streamed = chat("smart", "Tell me about the bridge.", 250) | {"stream": True, "user": "user-4711"}
    assert call("search-production", "chat/completions", streamed, feature="search", env="prod") == 200


def chat(model: str, text: str, tokens: int) -> dict[str, Any]:
    """Return the body of a call whose answer has so many tokens."""
    said = text if "[[sim:" in text else f"{text} [[sim:tokens={tokens}]]"
    return {"model": model, "messages": [{"role": "user", "content": said}]}
