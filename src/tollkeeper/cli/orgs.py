"""`tollkeeper orgs`: list the installation's organizations, show one, change one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer
from msgspec import UNSET

from tollkeeper.cli.budget_options import OverrideOption, shown_in, what_of
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, load, with_store
from tollkeeper.cli.currency_options import Stated, currency_of
from tollkeeper.cli.listing import counted, print_list, print_object, print_table, shown_time
from tollkeeper.cli.operator import Operator, as_operator, rules_of
from tollkeeper.control import fitting
from tollkeeper.control.credits import PrepaidChoice
from tollkeeper.control.display_currency import describe_currency
from tollkeeper.control.tier_views import shown_tier_limits
from tollkeeper.control.tiers import TierLimits, choose_tier
from tollkeeper.domain.budget import Budget
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.rate_limit import RateLimitRow
from tollkeeper.domain.tenancy import KeyPolicy, Language, Organization
from tollkeeper.store.organizations import list_organizations

app = typer.Typer(help="List, show and change organizations.", no_args_is_help=True)
OrgArgument = Annotated[
    str | None, typer.Argument(help="The organization, by id or name; not needed when there is only one.")
]


@app.command("list")
def list_(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List every organization of the installation."""
    found = with_store(load(config, database), lambda store: store.read(list_organizations))
    if as_json:
        print_list(found, _shown)
    elif not found:
        typer.echo("No organization yet. Make one with: tollkeeper init --org NAME")
    else:
        print_table(("id", "name", "timezone", "language"), [(o.id, o.name, o.timezone, o.language) for o in found])


@app.command("get")
def get(
    org: OrgArgument = None, config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Show an organization with its policy."""

    async def work(operator: Operator) -> Operator:
        return operator

    _print(as_operator(load(config, database), org, work), as_json=as_json)


@app.command("update")
def update(
    org: OrgArgument = None,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Where its days begin: Asia/Seoul.")] = None,
    language: Annotated[str | None, typer.Option("--language", help="Of its e-mails: en or ko.")] = None,
    tier: Annotated[
        str | None, typer.Option("--tier", help="Whose limits it is given: free, paid, enterprise, or one of your own.")
    ] = None,
    prepaid: Annotated[
        bool | None, typer.Option("--prepaid/--no-prepaid", help="Whether its calls need credit.")
    ] = None,
    fiscal_month_start: Annotated[
        int | None, typer.Option("--fiscal-month-start", help="The day at which its months begin, 1 to 28.")
    ] = None,
    key_age_max_days: Annotated[
        int | None, typer.Option("--key-age-max-days", min=0, help="How old a key may get; 0 for no limit.")
    ] = None,
    require_expiry: Annotated[
        bool | None, typer.Option("--require-expiry/--no-require-expiry", help="Whether every new key must expire.")
    ] = None,
    require_label: Annotated[
        list[str] | None, typer.Option("--require-label", help="A label that every call must carry; repeatable.")
    ] = None,
    no_required_labels: Annotated[
        bool, typer.Option("--no-required-labels", help="Calls need no label any more.")
    ] = False,
    display_currency: Annotated[
        str | None,
        typer.Option("--display-currency", help="Shows amounts in it beside dollars: KRW; none for dollars alone."),
    ] = None,
    display_rate: Annotated[
        str | None, typer.Option("--display-rate", help="What one dollar is in it: 1385.25.")
    ] = None,
    display_rate_date: Annotated[
        str | None, typer.Option("--display-rate-date", help="The day that the rate is of; today if left out.")
    ] = None,
    display_rate_source: Annotated[
        str | None, typer.Option("--display-rate-source", help="Where the rate is from, for people.")
    ] = None,
    override: OverrideOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change an organization; what is not said stays. A tier's limits leave alone what people set by hand."""
    stated = Stated(display_currency, display_rate, display_rate_date, display_rate_source)
    configuration = load(config, database)

    async def work(operator: Operator) -> tuple[Operator, TierLimits | None]:
        rules = rules_of(configuration)
        policy = _policy(operator.organization.policy, key_age_max_days, require_expiry, require_label)
        if no_required_labels:
            policy = msgspec.structs.replace(policy, required_labels=())
        changed = await operator.change(
            fitting.update_organization,
            operator.organization.id,
            may_overfill=override,
            name=UNSET if name is None else name,
            timezone=UNSET if timezone is None else timezone,
            language=UNSET if language is None else _language_of(language),
            policy=policy,
            fiscal_month_start=UNSET if fiscal_month_start is None else fiscal_month_start,
            display_currency=currency_of(operator.organization, stated),
            prepaid=UNSET if prepaid is None else PrepaidChoice(prepaid, rules.is_credit_operators),
            tier=UNSET if tier is None else choose_tier(operator.caller.principal, rules, tier),
        )
        return msgspec.structs.replace(operator, organization=changed.organization), changed.tier_limits

    operator, limits = as_operator(configuration, org, work)
    _print(operator, limits, as_json=as_json)


def _language_of(text: str) -> Language:
    if text not in {"en", "ko"}:
        raise InvalidRequest("The language must be en or ko.", param="language")
    return "ko" if text == "ko" else "en"


def _policy(
    known: KeyPolicy, key_age_max_days: int | None, require_expiry: bool | None, labels: list[str] | None
) -> KeyPolicy:
    return KeyPolicy(
        known.key_age_max_days if key_age_max_days is None else key_age_max_days or None,
        known.is_key_expiry_required if require_expiry is None else require_expiry,
        tuple(labels) if labels else known.required_labels,
    )


def _print(operator: Operator, limits: TierLimits | None = None, *, as_json: bool) -> None:
    organization, policy = operator.organization, operator.organization.policy
    if as_json:
        brought = {} if limits is None else {"tier_limits": shown_tier_limits(limits)}
        print_object({**_shown(organization), **brought})
        return
    age = f"{policy.key_age_max_days} days" if policy.key_age_max_days else "no limit"
    rows = [
        ("id", organization.id),
        ("name", organization.name),
        ("timezone", organization.timezone),
        ("language", organization.language),
        ("months begin at day", str(organization.fiscal_month_start)),
        ("tier", organization.tier),
        ("calls need credit", "yes" if organization.is_prepaid else "no"),
        ("created", operator.moment(organization.created_at_us)),
        ("keys live at most", age),
        ("keys must expire", "yes" if policy.is_key_expiry_required else "no"),
        ("calls must carry", ", ".join(policy.required_labels) or "–"),
        ("amounts shown in", organization.display_currency.told if organization.display_currency else "USD"),
    ]
    print_table(("", ""), rows)
    if limits is not None:
        _print_limits(limits)


def _print_limits(limits: TierLimits) -> None:
    """Say what the tier made of the organization's limits."""
    for title, found in (
        ("set", limits.set),
        ("left as it is, for it was not a tier that set it last", limits.left),
        ("removed", limits.removed),
    ):
        for each in found:
            typer.echo(f"{title}: {_limit_text(each)}")


def _limit_text(limit: Budget | RateLimitRow) -> str:
    if isinstance(limit, Budget):
        return f"{what_of(limit.key)} {shown_in(limit.unit, limit.amount)}"
    rates = ((limit.requests_per_minute, "requests"), (limit.tokens_per_minute, "tokens"))
    return "rate " + ", ".join(f"{counted(rate, unit)} a minute" for rate, unit in rates if rate is not None)


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
        "policy": msgspec.structs.asdict(organization.policy),
        "display_currency": describe_currency(organization.display_currency),
        "created_at": shown_time(organization.created_at_us),
    }
