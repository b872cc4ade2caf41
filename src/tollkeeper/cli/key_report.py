"""How api keys and their use are shown to people: times in the organization's timezone, secrets once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from tollkeeper.cli.listing import dollars, print_table
from tollkeeper.cli.operator import Operator
from tollkeeper.control.key_making import NewApiKey
from tollkeeper.control.key_rotation import Rotated
from tollkeeper.control.key_usage import KeyUse
from tollkeeper.domain.api_key import ApiKey, KeyKind, redact
from tollkeeper.domain.key_terms import KeyTerms
from tollkeeper.domain.permission import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS
from tollkeeper.kit.clock import now_us

NOTHING = "–"
_ONCE = "Shown this once; keep it somewhere safe."


def show_keys(operator: Operator, keys: Sequence[ApiKey], project_names: Mapping[str, str]) -> None:
    """Print a table."""
    titles = ("id", "name", "kind", "status", "project", "created", "expires", "last used")
    rows = [
        (
            key.id,
            key.name,
            key.kind,
            key.state(now_us()),
            project_names.get(key.project_id, key.project_id) or NOTHING,
            operator.moment(key.created_at_us),
            operator.moment(key.expires_at_us),
            operator.moment(key.last_used_at_us),
        )
        for key in keys
    ]
    print_table(titles, rows)


def show_key(operator: Operator, key: ApiKey, project_names: Mapping[str, str]) -> None:
    """Print all there is to know of a key."""
    terms = key.terms or KeyTerms()
    rates = {
        "requests a minute": terms.rate_limit.requests_per_minute,
        "requests a day": terms.rate_limit.requests_per_day,
        "tokens a minute": terms.rate_limit.tokens_per_minute,
    }
    lines = {
        "id": key.id,
        "name": key.name,
        "key": redact(key.id),
        "kind": key.kind.value,
        "status": key.state(now_us()),
        "projects": ", ".join(f"{project_names.get(each, '?')} ({each})" for each in key.project_ids),
        "member": key.member_id,
        "permissions": _permissions(key),
        "created": operator.moment(key.created_at_us),
        "expires": operator.moment(key.expires_at_us),
        "last used": operator.moment(key.last_used_at_us),
        "addresses": ", ".join(terms.allowed_ips) or "any",
        "models": ", ".join(terms.allowed_models) or "any",
        "limits": ", ".join(f"{rate:,} {name}" for name, rate in rates.items() if rate is not None),
        "labels": ", ".join(f"{name}={value}" for name, value in terms.labels.items()),
        "replaced by": key.replaced_by,
    }
    print_table(("", ""), [(name, value) for name, value in lines.items() if value])


def show_secret(made: NewApiKey) -> None:
    """Print a new key, this once."""
    _say(f"{made.record.id}  {made.record.name}\n\n  {made.key}\n\n{_ONCE}")


def show_rotation(operator: Operator, rotated: Rotated, old: ApiKey) -> None:
    """Print the new key, this once, and what becomes of the old one."""
    new = rotated.new
    _say(f"{new.record.id}  {new.record.name}, in place of {old.id}\n\n  {new.key}\n\n{_ONCE}")
    if rotated.previous_valid_until_us > now_us():
        _say(f"The old key works until {operator.moment(rotated.previous_valid_until_us)}.")
    else:
        _say("The old key has ended.")


def show_use(operator: Operator, use: KeyUse) -> None:
    """Print what a key was used for."""
    _say(f"{use.key.name} ({use.key.id}), since {operator.moment(use.from_us)}\n")
    if not use.requests:
        _say("No calls in this time.")
        return
    rows = [
        (model, f"{line.requests:,}", f"{line.errors:,}", dollars(line.cost_nanos))
        for model, line in use.by_model.items()
    ]
    rows.append(("total", f"{use.requests:,}", f"{use.errors:,}", dollars(use.cost_nanos)))
    print_table(("model", "requests", "errors", "cost"), rows, numbers={"requests", "errors", "cost"})
    mean_ms = (use.mean_latency_us or 0) / 1000
    _say(f"\nOn average a call took {mean_ms:,.1f} ms.")
    if use.unpriced_requests:
        _say(f"{use.unpriced_requests:,} unpriced: no price is known for these calls, so no amount holds them.")


def _permissions(key: ApiKey) -> str:
    usual = ADMIN_PERMISSIONS if key.kind is KeyKind.ADMIN else INFERENCE_PERMISSIONS
    what = "the whole administration" if key.kind is KeyKind.ADMIN else "every call"
    return what if key.permissions == usual else ", ".join(sorted(key.permissions))


def _say(text: str) -> None:
    Console(highlight=False, soft_wrap=True, markup=False).print(text)
