"""The e-mails about requests for more budget, in English and Korean: that somebody asks, and what was decided."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from tollkeeper.notify import english, korean
from tollkeeper.notify.foreign_text import shown, shown_person
from tollkeeper.notify.letter import Letter, Stationery, lay_out
from tollkeeper.notify.message import Message
from tollkeeper.notify.reader import Language, Reader

Unit = Literal["usd", "requests", "tokens", "concurrent"]
Period = Literal["daily", "weekly", "monthly", "total"]
Decision = Literal["approved", "denied"]

_REQUEST_ID = re.compile(r"breq_[0-9A-Za-z]+")
_STATIONERY: Mapping[Language, Stationery] = {"en": english.STATIONERY, "ko": korean.STATIONERY}
_EN: Mapping[str, str] = {
    "organization": "organization",
    "team": "team",
    "project": "project",
    "member": "member",
    "api_key": "API key",
    "daily": "a day",
    "weekly": "a week",
    "monthly": "a month",
    "total": "in all",
    "requests": "requests",
    "tokens": "tokens",
    "concurrent": "calls at once",
}
_KO: Mapping[str, str] = {
    "organization": "조직",
    "team": "팀",
    "project": "프로젝트",
    "member": "구성원",
    "api_key": "API 키",
    "daily": "하루",
    "weekly": "한 주",
    "monthly": "한 달",
    "total": "전체 기간",
    "requests": "요청",
    "tokens": "토큰",
    "concurrent": "동시 호출",
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `amount` is written already ("$500.00", "1,000"); `model` is "" for all models."""

    asker: str
    organization: str
    scope_kind: str
    scope: str
    unit: Unit
    period: Period
    model: str
    amount: str
    before: str  # what there is now; "" for nothing
    reason: str
    request_id: str


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `until_us` is set when it was granted for a time only."""

    decision: Decision
    decided_by: str
    answer: str
    until_us: int | None = None


def budget_asked(reader: Reader, asked: Asked, *, path: str) -> Message:
    """Tell who manages a budget that somebody asks for more; `path` is where requests are decided."""
    said = _asked_in_korean if reader.language == "ko" else _asked_in_english
    return _laid_out(reader, said(reader, asked), path)


def budget_decided(reader: Reader, asked: Asked, decided: Decided, *, path: str) -> Message:
    """Tell who asked for more what was decided."""
    until = "" if decided.until_us is None else reader.when(decided.until_us)
    said = _decided_in_korean if reader.language == "ko" else _decided_in_english
    return _laid_out(reader, said(asked, decided, until), path)


def _ways(reader: Reader, asked: Asked, captions: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Return how a request is granted or denied, to be pasted: at the command line, and over the API."""
    assert _REQUEST_ID.fullmatch(asked.request_id), "a request's id is pasted into a shell"
    commands = [f"tollkeeper budgets {verb} {asked.request_id}" for verb in ("approve", "deny")]
    routes = [f"POST {reader.link(f'/v1/budgets/requests/{asked.request_id}/{verb}')}" for verb in ("approve", "deny")]
    return (captions[0], "\n".join(commands)), (captions[1], "\n".join(routes))


def _asked_in_english(reader: Reader, asked: Asked) -> Letter:
    return Letter(
        subject=f"{shown(asked.asker)} asks for more budget",
        paragraphs=(
            f"{shown(asked.asker)} asks for more budget for the {_EN[asked.scope_kind]} {shown(asked.scope)}.",
        ),
        facts=(("Asked by", shown_person(asked.asker)), *_facts_in_english(asked)),
        action="Open Tollkeeper",
        commands=_ways(reader, asked, ("At the command line:", "Over the API:")),
    )


def _asked_in_korean(reader: Reader, asked: Asked) -> Letter:
    return Letter(
        subject=f"{shown(asked.asker)}님이 예산 증액을 요청했습니다",
        paragraphs=(
            f"{shown(asked.asker)}님이 {_KO[asked.scope_kind]} {shown(asked.scope)}의 예산 증액을 요청했습니다.",
        ),
        facts=(("요청한 사람", shown_person(asked.asker)), *_facts_in_korean(asked)),
        action="Tollkeeper 열기",
        commands=_ways(reader, asked, ("명령줄(CLI)에서 처리하기", "API로 처리하기")),
    )


def _decided_in_english(asked: Asked, decided: Decided, until: str) -> Letter:
    is_granted = decided.decision == "approved"
    word = "approved" if is_granted else "denied"
    facts = [*_facts_in_english(asked), ("Decided by", shown(decided.decided_by))]
    facts += [("Until", until)] if until else []
    facts += [("Answer", shown(decided.answer))] if decided.answer else []
    return Letter(
        subject=f"Your request for more budget was {word}",
        paragraphs=(f"Your request for the {_EN[asked.scope_kind]} {shown(asked.scope)} was {word}.",),
        facts=tuple(facts),
        action="Open Tollkeeper",
    )


def _decided_in_korean(asked: Asked, decided: Decided, until: str) -> Letter:
    is_granted = decided.decision == "approved"
    word = "승인되었습니다" if is_granted else "거부되었습니다"
    facts = [*_facts_in_korean(asked), ("처리한 사람", shown(decided.decided_by))]
    facts += [("기한", until)] if until else []
    facts += [("답변", shown(decided.answer))] if decided.answer else []
    return Letter(
        subject=f"예산 증액 요청이 {word}",
        paragraphs=(f"{_KO[asked.scope_kind]} {shown(asked.scope)}에 대한 예산 증액 요청이 {word}.",),
        facts=tuple(facts),
        action="Tollkeeper 열기",
    )


def _facts_in_english(asked: Asked) -> tuple[tuple[str, str], ...]:
    what = asked.amount if asked.unit == "usd" else f"{asked.amount} {_EN[asked.unit]}"
    period = "" if asked.unit == "concurrent" else f" {_EN[asked.period]}"
    facts = [("Organization", shown(asked.organization))]
    facts.append(("Request", asked.request_id))
    facts += [("For", f"{_EN[asked.scope_kind]} {_scope(asked)}"), ("Asked for", f"{what}{period}")]
    facts += [("Now", asked.before)] if asked.before else []
    facts += [("Model", shown(asked.model))] if asked.model else []
    facts += [("Reason", shown(asked.reason))] if asked.reason else []
    return tuple(facts)


def _facts_in_korean(asked: Asked) -> tuple[tuple[str, str], ...]:
    what = asked.amount if asked.unit == "usd" else f"{_KO[asked.unit]} {asked.amount}"
    period = "" if asked.unit == "concurrent" else f"{_KO[asked.period]} "
    facts = [("조직", shown(asked.organization))]
    facts.append(("요청 ID", asked.request_id))
    facts += [("대상", f"{_KO[asked.scope_kind]} {_scope(asked)}"), ("요청한 예산", f"{period}{what}")]
    facts += [("현재 예산", asked.before)] if asked.before else []
    facts += [("모델", shown(asked.model))] if asked.model else []
    facts += [("사유", shown(asked.reason))] if asked.reason else []
    return tuple(facts)


def _scope(asked: Asked) -> str:
    return shown_person(asked.scope) if asked.scope_kind == "member" else shown(asked.scope)


def _laid_out(reader: Reader, letter: Letter, path: str) -> Message:
    return lay_out(letter, _STATIONERY[reader.language], link=reader.link(path), public_url=reader.public_url)
