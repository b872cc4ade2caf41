"""`tollkeeper keys update`: what is given changes, the rest stays."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tollkeeper.cli import key_report
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.key_options import (
    Addresses,
    Expires,
    KeyArgument,
    Labels,
    Models,
    Rpd,
    Rpm,
    Tpm,
    named_key,
    project_names,
    read_labels,
    read_moment,
    read_rate_change,
)
from tollkeeper.cli.listing import print_object
from tollkeeper.cli.operator import Operator, as_operator
from tollkeeper.control import api_keys
from tollkeeper.control.api_keys import KeyUpdate
from tollkeeper.control.key_views import shown_key
from tollkeeper.domain.errors import InvalidRequest


def update(
    key: KeyArgument,
    name: Annotated[str | None, typer.Option("--name", help="Its new name.")] = None,
    add_permission: Annotated[list[str] | None, typer.Option("--add-permission", help="Again for more.")] = None,
    remove_permission: Annotated[list[str] | None, typer.Option("--remove-permission", help="Again for more.")] = None,
    expires: Expires = None,
    no_expiry: Annotated[bool, typer.Option("--no-expiry", help="It never ends.")] = False,
    allow_ip: Addresses = None,
    any_ip: Annotated[bool, typer.Option("--any-ip", help="From every address.")] = False,
    allow_model: Models = None,
    any_model: Annotated[bool, typer.Option("--any-model", help="Every model.")] = False,
    rpm: Rpm = None,
    rpd: Rpd = None,
    tpm: Tpm = None,
    no_rate_limit: Annotated[bool, typer.Option("--no-rate-limit", help="No limits but those given.")] = False,
    label: Labels = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="No labels of its own.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a key, on every replica within a second. Addresses, models and labels given take the place of all before;
    of its limits the others stay.
    """
    _refuse_both(
        expires=(expires, no_expiry), ip=(allow_ip, any_ip), model=(allow_model, any_model), label=(label, no_labels)
    )
    wanted: dict[str, Any] = {
        "add_permissions": frozenset(add_permission or ()),
        "remove_permissions": frozenset(remove_permission or ()),
    }
    if name is not None:
        wanted["name"] = name
    replaced = {
        "allowed_ips": (tuple(allow_ip or ()), any_ip),
        "allowed_models": (tuple(allow_model or ()), any_model),
        "labels": (read_labels(label), no_labels),
    }
    wanted |= {field: given for field, (given, is_cleared) in replaced.items() if given or is_cleared}

    async def work(operator: Operator) -> None:
        found = await operator.look(named_key, key)
        if expires or no_expiry:
            wanted["expires_at_us"] = read_moment(expires, operator.organization.timezone)
        if no_rate_limit or (rpm, rpd, tpm) != (None, None, None):
            wanted["rate_limit"] = read_rate_change(rpm, rpd, tpm, is_cleared=no_rate_limit)
        changed = await operator.change(api_keys.update_key, found.id, KeyUpdate(**wanted))
        if as_json:
            print_object(shown_key(changed))
        else:
            key_report.show_key(operator, changed, await project_names(operator))

    as_operator(load(config, database), org, work)


def _refuse_both(**options: tuple[object, bool]) -> None:
    for name, (given, is_cleared) in options.items():
        if given and is_cleared:
            raise InvalidRequest(f"The options about '{name}' contradict each other; give one of them.", param=name)
