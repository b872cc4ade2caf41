"""`tollkeeper orgs`: list the installation's organizations, show one, change one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer
from msgspec import UNSET

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, load, with_store
from tollkeeper.cli.listing import print_list, print_object, print_table, shown_time
from tollkeeper.cli.operator import Operator, as_operator, rules_of
from tollkeeper.control import organizations
from tollkeeper.control.tiers import choose_tier
from tollkeeper.domain.errors import InvalidRequest
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
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change an organization; what is not said stays."""
    if language is not None and language not in {"en", "ko"}:
        raise InvalidRequest("The language must be en or ko.", param="language")
    spoken: Language | None = None if language is None else ("ko" if language == "ko" else "en")

    configuration = load(config, database)

    async def work(operator: Operator) -> Operator:
        rules = rules_of(configuration)
        policy = _policy(operator.organization.policy, key_age_max_days, require_expiry, require_label)
        if no_required_labels:
            policy = msgspec.structs.replace(policy, required_labels=())
        changed = await operator.change(
            organizations.update_organization,
            operator.organization.id,
            name=UNSET if name is None else name,
            timezone=UNSET if timezone is None else timezone,
            language=UNSET if spoken is None else spoken,
            policy=policy,
            fiscal_month_start=UNSET if fiscal_month_start is None else fiscal_month_start,
            tier=UNSET if tier is None else choose_tier(operator.caller.principal, rules, tier),
        )
        return msgspec.structs.replace(operator, organization=changed)

    _print(as_operator(configuration, org, work), as_json=as_json)


def _policy(
    known: KeyPolicy, key_age_max_days: int | None, require_expiry: bool | None, labels: list[str] | None
) -> KeyPolicy:
    return KeyPolicy(
        known.key_age_max_days if key_age_max_days is None else key_age_max_days or None,
        known.is_key_expiry_required if require_expiry is None else require_expiry,
        tuple(labels) if labels else known.required_labels,
    )


def _print(operator: Operator, *, as_json: bool) -> None:
    organization, policy = operator.organization, operator.organization.policy
    if as_json:
        print_object(_shown(organization))
        return
    age = f"{policy.key_age_max_days} days" if policy.key_age_max_days else "no limit"
    rows = [
        ("id", organization.id),
        ("name", organization.name),
        ("timezone", organization.timezone),
        ("language", organization.language),
        ("months begin at day", str(organization.fiscal_month_start)),
        ("tier", organization.tier),
        ("created", operator.moment(organization.created_at_us)),
        ("keys live at most", age),
        ("keys must expire", "yes" if policy.is_key_expiry_required else "no"),
        ("calls must carry", ", ".join(policy.required_labels) or "–"),
    ]
    print_table(("", ""), rows)


def _shown(organization: Organization) -> dict[str, Any]:
    return {
        "object": "organization",
        "id": organization.id,
        "name": organization.name,
        "timezone": organization.timezone,
        "language": organization.language,
        "fiscal_month_start": organization.fiscal_month_start,
        "tier": organization.tier,
        "policy": msgspec.structs.asdict(organization.policy),
        "created_at": shown_time(organization.created_at_us),
    }
