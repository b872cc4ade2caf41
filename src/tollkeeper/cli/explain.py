"""`tollkeeper explain`: why a call was let in or refused, by which limits and with which figures."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import counted, dollars, print_object, wide_console
from tollkeeper.cli.operator import Operator, as_operator
from tollkeeper.control.administration import Action
from tollkeeper.control.decisions import describe_decision, explain_call
from tollkeeper.control.usage_lines import names_of
from tollkeeper.domain.call_decision import CallDecision, LookedAt


def explain(
    request_id: Annotated[str, typer.Argument(help="What the call's x-request-id said: req_….")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a call was let in or refused: every limit that was looked at, with the figures of that moment."""

    async def work(operator: Operator) -> tuple[CallDecision, dict[str, str], Operator]:
        found = await operator.look(explain_call, request_id)
        return found, await operator.look(_names_of, found), operator

    found, names, operator = as_operator(load(config, database), org, work)
    if as_json:
        print_object(describe_decision(found))
        return
    console = wide_console()
    _print(console, f"req_{found.call_id.hex()}  {operator.moment(found.at_us)}")
    for line in _head(found, names):
        _print(console, line, indent=2)
    for each in found.limits:
        _print(console, "")
        _print(console, f"{'▶' if each.is_decisive else ' '} {_title(each, operator)}", hanging=2)
        _print(console, _figures(each), indent=4)


async def _names_of(action: Action, found: CallDecision) -> dict[str, str]:
    """Return the names of the call's key and project by their ids, as far as they are known."""
    of = [{"api_key_id": found.api_key_id, "project_id": found.project_id}]
    by_column = await names_of(action.connection, action.organization_id, of)
    return {id_: name for names in by_column.values() for id_, name in names.items()}


def _print(console: Console, text: str, *, indent: int = 0, hanging: int = 0) -> None:
    """Print a paragraph whose lines break between words and begin below its first one."""
    width = max(console.width - indent - hanging, 20)
    lines = Text(text).wrap(console, width) or [Text()]
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(" " * (indent + (hanging if number else 0)) + line.plain, soft_wrap=True)


def _head(found: CallDecision, names: dict[str, str]) -> list[str]:
    lines = [_outcome(found), *([found.message] if found.message else [])]
    lines += [f"key {_named(found.api_key_id, names)}", f"project {_named(found.project_id, names)}"]
    lines += [f"model {found.model}"] if found.model else []
    if found.is_admitted:
        lines.append(f"reserved {dollars(found.reserved_nanos)}, cost {dollars(found.cost_nanos)}")
    return lines if found.limits else [*lines, "No limit was looked at."]


def _named(id_: str, names: dict[str, str]) -> str:
    return f"{names[id_]} ({id_})" if names.get(id_) else id_


def _outcome(found: CallDecision) -> str:
    if found.is_admitted:
        return f"admitted; answered with status {found.status}" if found.status else "admitted; no answer came"
    return f"refused with status {found.status}, {found.code}"


def _title(limit: LookedAt, operator: Operator) -> str:
    """Say which limit it is, how much, and when it begins anew."""
    kind = "rate limit" if limit.kind == "rate" else limit.kind
    period = f"{limit.period} {kind}".strip() if limit.kind != "rate" else kind
    name = limit.scope_name or limit.scope_id
    if limit.scope_kind == "credit":
        whose = f"credit of {name}"
    elif limit.scope_kind:
        whose = f"{period} of {limit.scope_kind.replace('_', ' ')} {name}"
    else:
        whose = f"{period} {limit.id}" if limit.kind == "rate" and limit.id else f"{period} that is gone"
    amount = "" if limit.limit is None else f": {_amount(limit.limit, limit.unit)}"
    if limit.kind == "rate":
        return f"{whose}{_for_model(limit)}{amount}{' a minute' if limit.period == 'minute' else ''}"
    anew = "never" if limit.period == "total" else operator.moment(limit.resets_at_us)
    return f"{whose}{_for_model(limit)}{amount}, begins anew {anew}"


def _for_model(limit: LookedAt) -> str:
    return f", {limit.model}" if limit.model else ""


def _figures(limit: LookedAt) -> str:
    names = ("used", "reserved", "left", "at_hand", "needed", "charged")
    known = [(name.replace("_", " "), getattr(limit, name)) for name in names]
    figures = [f"{_amount(each, limit.unit)} {name}" for name, each in known if each is not None]
    return ", ".join(figures) or "no figures were written down"


def _amount(amount: int, unit: str) -> str:
    return dollars(amount) if unit == "usd" else counted(amount, unit)
