"""How a plan is shown: to people in colours, what comes green, what changes yellow, what goes red; to programs as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from tollkeeper.control.blueprint.execution import Applied
from tollkeeper.control.blueprint.plan import Change, FieldChange, Plan
from tollkeeper.domain.tenancy import Organization

_SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}
_WORDS = {"member_role": "role", "invitation": "invitation of"}


def print_plan(organization: Organization, plan: Plan) -> None:
    """Show a plan to a person."""
    console = Console(highlight=False, soft_wrap=True)
    if not plan.changes:
        console.print(Text(f"{organization.name} is in sync: nothing to change."))
    else:
        console.print(Text(f"{organization.name} ({organization.id})\n", style="bold"))
    for change in plan.changes:
        sign, colour = _SIGNS[change.verb]
        console.print(Text(f"{sign} {_title(change)}", style=colour))
        for field in change.fields:
            console.print(_field(change, field, colour))
    for note in plan.notes:
        console.print(Text(f"! {note}", style="yellow"))
    if plan.changes:
        counts = {verb: sum(change.verb == verb for change in plan.changes) for verb in _SIGNS}
        summary = f"\n{counts['create']} to create, {counts['update']} to change, {counts['delete']} to take away"
        console.print(Text(summary, style="bold"))


def plan_object(organization: Organization, plan: Plan, *, is_applied: bool) -> dict[str, Any]:
    """Return a plan as the JSON that programs get."""
    return {
        "object": "plan",
        "organization_id": organization.id,
        "is_in_sync": not plan.changes,
        "is_applied": is_applied,
        "changes": [_shown(change) for change in plan.changes],
        "notes": plan.notes,
    }


def applied_object(organization: Organization, applied: Applied, *, shows_keys: bool) -> dict[str, Any]:
    """Return what was done as the JSON that programs get; secrets only when they are asked for."""
    keys = [
        {"id": made.record.id, "name": made.record.name, "project_id": made.record.project_id}
        | ({"key": made.key} if shows_keys else {})
        for made in applied.keys
    ]
    return {**plan_object(organization, applied.plan, is_applied=True), "keys": keys}


def _title(change: Change) -> str:
    word = _WORDS.get(change.kind, change.kind)
    where = f"  (project {change.place})" if change.kind == "key" else ""
    return f"{word} {change.name}{where}"


def _field(change: Change, field: FieldChange, colour: str) -> Text:
    line = Text(f"    {field.name}: ")
    if change.verb == "update":
        line.append(f"{field.before} → {field.after}", style=colour)
    else:
        line.append(str(field.after), style=colour)
    return line


def _shown(change: Change) -> dict[str, Any]:
    return {
        "verb": change.verb,
        "kind": change.kind,
        "name": change.name,
        "project": change.place if change.kind == "key" else None,
        "fields": {each.name: {"before": each.before, "after": each.after} for each in change.fields},
    }
