"""What the routes of budgets share: amounts by unit, scopes, enforcement, and a budget as it is answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from tollkeeper.admin.shapes import AS_INTEGER, PLAIN, OptionalNumber, Shape, Usd, id_path, nanos_of
from tollkeeper.control.budgets import COUNT_MAX, MODEL_LENGTH_MAX
from tollkeeper.domain.budget import Enforcement, Period
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.limit import Unit

ScopeId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="The id of an organization, a team, a project, a member or an API key.",
    ),
]
BudgetPath = Annotated[str, id_path("bud", "bud_0123456789ABCDEFGHIJ")]
ModelName = Annotated[
    str,
    Field(min_length=1, max_length=MODEL_LENGTH_MAX, pattern=PLAIN, description="As calls ask for it; null is all."),
]
Count = Annotated[int, Field(ge=0, le=COUNT_MAX), AS_INTEGER]
IsFromTier = Annotated[
    bool, Field(description="The organization's tier wrote it and no person since: another tier replaces it.")
]
BudgetScopeKind = Literal["organization", "team", "project", "member", "api_key"]


class AmountShape(Shape):
    """Money is stated by `amount_usd`, a count by `amount`; the other one is left out or null."""

    amount_usd: Usd | None = None
    amount: Count | None = None


class StatedAmountShape(AmountShape):
    """One of both amounts is there."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["amount_usd"]}, {"required": ["amount"]}]})


class EnforcementShape(Shape):
    hard_limit: bool = True
    notify_on_exceed: bool = True
    auto_disable_on_exceed: bool = False


class WhatShape(StatedAmountShape):
    """Which budget of a scope it is. Without a period it is the month, and for `concurrent` there is none: `total`."""

    scope: ScopeId
    model: ModelName | None = None
    unit: Unit = "usd"
    period: Period | None = None

    @property
    def chosen_period(self) -> Period:
        return self.period or ("total" if self.unit == "concurrent" else "monthly")


class BudgetAnswer(Shape):
    object: Literal["budget"]
    id: str
    scope: str
    scope_kind: BudgetScopeKind
    model: str | None
    unit: Unit
    period: Period
    amount_usd: OptionalNumber
    amount: int | None
    carryover: bool
    enforcement: EnforcementShape
    enforced: Literal[True]
    is_from_tier: IsFromTier
    created_at: str
    updated_at: str


def enforcement_of(shape: EnforcementShape) -> Enforcement:
    """Return what happens at the limit."""
    return Enforcement(shape.hard_limit, shape.notify_on_exceed, shape.auto_disable_on_exceed)


def amount_of(shape: AmountShape, unit: Unit) -> int:
    """Return the one amount that is stated, in nano-USD or as a count.

    Raises:
        InvalidRequest: it is missing, or the unit has the other field.
    """
    found = stated_amount(shape, unit)
    if found is None:
        name = "amount_usd" if unit == "usd" else "amount"
        raise InvalidRequest(f"Say how much: '{name}' for a budget of {unit}.", param=name)
    return found


def stated_amount(shape: AmountShape, unit: Unit) -> int | None:
    """Return the amount that is stated, in nano-USD or as a count; None when there is none.

    Raises:
        InvalidRequest: it is in the field of the other units.
    """
    if unit == "usd":
        if shape.amount is not None:
            raise InvalidRequest("An amount of money is stated by 'amount_usd'.", param="amount")
        return None if shape.amount_usd is None else nanos_of(shape.amount_usd)
    if shape.amount_usd is not None:
        raise InvalidRequest(f"A number of {unit} is stated by 'amount'.", param="amount_usd")
    return shape.amount
