"""How figures are written on pages: money to the nano behind what is shown, counts, shares, durations, times of a timezone."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

from tollkeeper.control.budget_status import StandingBudget
from tollkeeper.control.budget_status import permille as used_permille
from tollkeeper.control.display_currency import show_amount
from tollkeeper.domain.currency import DisplayCurrency, format_rate
from tollkeeper.domain.money import NANOS_PER_USD, format_usd
from tollkeeper.domain.window import begin_of_day_us
from tollkeeper.kit.clock import utc
from tollkeeper.web.languages import Language

_USUAL_LENGTH = 8
"""Of an amount, in characters: a longer one is written smaller where amounts stand large."""
DASH = "—"
_US_PER_MS = 1000
Precision = Literal["day", "minute", "second"]
_PATTERNS: dict[Precision, str] = {"day": "yyyy-MM-dd", "minute": "yyyy-MM-dd HH:mm", "second": "yyyy-MM-dd HH:mm:ss"}


class Figures:
    """Writes figures for one reader: their language, the organization's timezone."""

    def __init__(self, language: Language, timezone: str, currency: DisplayCurrency | None = None) -> None:
        self.language, self.timezone, self.currency = language, timezone, currency
        self.zone = ZoneInfo(timezone)
        self.has_shown = False  # an amount in the currency: the foot of the page says at what rate

    def usd(self, nanos: int | None) -> Markup:
        """Return an amount as it is read; what is exact to the nano stands behind it. None is no known amount."""
        if nanos is None:
            return Markup('<span class="none">{}</span>').format(DASH)
        text = self.usd_text(nanos)
        return Markup('<data class="usd" value="{}" title="${}"{}>{}</data>').format(
            nanos, format_usd(nanos), Markup(" data-long") if len(text) > _USUAL_LENGTH else "", text
        )

    def exact(self, nanos: int | None) -> Markup:
        """Return an amount to the nano, for lines that are to add up before the reader's eyes; below it as `money`."""
        if nanos is None:
            return self.usd(nanos)
        whole, _, part = format_usd(abs(nanos)).partition(".")
        digits = f"{'-' if nanos < 0 else ''}${format_decimal(int(whole), locale=self.language)}.{part}"
        text = self.shown(nanos)
        return Markup('<data class="usd" value="{}">{}</data>').format(nanos, digits) + (
            Markup(' <span class="shown">{}</span>').format(text) if text else Markup()
        )

    def money(self, nanos: int | None) -> Markup:
        """Return an amount with what it is in the organization's other currency below it; in dollars alone without one."""
        text = self.shown(nanos)
        return self.usd(nanos) + (Markup(' <span class="shown">{}</span>').format(text) if text else Markup())

    def both(self, nanos: int | None) -> Markup:
        """Return an amount for a sentence: with what it is in the organization's other currency in brackets behind it."""
        text = self.shown(nanos)
        return self.usd(nanos) + (Markup(' <span class="also">({})</span>').format(text) if text else Markup())

    def shown(self, nanos: int | None) -> str:
        """Return an amount in the currency that the organization shows beside dollars; "" without one."""
        if self.currency is None or nanos is None:
            return ""
        self.has_shown = True
        return f"≈ {show_amount(nanos, self.currency, self.language).text}"

    @property
    def rate(self) -> str:
        """What a dollar is in the currency shown beside dollars."""
        return format_rate(self.currency.rate_micros) if self.currency else ""

    def usd_text(self, nanos: int) -> str:
        """Return an amount as it is read: to the cent from a dollar on, with more digits the smaller it is."""
        size = abs(nanos)
        places = 2 if size >= NANOS_PER_USD or not nanos else 4 if size >= NANOS_PER_USD // 100 else 6
        if 0 < size < 1000:
            places = 9
        shown = (Decimal(size) / NANOS_PER_USD).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
        whole, _, part = f"{shown:f}".partition(".")
        part = part.rstrip("0").ljust(2, "0")
        return f"{'-' if nanos < 0 else ''}${format_decimal(int(whole), locale=self.language)}.{part}"

    def price(self, usd: object) -> str:
        """Return a price in dollars exactly, with its groups of digits."""
        return f"${Decimal(str(usd)):,f}"

    def plain(self, unit: str, amount: int) -> str:
        """Return an amount as a field takes it: dollars exactly, or a whole number."""
        return format_usd(amount) if unit == "usd" else str(amount)

    def percent(self, permille: int) -> str:
        """Return thousandths as a field in percent takes them: 80, or 12.5."""
        whole, tenth = divmod(permille, 10)
        return f"{whole}.{tenth}" if tenth else str(whole)

    def count(self, number: int | None) -> str:
        """Return a whole number with its groups of digits."""
        return DASH if number is None else format_decimal(number, locale=self.language)

    def share(self, part: int | None, whole: int) -> str:
        """Return a part of a whole in percent; a dash of nothing, or when the part is not known."""
        if part is None or not whole:
            return DASH
        return format_percent(Decimal(part) / Decimal(whole), "#,##0.#%", locale=self.language)

    def permille(self, part: int | None) -> str:
        """Return thousandths in percent; a dash of nothing."""
        return DASH if part is None else self.share(part, 1000)

    def used(self, found: StandingBudget) -> str:
        """Return which part of a budget is used, as e-mails and commands say it: never more than it is."""
        return self.permille(used_permille(found.standing))

    def change(self, now: int | None, before: int | None) -> str:
        """Return by how much something changed, in percent with its sign; a dash when there was nothing, or nobody knows."""
        if now is None or not before:
            return DASH
        by = Decimal(now - before) / Decimal(before)
        return f"{'+' if by > 0 else ''}{format_percent(by, '#,##0.#%', locale=self.language)}"

    def duration(self, us: int | None) -> str:
        """Return a time span in milliseconds, or seconds from ten on."""
        if us is None:
            return DASH
        if us >= 10_000_000:
            return f"{format_decimal(Decimal(us // 100_000) / 10, locale=self.language)} s"
        ms = Decimal(us) / _US_PER_MS
        places = "1" if us >= 100 * _US_PER_MS else "0.1" if us >= _US_PER_MS else "0.001"
        return f"{format_decimal(ms.quantize(Decimal(places)), locale=self.language)} ms"

    def mean(self, us_total: int | None, number: int) -> str:
        """Return the mean of time spans."""
        return DASH if us_total is None or not number else self.duration(us_total // number)

    def moment(self, at_us: int | None, *, to: Precision = "minute") -> Markup:
        """Return a time as clocks in the organization's timezone show it; what is exact stands behind it."""
        if at_us is None:
            return Markup('<span class="none">{}</span>').format(DASH)
        at = self.local(at_us)
        shown = format_datetime(at, _PATTERNS[to], locale=self.language)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            at.isoformat(), f"{at.isoformat()} ({self.timezone})", shown
        )

    def day(self, at: date) -> str:
        """Return a day in a few words: Mon, Nov 23."""
        pattern = "M월 d일 (E)" if self.language == "ko" else "E, MMM d"
        return format_date(at, pattern, locale=self.language)

    def day_of(self, iso: str) -> str:
        """Return a day that is written as a date, in a few words."""
        return self.day(date.fromisoformat(iso))

    def day_field(self, written: date | str) -> str:
        """Return the type of a field that can show what was written for a day: one for days shows nothing else."""
        if not written or isinstance(written, date):
            return "date"
        try:
            return "date" if date.fromisoformat(written).isoformat() == written else "text"
        except ValueError:
            return "text"

    def midnight_us(self, day: date) -> int:
        """Return when a day begins in the organization's timezone."""
        return begin_of_day_us(day, self.zone)

    def local(self, at_us: int) -> datetime:
        """Return a time in the organization's timezone."""
        return utc(at_us).astimezone(self.zone)
