"""No credential leaves by the log, however it got into a message."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tollkeeper.domain.api_key import write_key
from tollkeeper.observability import logging as observability
from tollkeeper.observability.logging import redact

OURS = write_key("a" * 12, "S" * 43)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"key {OURS} refused", "key sk-tk-aaaaaaaaaaaa-[redacted] refused"),
        ("sk-proj-abcDEF_123-456 is wrong", "sk-[redacted] is wrong"),
        ("sk-ant-api03-abcdefgh, next", "sk-[redacted], next"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
        ("{'authorization': 'Bearer abc.def'}", "{'authorization': 'Bearer [redacted]'}"),
        ("[(b'x-api-key', b'abcdef')]", "[(b'x-api-key', b'[redacted]')]"),
        ('"x-goog-api-key": "AIzaXYZ"', '"x-goog-api-key": "[redacted]"'),
        ("Cookie: session=abc; theme=dark", "Cookie: [redacted]; theme=dark"),
        ("postgresql://user:p4ss@db/name", "postgresql://user:[redacted]@db/name"),
        ("http://proxy:p4ss@10.0.0.1:3128", "http://proxy:[redacted]@10.0.0.1:3128"),
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "serving on http://127.0.0.1:8080 with 2 worker(s)",
        "risk-free task-list",
        "postgresql://user@host/db",
        "sk-short",
    ],
)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.error")
    before = (root.handlers[:], root.level, uvicorn.level, uvicorn.filters[:])
    yield
    root.handlers[:], uvicorn.filters[:] = before[0], before[3]
    root.setLevel(before[1])
    uvicorn.setLevel(before[2])
    logging.getLogger("uvicorn.access").disabled = False


@pytest.mark.usefixtures("_logging_as_before")
def test_arguments_and_traces_are_redacted_too(capsys: pytest.CaptureFixture[str]) -> None:
    observability.set_up("info")
    try:
        raise ValueError(f"refused {OURS}")
    except ValueError:
        logging.getLogger("anything").exception("calling with %s", "sk-proj-abcDEF123456")
    written = capsys.readouterr().err
    assert "S" * 43 not in written
    assert "abcDEF123456" not in written
    assert "sk-tk-aaaaaaaaaaaa-[redacted]" in written
