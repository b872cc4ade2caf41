"""The demo's traffic: a few calls by the official `openai` client, and what each cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from tollkeeper.domain.errors import TollkeeperError
from tollkeeper.domain.money import NANOS_PER_USD

_MODELS = {"openai": "gpt-4o-mini", "deepseek": "deepseek-chat", "xai": "grok-4.3"}
_TOO_MANY_TOKENS = 10_000_000
_HANDBOOK = "Rule {}: write every amount down when it moves, in whole units, and never correct a line in place. "


class _Line(msgspec.Struct):
    """One line of the table. `cost_usd` is None when the gateway knows no price."""

    what: str
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: Decimal | None


class Traffic(msgspec.Struct):
    """The calls that were made: of which model most of them were, and what those with a known price cost together."""

    model: str
    cost_nanos: int


def make_calls(console: Console, base_url: str, key: str, *, provider: str) -> Traffic:
    """Make the calls and print the table.

    Raises:
        TollkeeperError: the client library is missing, or the provider refused.
    """
    try:
        import openai
    except ImportError:
        raise TollkeeperError("The demo needs the official client: pip install openai") from None
    client = openai.OpenAI(api_key=key, base_url=base_url)
    model = _MODELS[provider]
    try:
        lines = [_ask(client, model), _stream(client, model), *_ask_twice(client, model)]
        if provider == "openai":
            lines.append(_embed(client))
    except openai.OpenAIError as error:
        raise TollkeeperError(f"The demo's call failed: {error}") from error
    known = sum((line.cost_usd for line in lines if line.cost_usd is not None), Decimal(0))
    _print_table(console, lines, together=known)
    return Traffic(model, int(known * NANOS_PER_USD))


def show_refusal(console: Console, base_url: str, key: str, *, model: str) -> None:
    """Make a call that could cost more than the budget has, and print how it is refused: nothing is sent on."""
    import openai

    client = openai.OpenAI(api_key=key, base_url=base_url)
    try:
        client.chat.completions.create(
            model=model, max_tokens=_TOO_MANY_TOKENS, messages=[{"role": "user", "content": "Write a library."}]
        )
    except openai.RateLimitError as error:
        console.print(f"A call that could cost more is refused before it goes out:\n  {error.body['message']}")  # type: ignore[index]


def _ask(client: Any, model: str) -> _Line:
    answer = client.chat.completions.with_raw_response.create(
        model=model, max_tokens=60, messages=[{"role": "user", "content": "What does a toll keeper do? One sentence."}]
    )
    return _line("a question", answer)


def _stream(client: Any, model: str) -> _Line:
    """Stream an answer; its last chunk carries the cost, because headers come before anyone can know it."""
    usage = None
    stream = client.chat.completions.create(
        model=model,
        max_tokens=60,
        messages=[{"role": "user", "content": "Count the coins aloud."}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        usage = chunk.usage or usage
    if usage is None:
        raise TollkeeperError("The stream ended without its usage.")
    cost = (usage.model_extra or {}).get("cost")
    return _counted("a streamed answer", model, usage, None if cost is None else Decimal(str(cost)))


def _ask_twice(client: Any, model: str) -> list[_Line]:
    """Ask twice with the same long beginning: the second time the provider has it in its cache, at a lower price."""
    handbook = "".join(_HANDBOOK.format(number) for number in range(120))
    found = []
    for what in ("a long prompt", "the same again, cached"):
        messages = [{"role": "system", "content": handbook}, {"role": "user", "content": "Summarise in ten words."}]
        found.append(
            _line(what, client.chat.completions.with_raw_response.create(model=model, max_tokens=40, messages=messages))
        )
    return found


def _embed(client: Any) -> _Line:
    answer = client.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input=["통행료 징수원", "toll keeper"]
    )
    return _line("two embeddings", answer)


def _line(what: str, answer: Any) -> _Line:
    cost = answer.headers.get("x-tollkeeper-cost-usd")
    parsed = answer.parse()
    return _counted(what, parsed.model, parsed.usage, None if cost is None else Decimal(cost))


def _counted(what: str, model: str, usage: Any, cost: Decimal | None) -> _Line:
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", 0) or 0
    return _Line(what, model, usage.prompt_tokens, cached, getattr(usage, "completion_tokens", 0) or 0, cost)


def _print_table(console: Console, lines: list[_Line], *, together: Decimal) -> None:
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        title="What the calls cost (tokens, US dollars)",
        title_justify="left",
    )
    table.add_column("call")
    table.add_column("model", overflow="fold")
    for title in ("in", "cached", "out", "USD"):
        table.add_column(title, justify="right", no_wrap=True)
    for line in lines:
        counts = (f"{count:,}" for count in (line.input_tokens, line.cached_tokens, line.output_tokens))
        table.add_row(line.what, line.model, *counts, _usd(line.cost_usd))
    table.add_section()
    table.add_row("together", "", "", "", "", _usd(together), style="bold")
    console.print()
    console.print(table)


def _usd(amount: Decimal | None) -> str:
    return "unpriced" if amount is None else f"{amount:.9f}"
