"""/v1/organizations: found one, list one's own, get and change the caller's."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from msgspec import UNSET, UnsetType
from pydantic import Field, WithJsonSchema

from tollkeeper.admin.budget_shapes import BudgetAnswer
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.rate_limits import RateLimitAnswer
from tollkeeper.admin.shapes import (
    AS_INTEGER,
    After,
    Limit,
    ListPage,
    Name,
    Number,
    PlainDecimal,
    Shape,
    administration_of,
    answer,
    id_path,
    list_answer,
    shown_time,
)
from tollkeeper.control import organizations
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Caller
from tollkeeper.control.credits import PrepaidChoice
from tollkeeper.control.display_currency import describe_currency
from tollkeeper.control.people import as_person
from tollkeeper.control.tier_views import shown_tier_limits
from tollkeeper.control.tiers import choose_tier
from tollkeeper.domain.currency import MICROS_PER_UNIT, SOURCE_LENGTH_MAX, DisplayCurrency
from tollkeeper.domain.label import LABELS_MAX
from tollkeeper.domain.tenancy import KeyPolicy, Language, Organization

router = APIRouter(tags=["organizations"])
OrganizationPath = Annotated[str, id_path("org", "org_0123456789ABCDEFGHIJ")]
Timezone = Annotated[
    str,
    Field(
        min_length=1, max_length=64, description="An IANA name; it decides where days begin.", examples=["Asia/Seoul"]
    ),
]
MonthStart = Annotated[
    int, Field(ge=1, le=organizations.MONTH_START_MAX, description="The day at which its months begin."), AS_INTEGER
]
LabelName = Annotated[str, Field(min_length=1, max_length=64)]


class PolicyShape(Shape):
    """What the organization asks of its keys and calls. A policy is replaced as a whole."""

    key_age_max_days: Annotated[int, Field(ge=1, le=organizations.KEY_AGE_MAX_DAYS), AS_INTEGER] | None = None
    is_key_expiry_required: bool = False
    required_labels: list[LabelName] = Field(default_factory=list, max_length=LABELS_MAX)


class CurrencyShape(Shape):
    """A currency that amounts are shown in beside dollars; nothing is booked in it."""

    code: Annotated[
        str, Field(min_length=3, max_length=3, description="ISO 4217, in capitals; not USD.", examples=["KRW"])
    ]
    rate: Annotated[
        PlainDecimal,
        Field(
            gt=0, le=1_000_000_000, max_digits=16, decimal_places=6, description="What one dollar is, to a millionth."
        ),
        WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000, "examples": [1385.25]}),
    ]
    rate_date: Annotated[
        str, Field(min_length=10, max_length=10, description="The day that the rate is of.", examples=["2026-11-20"])
    ]
    source: Annotated[
        str, Field(min_length=1, max_length=SOURCE_LENGTH_MAX, description="Where the rate is from, for people.")
    ]

    def choice(self) -> DisplayCurrency:
        """Return what is chosen; its rate is exact."""
        micros = self.rate * MICROS_PER_UNIT
        assert micros == int(micros), "more than six decimals were let in"
        return DisplayCurrency(self.code, int(micros), self.rate_date, self.source)


class CurrencyAnswer(Shape):
    code: str
    rate: Number
    rate_micros: Annotated[int, Field(description="Millionths of the currency per dollar.")]
    rate_date: str
    source: str


class OrganizationBody(Shape):
    name: Name
    timezone: Timezone = "UTC"
    language: Language = "en"


class OrganizationChanges(Shape):
    """What is left out, or null, stays as it is; but for `display_currency`, which null takes away."""

    name: Name | None = None
    timezone: Timezone | None = None
    language: Language | None = None
    policy: PolicyShape | None = None
    fiscal_month_start: MonthStart | None = None
    tier: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    prepaid: bool | None = None
    display_currency: CurrencyShape | None = None


class OrganizationAnswer(Shape):
    object: Literal["organization"]
    id: str
    name: str
    timezone: str
    language: Language
    fiscal_month_start: int
    tier: str
    prepaid: bool
    policy: PolicyShape
    display_currency: Annotated[
        CurrencyAnswer | None, Field(description="What amounts are shown in beside dollars; null for none.")
    ]
    created_at: str


class TierLimitsShape(Shape):
    """Budgets and rate limits of the whole organization, by what became of them."""

    set: list[BudgetAnswer | RateLimitAnswer]
    left: list[BudgetAnswer | RateLimitAnswer]
    removed: list[BudgetAnswer | RateLimitAnswer]


class ChangedAnswer(OrganizationAnswer):
    tier_limits: Annotated[TierLimitsShape | None, Field(description="When a tier was stated; else left out.")] = None


class FoundedAnswer(OrganizationAnswer):
    default_project_id: str


@router.post("/v1/organizations", response_model=FoundedAnswer, summary="Found an organization, as a person")
async def create_organization(
    request: Request, body: OrganizationBody, caller: Annotated[Caller, Depends(requires("login"))]
) -> Response:
    """Make an organization with a default project. Whoever asks becomes its org_admin.

    Where `accounts.sign_up` is "open", everybody with a verified e-mail address may; elsewhere it is the operator's.
    """
    made = await administration_of(request).change(
        as_person(caller),
        organizations.create_organization,
        name=body.name,
        timezone=body.timezone,
        language=body.language,
        is_open=_rules_of(request).sign_up == "open",
        trial=_rules_of(request).trial,
        tier=_rules_of(request).default_tier,
    )
    return answer({**_shown(made.organization), "default_project_id": made.project.id})


@router.get("/v1/organizations", response_model=ListPage[OrganizationAnswer], summary="List one's organizations")
async def list_organizations(
    request: Request,
    caller: Annotated[Caller, Depends(requires("login"))],
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """List the organizations that a person belongs to; for an API key the one that it is of."""
    found = await administration_of(request).look(
        caller, organizations.list_organizations, after=after, limit=limit + 1
    )
    return list_answer(found, limit, _shown)


@router.get("/v1/organizations/{organization_id}", response_model=OrganizationAnswer, summary="Get the organization")
async def get_organization(
    request: Request, organization_id: OrganizationPath, caller: Annotated[Caller, Depends(requires("membership"))]
) -> Response:
    return answer(
        _shown(await administration_of(request).look(caller, organizations.get_organization, organization_id))
    )


@router.patch(
    "/v1/organizations/{organization_id}", response_model=ChangedAnswer, summary="Change the organization's fields"
)
@router.put("/v1/organizations/{organization_id}", response_model=ChangedAnswer, summary="Change the organization")
async def update_organization(
    request: Request,
    organization_id: OrganizationPath,
    body: OrganizationChanges,
    caller: Annotated[Caller, Depends(requires("org:manage"))],
) -> Response:
    """Change what is stated. A tier brings its own limits for the whole organization in place of the tier's before.

    What people made or changed by hand stays. `tier_limits`, when a tier was stated, says which limits were set, which
    were left for that reason, and which were removed.
    """
    rules = _rules_of(request)
    changed = await administration_of(request).change(
        caller,
        organizations.update_organization,
        organization_id,
        prepaid=UNSET if body.prepaid is None else PrepaidChoice(body.prepaid, rules.is_credit_operators),
        tier=UNSET if body.tier is None else choose_tier(caller.principal, rules, body.tier),
        name=UNSET if body.name is None else body.name,
        timezone=UNSET if body.timezone is None else body.timezone,
        language=UNSET if body.language is None else body.language,
        policy=UNSET if body.policy is None else _policy_of(body.policy),
        fiscal_month_start=UNSET if body.fiscal_month_start is None else body.fiscal_month_start,
        display_currency=_currency_of(body),
    )
    limits = {} if changed.tier_limits is None else {"tier_limits": shown_tier_limits(changed.tier_limits)}
    return answer({**_shown(changed.organization), **limits})


def _rules_of(request: Request) -> AccountRules:
    """Return the rules for accounts; an application without any lets nobody found an organization."""
    people = getattr(request.app.state, "people", None)
    rules: AccountRules = people.rules if people is not None else AccountRules()
    return rules


def _currency_of(body: OrganizationChanges) -> DisplayCurrency | UnsetType | None:
    if "display_currency" not in body.model_fields_set:
        return UNSET
    return None if body.display_currency is None else body.display_currency.choice()


def _policy_of(shape: PolicyShape) -> KeyPolicy:
    return KeyPolicy(shape.key_age_max_days, shape.is_key_expiry_required, tuple(shape.required_labels))


def _shown(organization: Organization) -> dict[str, Any]:
    return {
        "object": "organization",
        "id": organization.id,
        "name": organization.name,
        "timezone": organization.timezone,
        "language": organization.language,
        "fiscal_month_start": organization.fiscal_month_start,
        "tier": organization.tier,
        "prepaid": organization.is_prepaid,
        "policy": {
            "key_age_max_days": organization.policy.key_age_max_days,
            "is_key_expiry_required": organization.policy.is_key_expiry_required,
            "required_labels": list(organization.policy.required_labels),
        },
        "display_currency": describe_currency(organization.display_currency),
        "created_at": shown_time(organization.created_at_us),
    }
