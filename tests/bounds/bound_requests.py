"""Requests as programs really send them, seeded: chats with tools, pictures, voices, files, long contexts; texts in many scripts."""

from __future__ import annotations

import base64
import json
import random
import struct
from dataclasses import dataclass, field
from typing import Any

from tollkeeper_simulator.openai.catalogue import MODELS, Model
from tollkeeper_simulator.prices import PRICES

SCRIPTS: dict[str, tuple[str, ...]] = {
    "english": (
        "The toll is paid before the gate opens.", "Please summarise the attached minutes in three short points.",
        "What changed between the two contracts, and who has to agree?", "Counting coins by hand takes all morning;",
    ),
    "korean": (
        "통행료는 문이 열리기 전에 낸다.", "첨부한 회의록을 세 문장으로 요약해 주세요.", "예산이 얼마나 남았는지 알려줘, 그리고 누가 썼는지도.",
        "두 계약서의 차이를 표로 정리해 줄 수 있을까요?", "뷁쉙 낯선 글자와 ㅋㅋㅋㅋ 그리고 ㅠㅠ 도 있어요.",
    ),
    "japanese": ("門が開く前に通行料を払う。", "議事録を三つの要点にまとめてください。", "鰯の頭も信心から、齟齬のないように。"),
    "emoji": ("🎉🚀 ship it 👍🏽", "👨‍👩‍👧‍👦 🏳️‍🌈 🇰🇷 ✅❌", "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 and 𓀀𓁐𓂀 and ﷺ"),
    "code": (
        "def pay(amount: int) -> Receipt:\n    if amount < 0:\n        raise ValueError(amount)\n",
        "SELECT key_id, sum(nanos) FROM usage WHERE day >= '2026-11-01' GROUP BY 1;\n", "}\n\n\t\treturn nil, err\n",
        '{"id": "a1b2c3d4", "path": "C:\\\\Temp\\\\x", "n": [1, 2, 3.5e-7]}\n', "0xDEADBEEF 4f3c2a1b9e8d7c6f \\u00e9\n",
    ),
}  # fmt: skip
TOOL_NAMES = ("look_up_toll", "search_files", "create_ticket", "run_query", "send_mail", "read_url")
SCHEMA_TYPES = ("string", "integer", "number", "boolean")
CHAT_MODELS = tuple(name for name, model in MODELS.items() if model.kind == "chat")
COMPLETION_MODELS = tuple(name for name, model in MODELS.items() if model.kind == "completion")
EMBEDDING_MODELS = tuple(name for name, model in MODELS.items() if model.kind == "embedding")
VISION = tuple(
    name for name in CHAT_MODELS if not name.startswith(("gpt-3.5", "gpt-audio", "o3-mini")) and name != "gpt-4"
)
PREDICTING = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano")
FILE_PAGE_TOKENS = 1_500


@dataclass
class MadeRequest:
    """A request, and what only the provider would find out about it."""

    operation: str
    fields: dict[str, Any]
    model: Model
    is_ascii: bool
    pictures: list[tuple[str, str]] = field(default_factory=list)  # URL, detail
    audio_seconds: float = 0.0
    file_tokens: int = 0

    @property
    def body(self) -> bytes:
        return json.dumps(self.fields, ensure_ascii=self.is_ascii).encode()

    @property
    def answers(self) -> int:
        """How many answers are written."""
        prompt = self.fields.get("prompt")
        prompts = len(prompt) if isinstance(prompt, list) and not isinstance(prompt[0], int) else 1
        return prompts * max(self.fields.get("n") or 1, self.fields.get("best_of") or 1)


class RequestMaker:
    """Makes requests: the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def make(self, operation: str) -> MadeRequest:
        if operation == "embeddings":
            return self._embeddings()
        return self._completion() if operation == "completions" else self._chat()

    def _chat(self) -> MadeRequest:
        rng = self._random
        special = rng.choices(["text", "picture", "audio", "file", "prediction"], [74, 16, 3, 3, 4])[0]
        names = {"picture": VISION, "file": VISION, "audio": ("gpt-audio", "gpt-audio-mini"), "prediction": PREDICTING}
        model = MODELS[rng.choice(names.get(special, CHAT_MODELS))]
        made = MadeRequest("chat.completions", {"model": model.name}, model, rng.random() < 0.4)
        made.fields["messages"] = self._messages(made, special)
        self._add_tools(made)
        self._add_terms(made)
        if special == "prediction":
            made.fields["prediction"] = {"type": "content", "content": self._text(rng.randint(10, 3_000))}
        return made

    def _messages(self, made: MadeRequest, special: str) -> list[dict[str, Any]]:
        rng = self._random
        messages: list[dict[str, Any]] = []
        if rng.random() < 0.6:
            messages.append(
                {"role": rng.choice(["system", "developer"]), "content": self._text(rng.randint(20, 4_000))}
            )
        for _ in range(rng.choices([0, 1, 4, 12], [50, 25, 20, 5])[0]):
            messages.append({"role": "user", "content": self._text(rng.randint(1, 600))})
            messages.append({"role": "assistant", "content": self._text(rng.randint(1, 1_200))})
        if rng.random() < 0.15:
            messages += self._tool_use()
        last: Any = self._text(self._length(made.model))
        if special in {"picture", "audio", "file"} or rng.random() < 0.2:
            last = [{"type": "text", "text": last}, *self._parts(made, special)]
        messages.append({"role": "user", "content": last})
        if rng.random() < 0.05:
            messages[-1]["name"] = "김민지"
        return messages

    def _length(self, model: Model) -> int:
        """Return how many characters the question has; now and then it fills a long window."""
        rng = self._random
        if rng.random() < 0.003 and model.context_tokens >= 400_000:
            return rng.randint(200_000, 1_000_000)
        return rng.choices([rng.randint(1, 30), rng.randint(30, 800), rng.randint(800, 6_000)], [15, 60, 25])[0]

    def _tool_use(self) -> list[dict[str, Any]]:
        call = {"id": "call_1", "type": "function"}
        arguments = json.dumps({"query": self._text(40), "limit": 5})
        function = {"name": self._random.choice(TOOL_NAMES), "arguments": arguments}
        return [
            {"role": "assistant", "content": None, "tool_calls": [{**call, "function": function}]},
            {"role": "tool", "tool_call_id": "call_1", "content": self._text(self._random.randint(10, 3_000))},
        ]

    def _parts(self, made: MadeRequest, special: str) -> list[dict[str, Any]]:
        rng = self._random
        if special == "picture":
            return [self._picture(made) for _ in range(rng.choices([1, 2, 6], [70, 22, 8])[0])]
        if special == "audio":
            return [self._voice(made)]
        if special == "file":
            room = made.model.context_tokens // 2 // FILE_PAGE_TOKENS
            made.file_tokens = FILE_PAGE_TOKENS * rng.randint(1, max(1, min(200, room)))
            held = (
                {"file_id": "file-abc123"}
                if rng.random() < 0.5
                else {"filename": "a.pdf", "file_data": self._base64(2_000)}
            )
            return [{"type": "file", "file": held}]
        return []

    def _picture(self, made: MadeRequest) -> dict[str, Any]:
        rng = self._random
        width, height = rng.choice([(64, 64), (512, 512), (1_024, 1_024), (1_920, 1_080), (768, 2_048), (4_032, 3_024)])
        url = f"https://images.test/{width}x{height}/{rng.randrange(10**9)}.png"
        if rng.random() < 0.5:
            head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
            url = "data:image/png;base64," + base64.b64encode(head + rng.randbytes(rng.randint(200, 40_000))).decode()
        detail = rng.choice(["", "auto", "low", "high"])
        made.pictures.append((url, detail))
        return {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})}

    def _voice(self, made: MadeRequest) -> dict[str, Any]:
        rng = self._random
        seconds = rng.uniform(0.3, 20)
        made.audio_seconds += seconds
        if rng.random() < 0.5:
            data = rng.randbytes(int(seconds * rng.choice([1_000, 4_000, 8_000])))
            return {"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": "mp3"}}
        rate = rng.choice([8_000, 16_000])
        samples = bytes(int(seconds * rate) * 2)
        head = struct.pack(
            "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16,
            b"data", len(samples),
        )  # fmt: skip
        return {
            "type": "input_audio",
            "input_audio": {"data": base64.b64encode(head + samples).decode(), "format": "wav"},
        }

    def _add_tools(self, made: MadeRequest) -> None:
        rng = self._random
        if rng.random() < 0.3:
            made.fields["tools"] = [self._tool(name) for name in rng.sample(TOOL_NAMES, rng.randint(1, 6))]
            made.fields["tool_choice"] = rng.choice(["auto", "required", "none"])
        elif rng.random() < 0.1:
            schema = self._schema(rng.randint(1, 12))
            made.fields["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "result", "schema": schema},
            }
        elif rng.random() < 0.1:
            made.fields["response_format"] = {"type": "json_object"}

    def _tool(self, name: str) -> dict[str, Any]:
        function = {"name": name, "description": self._text(80), "parameters": self._schema(self._random.randint(0, 8))}
        return {"type": "function", "function": function}

    def _schema(self, size: int) -> dict[str, Any]:
        rng = self._random
        properties: dict[str, Any] = {}
        for number in range(size):
            each: dict[str, Any] = {"type": rng.choice(SCHEMA_TYPES)}
            if rng.random() < 0.6:
                each["description"] = self._text(50)
            if each["type"] == "string" and rng.random() < 0.3:
                each["enum"] = ["서울", "부산", "low", "high"][: rng.randint(1, 4)]
            properties[rng.choice(["", "user_", "이름_"]) + f"p{number}"] = each
        return {"type": "object", "properties": properties, "required": sorted(properties)[:3]}

    def _add_terms(self, made: MadeRequest) -> None:
        rng, fields, model = self._random, made.fields, made.model
        if rng.random() < 0.5:
            name = "max_tokens" if not model.reasons and rng.random() < 0.6 else "max_completion_tokens"
            fields[name] = min(rng.choice([1, 16, 64, 256, 500, 1_024, 4_096, 16_000]), model.output_tokens_max)
        if rng.random() < 0.08:
            fields["n"] = rng.randint(2, 4)
        if rng.random() < 0.3:
            fields |= {"stream": True} | rng.choice([{}, {"stream_options": {"include_usage": True}}])
        if rng.random() < 0.1:
            fields["service_tier"] = rng.choice(["auto", *PRICES[model.name]])
        if rng.random() < 0.2:
            fields |= {"temperature": 0.2, "user": "user-7", "metadata": {"team": "다리"}}

    def _completion(self) -> MadeRequest:
        rng = self._random
        model = MODELS[rng.choice(COMPLETION_MODELS)]
        texts = [self._text(rng.randint(1, 1_500)) for _ in range(rng.choices([1, 2, 5, 20], [70, 15, 10, 5])[0])]
        prompt: Any = texts[0] if len(texts) == 1 else texts
        if rng.random() < 0.1:
            prompt = [rng.randrange(100_000) for _ in range(rng.randint(1, 500))]
        elif rng.random() < 0.05:
            prompt = [[rng.randrange(100_000) for _ in range(rng.randint(1, 50))] for _ in range(3)]
        made = MadeRequest("completions", {"model": model.name, "prompt": prompt}, model, rng.random() < 0.4)
        if rng.random() < 0.6:
            made.fields["max_tokens"] = rng.choice([1, 16, 100, 1_000])
        if rng.random() < 0.1:
            made.fields["n"] = rng.randint(2, 5)
        if rng.random() < 0.1:
            made.fields["best_of"] = max(rng.randint(2, 5), made.fields.get("n", 1))
        if rng.random() < 0.2:
            made.fields["stream"] = True
        return made

    def _embeddings(self) -> MadeRequest:
        rng = self._random
        model = MODELS[rng.choice(EMBEDDING_MODELS)]
        texts = [self._text(rng.randint(1, 2_000)) for _ in range(rng.choices([1, 3, 30], [60, 30, 10])[0])]
        given: Any = texts[0] if len(texts) == 1 else texts
        if rng.random() < 0.15:
            given = [[rng.randrange(100_000) for _ in range(rng.randint(1, 300))] for _ in texts]
        return MadeRequest("embeddings", {"model": model.name, "input": given}, model, rng.random() < 0.4)

    def _text(self, length: int) -> str:
        """Return about so many characters, in one script or in several."""
        rng = self._random
        scripts = rng.choices(list(SCRIPTS), [40, 30, 8, 4, 18], k=1 if rng.random() < 0.7 else 3)
        sentences: list[str] = []
        size = 0
        while size < length:
            sentence = rng.choice(SCRIPTS[rng.choice(scripts)])
            if rng.random() < 0.05:
                sentence = str(rng.randrange(10**12)) + " " * rng.randint(0, 6)
            sentences.append(sentence)
            size += len(sentence) + 1
        return " ".join(sentences)[: max(1, length)]

    def _base64(self, size: int) -> str:
        return "data:application/pdf;base64," + base64.b64encode(self._random.randbytes(size)).decode()
