"""What reports look like over the API: their settings, their letters, and what stands in them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tollkeeper.admin.shapes import AS_INTEGER, PLAIN, OptionalNumber, Shape
from tollkeeper.admin.usage_sums import SummedUsd
from tollkeeper.domain.budget import Period
from tollkeeper.domain.limit import LimitScope, Unit
from tollkeeper.domain.report import By
from tollkeeper.domain.report_calendar import RECIPIENTS_MAX, ReportKind, Weekday
from tollkeeper.domain.tenancy import Language

MemberId = Annotated[str, Field(min_length=1, max_length=64, pattern=PLAIN, examples=["mem_0123456789ABCDEFGHIJ"])]
DayOf = Annotated[
    str,
    Field(
        max_length=10,
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        description="Any day of the week or month, in the organization's timezone; without, the last one that is over.",
        examples=["2026-11-16"],
    ),
]
Status = Annotated[
    Literal["delivered", "pending", "failed", "not_sent", "preview"],
    Field(description="`failed` when somebody's letter could not be delivered; `not_sent` has no letters."),
]
Reason = Annotated[
    Literal["no_calls", "nobody", "no_mail_server"] | None,
    Field(description="Why no letter went out when its turn came."),
]


class PreviewBody(Shape):
    kind: ReportKind
    period: DayOf | None = None


class SendBody(PreviewBody):
    to: Annotated[
        list[MemberId] | None,
        Field(
            min_length=1,
            max_length=RECIPIENTS_MAX,
            description="Members who may read reports; without, everybody who gets them.",
        ),
    ] = None


class SettingsBody(Shape):
    """What is not named stays as it is."""

    weekly: bool | None = None
    monthly: bool | None = None
    weekday: Annotated[Weekday | None, Field(description="When the week's report is sent, after the week's end.")] = (
        None
    )
    hour: Annotated[int | None, Field(ge=0, le=23, description="In the organization's timezone."), AS_INTEGER] = None
    recipients: Annotated[
        list[MemberId] | None,
        Field(max_length=RECIPIENTS_MAX, description="Members who may read reports; null is everybody who may."),
    ] = None


class ReceiverAnswer(Shape):
    member_id: str
    email: str
    language: Language


class SettingsAnswer(Shape):
    """`receivers` is who would get a report now. Without a mail server (`sends_email`) nothing is sent."""

    object: Literal["report_settings"]
    weekly: bool
    monthly: bool
    weekday: Weekday
    hour: int
    timezone: str
    recipients: list[str] | None
    receivers: list[ReceiverAnswer]
    next_weekly_at: str | None
    next_monthly_at: str | None
    sends_email: bool


class LetterAnswer(Shape):
    id: str
    member_id: str
    recipient: str
    status: Literal["pending", "sending", "delivered", "dead", "undeliverable"]
    failure: str | None
    created_at: str
    delivered_at: str | None


class SentAnswer(Shape):
    """A report and its letters; of one that was sent by hand those that went out with it."""

    object: Literal["report"]
    id: str
    kind: ReportKind
    first_day: str
    last_day: str
    made_at: str
    scheduled_at: Annotated[str | None, Field(description="When its turn came; null before.")]
    status: Status
    reason: Reason
    letters: list[LetterAnswer]


class EntryAnswer(SentAnswer):
    """A report in a list, with what its calls came to."""

    total_requests: int
    unpriced_requests: int
    total_cost_usd: SummedUsd


class ReportSums(Shape):
    requests: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost_usd: SummedUsd
    unpriced_requests: Annotated[int, Field(description="Calls that `cost_usd` leaves out: no price is known.")]


class ChangeAnswer(Shape):
    """Against the period before. `percent` is null where that cost nothing or an unknown amount."""

    cost_usd: OptionalNumber
    percent: OptionalNumber
    is_new: Annotated[bool, Field(description="There were no calls before.")]


class ReportDayAnswer(ReportSums):
    date: str


class ReportLineAnswer(ReportSums):
    """`id` is the model, or the id of the team or project; null for calls of none."""

    id: str | None
    name: str | None
    before: ReportSums
    change: ChangeAnswer


class MoverAnswer(ReportLineAnswer):
    by: By


class ReportPartAnswer(Shape):
    """The dearest 20, and what all others come to."""

    lines: list[ReportLineAnswer]
    others_count: int
    others: ReportSums
    others_before: ReportSums


class RiskAnswer(Shape):
    """A budget as it stood when the report was made; amounts in its unit, `usd` in dollars."""

    budget_id: str
    scope_kind: LimitScope
    scope_id: str
    scope_name: str | None
    model: str | None
    unit: Unit
    period: Period
    limit: OptionalNumber
    used: OptionalNumber
    percent: OptionalNumber
    projected: OptionalNumber
    resets_at: str | None
    stopped: bool


class ContentAnswer(Shape):
    """What a report says. `estimated` is the part of the calls whose cost is an estimate."""

    organization: str
    timezone: str
    from_: Annotated[str, Field(alias="from")]
    to: str
    before_from: str
    hours: Annotated[int, Field(description="Of the period: a week in which clocks change has 167 or 169.")]
    total: ReportSums
    before: ReportSums
    change: ChangeAnswer
    estimated: ReportSums
    daily: list[ReportDayAnswer]
    by_model: ReportPartAnswer
    by_team: ReportPartAnswer
    by_project: ReportPartAnswer
    most_used_model: str | None
    risen: list[MoverAnswer]
    fallen: list[MoverAnswer]
    budgets_at_risk: list[RiskAnswer]
    more_budgets_at_risk: int


class ReportAnswer(Shape):
    """A whole report; a preview of one that was not made yet has no id."""

    object: Literal["report"]
    id: str | None
    kind: ReportKind
    first_day: str
    last_day: str
    made_at: str
    scheduled_at: str | None
    status: Status
    reason: Reason
    letters: list[LetterAnswer]
    total_requests: int
    unpriced_requests: int
    total_cost_usd: SummedUsd
    content: ContentAnswer
