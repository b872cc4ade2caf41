"""What an organization's file can say: its entries and their fields. A field that is left out stays as it is."""

from __future__ import annotations

from enum import Enum, auto
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType, field

from tollkeeper.control.budgets import PERIODS, UNITS
from tollkeeper.domain.budget import AlertAction, BudgetKey, Enforcement
from tollkeeper.domain.tenancy import Language


class Form(Enum):
    """How a field is written, beside its type; `forms` reads and shows them."""

    NAME = auto()
    EMAIL = auto()
    TIMEZONE = auto()
    PERMISSION = auto()
    MODEL = auto()
    PATTERN = auto()  # a model's name, with * and ?
    ADDRESS = auto()  # an address or a network
    USD = auto()  # dollars; nano-USD here
    THRESHOLD = auto()  # 0.75; thousandths here
    TIME = auto()  # ISO 8601; microseconds since 1970 here
    COUNT = auto()
    RATE = auto()
    AGE = auto()  # days
    MONTH_START = auto()  # a day of the month, 1 to 28
    CURRENCY = auto()  # an ISO 4217 code
    EXCHANGE_RATE = auto()  # of a currency per dollar; millionths here
    DAY = auto()  # 2026-11-20
    LABEL_NAME = auto()
    LABELS = auto()
    ALERTS = auto()
    MODELS = auto()
    VERSION = auto()
    ONE_OR_MORE = auto()  # a list of one may be written without being a list


Name = Annotated[str, Form.NAME]
Usd = Annotated[int, Form.USD]
Names = Annotated[str, Form.PERMISSION]
Amount = Usd | UnsetType | None
"""None takes the budget away."""
Count = Annotated[int, Form.COUNT] | UnsetType | None


class BudgetEntry(msgspec.Struct, frozen=True):
    """Budgets of one or several periods and units on the same terms, for one model or for all."""

    model: Annotated[str, Form.MODEL] | None = None
    daily_nanos: Amount = field(default=UNSET, name="daily_usd")
    weekly_nanos: Amount = field(default=UNSET, name="weekly_usd")
    monthly_nanos: Amount = field(default=UNSET, name="monthly_usd")
    total_nanos: Amount = field(default=UNSET, name="total_usd")
    daily_requests: Count = UNSET
    weekly_requests: Count = UNSET
    monthly_requests: Count = UNSET
    total_requests: Count = UNSET
    daily_tokens: Count = UNSET
    weekly_tokens: Count = UNSET
    monthly_tokens: Count = UNSET
    total_tokens: Count = UNSET
    concurrent_calls: Count = UNSET
    carryover: bool = False
    hard_limit: bool = True
    notify_on_exceed: bool = True
    auto_disable_on_exceed: bool = False

    @property
    def amounts(self) -> dict[BudgetKey, int | None]:
        """What is stated, by keys without a scope."""
        stated = {key: getattr(self, name) for key, name in _FIELDS.items()}
        model = self.model or ""
        return {
            msgspec.structs.replace(key, model=model): amount for key, amount in stated.items() if amount is not UNSET
        }

    def with_amount(self, key: BudgetKey, amount: int) -> BudgetEntry:
        """Return the entry with one amount more; `key` is for the same model."""
        return msgspec.structs.replace(self, **{_FIELDS[msgspec.structs.replace(key, model="")]: amount})

    @property
    def enforcement(self) -> Enforcement:
        return Enforcement(self.hard_limit, self.notify_on_exceed, self.auto_disable_on_exceed)


_FIELDS: dict[BudgetKey, str] = {
    BudgetKey("", "total", "concurrent"): "concurrent_calls",
    **{
        BudgetKey("", period, unit): f"{period}_{'nanos' if unit == 'usd' else unit}"
        for period in PERIODS
        for unit in UNITS
        if unit != "concurrent"
    },
}


Budgets = Annotated[tuple[BudgetEntry, ...], Form.ONE_OR_MORE] | UnsetType


class AlertEntry(msgspec.Struct, frozen=True):
    """At which part of the monthly budget something is to happen."""

    permille: Annotated[int, Form.THRESHOLD] = field(name="threshold")
    action: AlertAction


class ModelLimitEntry(msgspec.Struct, frozen=True):
    """A project's limits for one model; what is left out is no limit."""

    daily_requests: Annotated[int, Form.COUNT] | None = None
    daily_budget_nanos: Usd | None = field(default=None, name="daily_budget_usd")


class RateEntry(msgspec.Struct, frozen=True):
    """A key's own limits; what is left out is no limit."""

    requests_per_minute: Annotated[int, Form.RATE] | None = None
    requests_per_day: Annotated[int, Form.RATE] | None = None
    tokens_per_minute: Annotated[int, Form.RATE] | None = None


class KeyEntry(msgspec.Struct, frozen=True):
    """A service's key. Its secret is made when it is created, and never in a file that is applied."""

    name: Name
    permissions: tuple[Names, ...] | UnsetType = UNSET
    expires_at_us: Annotated[int, Form.TIME] | UnsetType | None = field(default=UNSET, name="expires_at")
    rate_limit: RateEntry | UnsetType = UNSET
    allowed_ips: tuple[Annotated[str, Form.ADDRESS], ...] | UnsetType = UNSET
    allowed_models: tuple[Annotated[str, Form.PATTERN], ...] | UnsetType = UNSET
    labels: Annotated[dict[str, str], Form.LABELS] | UnsetType = UNSET
    is_disabled: bool | UnsetType = field(default=UNSET, name="disabled")


class ProjectEntry(msgspec.Struct, frozen=True):
    """A project, in the team that it stands under or in none."""

    name: Name
    budget: Budgets = UNSET
    quota_alerts: Annotated[tuple[AlertEntry, ...], Form.ALERTS] | UnsetType = UNSET
    model_limits: Annotated[dict[Annotated[str, Form.MODEL], ModelLimitEntry], Form.MODELS] | UnsetType = UNSET
    keys: tuple[KeyEntry, ...] | UnsetType = UNSET


class TeamEntry(msgspec.Struct, frozen=True):
    """A team with its projects."""

    name: Name
    budget: Budgets = UNSET
    projects: tuple[ProjectEntry, ...] | UnsetType = UNSET


class RoleEntry(msgspec.Struct, frozen=True):
    """A role of the organization's own."""

    name: Name
    permissions: tuple[Names, ...]
    description: str | UnsetType = UNSET


class MemberRoleEntry(msgspec.Struct, frozen=True):
    """A role at a team or a project; at neither it is for the whole organization."""

    role: Name
    team: Name | None = None
    project: Name | None = None


class MemberEntry(msgspec.Struct, frozen=True):
    """A person, who is invited unless the address has an account already."""

    email: Annotated[str, Form.EMAIL]
    roles: tuple[MemberRoleEntry, ...] = ()


class PolicyEntry(msgspec.Struct, frozen=True):
    """What the organization asks of its keys; replaced as a whole."""

    key_age_max_days: Annotated[int, Form.AGE] | None = None
    is_key_expiry_required: bool = False
    required_labels: tuple[Annotated[str, Form.LABEL_NAME], ...] = ()


class CurrencyEntry(msgspec.Struct, frozen=True):
    """What amounts are shown in beside dollars; replaced as a whole."""

    code: Annotated[str, Form.CURRENCY]
    rate_micros: Annotated[int, Form.EXCHANGE_RATE] = field(name="rate")
    rate_date: Annotated[str, Form.DAY]
    source: str


class OrganizationEntry(msgspec.Struct, frozen=True):
    """The organization itself."""

    name: Name | UnsetType = UNSET
    timezone: Annotated[str, Form.TIMEZONE] | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    fiscal_month_start: Annotated[int, Form.MONTH_START] | UnsetType = UNSET
    policy: PolicyEntry | UnsetType = UNSET
    display_currency: CurrencyEntry | UnsetType | None = UNSET  # None takes it away
    budget: Budgets = UNSET


class Document(msgspec.Struct, frozen=True):
    """The whole file. A section that is left out is not looked at, and nothing of its kind is ever pruned."""

    version: Annotated[int, Form.VERSION] = 1
    organization: OrganizationEntry | UnsetType = UNSET
    roles: tuple[RoleEntry, ...] | UnsetType = UNSET
    teams: tuple[TeamEntry, ...] | UnsetType = UNSET
    projects: tuple[ProjectEntry, ...] | UnsetType = UNSET
    members: tuple[MemberEntry, ...] | UnsetType = UNSET
