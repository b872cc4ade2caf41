"""The words of reports, in English and Korean side by side; figures and names come to them already written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import msgspec

from tollkeeper.domain.budget import Period
from tollkeeper.domain.limit import LimitScope
from tollkeeper.domain.report import By
from tollkeeper.domain.report_calendar import ReportKind
from tollkeeper.notify.reader import Language

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEKDAYS_KO = "월화수목금토일"


class ReportWords(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says in one language. Functions take what they name; amounts and counts are texts."""

    kind: Mapping[ReportKind, str]
    before: Mapping[ReportKind, str]
    span: Callable[[date, date], str]
    day: Callable[[date], str]
    cost: str
    calls: str
    errors: Callable[[str, str], str]  # all calls, failed ones
    tokens: str
    most_used: str
    by_day: str
    by: Mapping[By, str]
    one: Mapping[By, str]  # what a line is
    nothing: Mapping[By, str]  # a line of no team or project
    others: Callable[[int], str]
    risen: str
    fallen: str
    budgets: str
    budgets_more: Callable[[int], str]
    scopes: Mapping[LimitScope, str]
    periods: Mapping[Period, str]
    of_limit: Callable[[str, str], str]  # used, limit
    expected: Callable[[str], str]
    stopped: str
    anew: Callable[[str], str]
    units: Mapping[str, Callable[[str], str]]
    new: str
    unknown: str
    against: Callable[[str, str, str], str]  # the change, the period before, what that cost
    only_before: Callable[[str, str], str]
    first: Callable[[str], str]
    quiet: Callable[[str, str, str], str]  # the period before, its calls, its cost
    silent: str
    unpriced: Callable[[str, str], str]  # how many, of how many
    estimated: Callable[[str, str], str]  # how many calls, what they cost
    rounded: str
    rate: Callable[[str, str, str], str]  # what a dollar is, of which day, who says so
    why: str
    off: str
    times: Callable[[str], str]
    action: str


def _english_span(first: date, last: date) -> str:
    end = f"{last.day} {_MONTHS[last.month - 1]} {last.year}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{end}"
    year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {_MONTHS[first.month - 1]}{year} – {end}"


def _korean_span(first: date, last: date) -> str:
    year = f"{last.year}년 " if first.year != last.year else ""
    month = f"{last.month}월 " if year or first.month != last.month else ""
    return f"{first.year}년 {first.month}월 {first.day}일 ~ {year}{month}{last.day}일"


ENGLISH = ReportWords(
    kind={"weekly": "Weekly report", "monthly": "Monthly report"},
    before={"weekly": "the week before", "monthly": "the month before"},
    span=_english_span,
    day=lambda day: f"{_WEEKDAYS_EN[day.weekday()]} {day.day} {_MONTHS[day.month - 1][:3]}",
    cost="Cost",
    calls="Calls",
    errors=lambda calls, failed: f"{calls} ({failed} failed)",
    tokens="Tokens",
    most_used="Most used model",
    by_day="By day",
    by={"model": "By model", "team": "By team", "project": "By project"},
    one={"model": "model", "team": "team", "project": "project"},
    nothing={"model": "–", "team": "(no team)", "project": "(no project)"},
    others=lambda count: f"{count:,} others" if count > 1 else "1 other",
    risen="Risen most",
    fallen="Fallen most",
    budgets="Budgets at risk",
    budgets_more=lambda count: f"{count:,} more budgets are at risk." if count > 1 else "1 more budget is at risk.",
    scopes={
        "organization": "organization",
        "team": "team",
        "project": "project",
        "member": "member",
        "api_key": "API key",
        "credit": "credit",
    },
    periods={"daily": "daily", "weekly": "weekly", "monthly": "monthly", "total": "in all"},
    of_limit=lambda used, limit: f"{used} of {limit} used",
    expected=lambda amount: f"{amount} expected at this pace",
    stopped="calls are stopped",
    anew=lambda when: f"begins anew {when}",
    units={"requests": lambda count: f"{count} requests", "tokens": lambda count: f"{count} tokens"},
    new="new",
    unknown="no price",
    against=lambda change, before, cost: f"{change} against {before} ({cost})",
    only_before=lambda before, cost: f"{before[0].upper()}{before[1:]}: {cost}",
    first=lambda before: f"There were no calls {before}.",
    quiet=lambda before, calls, cost: (
        f"There were no calls. {before[0].upper()}{before[1:]} there were {calls}, for {cost}."
    ),
    silent="There were no calls, and none in the period before.",
    unpriced=lambda some, whole: f"No price is known for {some} of {whole} calls; no amount here holds them.",
    estimated=lambda calls, cost: f"The cost of {calls} calls is estimated: {cost}.",
    rate=lambda rate, day, source: f"1 USD = {rate} on {day} ({source})",
    rounded="Amounts are rounded and in US dollars. The exact ones:",
    why="You get this report because you may read the usage of the whole organization.",
    off="Whoever manages the organization can change when it is sent, to whom, or turn it off.",
    times=lambda timezone: f"Days are those of {timezone}. Budgets are as of when the report was made.",
    action="Open Tollkeeper",
)
KOREAN = ReportWords(
    kind={"weekly": "주간 보고서", "monthly": "월간 보고서"},
    before={"weekly": "전주", "monthly": "전월"},
    span=_korean_span,
    day=lambda day: f"{day.month}월 {day.day}일 ({_WEEKDAYS_KO[day.weekday()]})",
    cost="비용",
    calls="호출",
    errors=lambda calls, failed: f"{calls} (오류 {failed})",
    tokens="토큰",
    most_used="가장 많이 사용한 모델",
    by_day="일별",
    by={"model": "모델별", "team": "팀별", "project": "프로젝트별"},
    one={"model": "모델", "team": "팀", "project": "프로젝트"},
    nothing={"model": "–", "team": "(팀 없음)", "project": "(프로젝트 없음)"},
    others=lambda count: f"그 외 {count:,}개",
    risen="비용이 가장 많이 늘어난 항목",
    fallen="비용이 가장 많이 줄어든 항목",
    budgets="주의가 필요한 예산",
    budgets_more=lambda count: f"이 밖에 주의가 필요한 예산이 {count:,}개 더 있습니다.",
    scopes={
        "organization": "조직",
        "team": "팀",
        "project": "프로젝트",
        "member": "멤버",
        "api_key": "API 키",
        "credit": "크레딧",
    },
    periods={"daily": "일간", "weekly": "주간", "monthly": "월간", "total": "전체"},
    of_limit=lambda used, limit: f"{limit} 중 {used} 사용",
    expected=lambda amount: f"현재 추세의 예상 사용량 {amount}",
    stopped="호출 중지됨",
    anew=lambda when: f"초기화: {when}",
    units={"requests": lambda count: f"요청 {count}건", "tokens": lambda count: f"{count} 토큰"},
    new="신규",
    unknown="가격 없음",
    against=lambda change, before, cost: f"{before}({cost}) 대비 {change}",
    only_before=lambda before, cost: f"{before}: {cost}",
    first=lambda before: f"{before}에는 호출이 없었습니다.",
    quiet=lambda before, calls, cost: (
        f"이 기간에는 호출이 없었습니다. {before}의 호출은 {calls}건, 비용은 {cost}입니다."
    ),
    silent="이 기간과 그 직전 기간에 호출이 없었습니다.",
    unpriced=lambda some, whole: f"호출 {whole}건 중 {some}건은 가격을 알 수 없어 금액에 포함되지 않았습니다.",
    estimated=lambda calls, cost: f"호출 {calls}건의 비용은 추정치입니다: {cost}",
    rate=lambda rate, day, source: f"1 USD = {rate}, {day} 기준 ({source})",
    rounded="금액은 미국 달러이며 반올림한 값입니다. 정확한 금액은 다음 명령으로 확인할 수 있습니다.",
    why="조직 전체의 사용량을 볼 수 있는 권한이 있어 이 보고서를 보내 드립니다.",
    off="발송 시각, 받는 사람, 발송 여부는 조직 관리 권한이 있는 사람이 바꿀 수 있습니다.",
    times=lambda timezone: f"날짜는 {timezone} 기준이며, 예산은 보고서를 만든 시점의 현황입니다.",
    action="Tollkeeper 열기",
)
WORDS: Mapping[Language, ReportWords] = {"en": ENGLISH, "ko": KOREAN}
