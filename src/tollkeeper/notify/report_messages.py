"""The e-mail of a report: which of its figures are shown, how they are written, in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from tollkeeper.domain.currency import DisplayCurrency, format_rate
from tollkeeper.domain.money import NANOS_PER_USD, round_usd
from tollkeeper.domain.report import (
    Breakdown,
    BudgetAtRisk,
    By,
    Change,
    Mover,
    ReportContent,
    ReportLine,
    Sums,
    change_between,
)
from tollkeeper.notify import english, korean
from tollkeeper.notify.foreign_text import shown, shown_person
from tollkeeper.notify.letter import Stationery
from tollkeeper.notify.message import Message
from tollkeeper.notify.reader import Language, Reader
from tollkeeper.notify.report_layout import FULL, ReportPage, Row, Section, lay_out_report
from tollkeeper.notify.report_words import WORDS, ReportWords

LINES_SHOWN_MAX = 8
_UNKNOWN = "–"
_STATIONERY: Mapping[Language, Stationery] = {"en": english.STATIONERY, "ko": korean.STATIONERY}
_REPORT_ID = re.compile(r"rep_[0-9A-Za-z]+")
_CENTS, _FINE, _FINEST = 2, 4, 6
"""Decimals of amounts: the same in a whole report, more when there is little to show."""


class Beside(NamedTuple):
    """Another currency beside dollars, and how nano-dollars are written in it."""

    currency: DisplayCurrency
    write: Callable[[int], str]


def report_email(
    reader: Reader, content: ReportContent, *, report_id: str, path: str, beside: Beside | None = None
) -> Message:
    """Write a report to one of those who may read it; `path` is the page that it leads to."""
    assert _REPORT_ID.fullmatch(report_id), "a report's id is pasted into a shell"
    writer = _Writer(reader, content, beside)
    stationery = _STATIONERY[reader.language]
    page = writer.page(report_id)
    return lay_out_report(page, stationery, link=reader.link(path), public_url=reader.public_url)


class _Writer:
    """Writes one report in one language, all its amounts to the same number of decimals."""

    def __init__(self, reader: Reader, content: ReportContent, beside: Beside | None) -> None:
        self._reader, self._content, self._beside = reader, content, beside
        self._words: ReportWords = WORDS[reader.language]
        most = max(content.total.amount_nanos, content.before.amount_nanos)
        self._places = _CENTS if most >= NANOS_PER_USD else _FINE if most >= NANOS_PER_USD // 100 else _FINEST

    def page(self, report_id: str) -> ReportPage:
        content, words = self._content, self._words
        has_calls = bool(content.total.requests)
        return ReportPage(
            title=words.kind[content.kind],
            organization=shown(content.organization_name),
            span=words.span(date.fromisoformat(content.first_day), date.fromisoformat(content.last_day)),
            amount=self._cost(content.total) if has_calls else "",
            shown=self._shown(content.total) if has_calls else "",
            headline=self._headline(),
            facts=tuple(self._facts()) if has_calls else (),
            sections=tuple(section for section in self._sections() if section.rows),
            doubts=tuple(self._doubts()),
            notes=(*self._rate(), words.times(content.timezone), f"{words.why} {words.off}"),
            command=(words.rounded, f"tollkeeper reports show {report_id}"),
            action=words.action,
        )

    def _headline(self) -> str:
        content, words = self._content, self._words
        before = words.before[content.kind]
        if not content.total.requests:
            if not content.before.requests:
                return words.silent
            return words.quiet(before, f"{content.before.requests:,}", self._cost(content.before))
        if content.change.is_new:
            return words.first(before)
        if content.change.amount_nanos is None:
            return words.only_before(before, self._cost(content.before))
        amount = self._signed(content.change.amount_nanos)
        share = self._share(content.change)
        return words.against(f"{amount} ({share})" if share else amount, before, self._cost(content.before))

    def _facts(self) -> Iterator[tuple[str, str]]:
        content, words = self._content, self._words
        calls = f"{content.total.requests:,}"
        failed = content.total.errors
        yield words.calls, words.errors(calls, f"{failed:,}") if failed else calls
        yield words.tokens, f"{content.total.tokens:,}"
        if content.most_used_model is not None:
            yield words.most_used, shown(content.most_used_model)

    def _sections(self) -> Iterator[Section]:
        content, words = self._content, self._words
        if content.total.requests:
            yield self._days()
            yield self._part("model", content.models)
            yield self._part("project", content.projects)
            if any(line.value for line in content.teams.lines):
                yield self._part("team", content.teams)
        if content.before.requests:
            yield Section(words.risen, tuple(map(self._moved, content.risen)))
            yield Section(words.fallen, tuple(map(self._moved, content.fallen)))
        more = words.budgets_more(content.budgets_more) if content.budgets_more else ""
        yield Section(words.budgets, tuple(map(self._budget, content.budgets)), more)

    def _days(self) -> Section:
        most = max(each.sums.amount_nanos for each in self._content.days)
        rows = [
            Row(
                name=self._words.day(date.fromisoformat(each.day)),
                amount=self._cost(each.sums),
                shown=self._shown(each.sums),
                bar_permille=_part_of(each.sums.amount_nanos, most),
            )
            for each in self._content.days
        ]
        return Section(self._words.by_day, tuple(rows))

    def _part(self, by: By, part: Breakdown) -> Section:
        """Return the dearest lines that have calls, and all others in one."""
        used = [line for line in part.lines if line.now.requests]
        lines, rest = used[:LINES_SHOWN_MAX], used[LINES_SHOWN_MAX:]
        most = max((line.now.amount_nanos for line in lines), default=0)
        rows = [
            Row(
                name=self._name(by, line),
                amount=self._cost(line.now),
                shown=self._shown(line.now),
                change=self._share(line.change),
                bar_permille=_part_of(line.now.amount_nanos, most),
            )
            for line in lines
        ]
        others = Sums.total([part.others_now, *(line.now for line in rest)])
        if others.requests:
            count = part.others_count + len(rest)
            others_before = Sums.total([part.others_before, *(line.before for line in rest)])
            rows.append(
                Row(
                    name=self._words.others(count),
                    amount=self._cost(others),
                    shown=self._shown(others),
                    change=self._share(change_between(others_before, others)),
                    bar_permille=_part_of(others.amount_nanos, max(most, others.amount_nanos)),
                )
            )
        return Section(self._words.by[by], tuple(rows))

    def _moved(self, mover: Mover) -> Row:
        amount = mover.line.change.amount_nanos
        assert amount is not None, "what has an unknown cost is no mover"
        return Row(
            name=self._name(mover.by, mover.line),
            kind=self._words.one[mover.by],
            amount=self._signed(amount),
            change=self._share(mover.line.change),
        )

    def _budget(self, budget: BudgetAtRisk) -> Row:
        words = self._words
        scope = shown_person(budget.scope_name) if budget.scope_kind == "member" else shown(budget.scope_name)
        details = [words.of_limit(self._in_unit(budget, budget.used), self._in_unit(budget, budget.limit))]
        details += [shown(budget.model)] if budget.model else []
        details += [words.expected(self._in_unit(budget, budget.projected))] if budget.projected is not None else []
        details += [words.stopped] if budget.is_stopped else []
        details += [words.anew(self._reader.when(budget.resets_at_us))] if budget.resets_at_us is not None else []
        used = budget.used_permille
        return Row(
            name=scope,
            kind=f"{words.scopes[budget.scope_kind]}, {words.periods[budget.period]}",
            detail=" · ".join(details),
            amount=_UNKNOWN if used is None else _percent(used),
            bar_permille=min(used or 0, FULL),
        )

    def _doubts(self) -> Iterator[str]:
        """Say what the amounts do not cover, and what of them is not sure."""
        content, words = self._content, self._words
        total = content.total
        if total.unpriced_requests:
            yield words.unpriced(f"{total.unpriced_requests:,}", f"{total.requests:,}")
        if content.estimated.requests:
            yield words.estimated(f"{content.estimated.requests:,}", self._cost(content.estimated))

    def _name(self, by: By, line: ReportLine) -> str:
        if not line.value:
            return self._words.nothing[by]
        return shown(line.name or line.value)

    def _cost(self, sums: Sums) -> str:
        return self._words.unknown if sums.cost_nanos is None else self._usd(sums.cost_nanos)

    def _rate(self) -> Iterator[str]:
        if self._beside is not None:
            chosen = self._beside.currency
            yield self._words.rate(
                f"{format_rate(chosen.rate_micros)} {chosen.code}", chosen.rate_date, shown(chosen.source)
            )

    def _shown(self, sums: Sums) -> str:
        """Return an amount in the other currency; "" without one."""
        if self._beside is None or sums.cost_nanos is None:
            return ""
        return f"≈ {self._beside.write(sums.cost_nanos)}"

    def _usd(self, nanos: int) -> str:
        text = round_usd(nanos, places=self._places)
        return f"<${text[1:]}" if text.startswith("<") else f"${text}"

    def _signed(self, nanos: int) -> str:
        sign = "+" if nanos > 0 else "−" if nanos < 0 else "±"
        return f"{sign}{self._usd(abs(nanos))}"

    def _in_unit(self, budget: BudgetAtRisk, amount: int) -> str:
        if budget.unit == "usd":
            return f"${round_usd(amount, places=_CENTS)}".replace("$<", "<$")
        return self._words.units[budget.unit](f"{amount:,}")

    def _share(self, change: Change) -> str:
        """Return a change in percents; "new" where there was nothing before, "" where nothing can be said."""
        if change.is_new:
            return self._words.new
        if change.permille is None:
            return ""
        sign = "+" if change.permille > 0 else "−" if change.permille < 0 else "±"
        return f"{sign}{_percent(abs(change.permille))}"


def _percent(permille: int) -> str:
    whole, part = divmod(permille, 10)
    return f"{whole:,}.{part} %"


def _part_of(part: int, whole: int) -> int:
    """Return how long a bar is beside the longest; what is more than nothing can be seen."""
    if part <= 0 or whole <= 0:
        return 0
    return max(part * FULL // whole, 1)
