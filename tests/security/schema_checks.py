"""Loaded by schemathesis (SCHEMATHESIS_HOOKS): three of its checks as they hold here; all others are on as they are.

Valid requests are accepted, but for rules that JSON Schema cannot say: `EXCUSED` names each such parameter with its
reason, and a refusal that names any other one fails. What is deleted is gone, or its answer says that it is over: teams,
projects, members, invitations and keys stay readable, because usage and the audit log name them. What was made is there,
unless its making only repeated an Idempotency-Key: that answer is the first one's, whatever became of the object since.
"""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import ensure_resource_availability, positive_data_acceptance, use_after_free

EXCUSED = {
    "email": "what the e-mail library takes is narrower than any pattern",
    "token": "only the tokens of e-mails that were sent are good",
    "invitation": "as a token",
    "password": "weak ones are refused by a list and by the e-mail address",
    "new": "as a password",
    "current": "as a password",
    "next": "a path of this installation: what a browser makes of it decides",
    "iss": "of the provider that the login began with",
    "state": "as a token",
    "kind": "kinds that this version cannot call yet are known and refused with that reason",
    "timezone": "the zones of the machine's database",
    "start_time": "how many buckets a range may have depends on their width",
    "end_time": "after start_time",
    "from": "before to, and how long a range may be depends on the grouping",
    "to": "after from",
    "limit": "OpenAI's own bound depends on bucket_width",
    "bucket_width": "OpenAI's value 1m is known and refused with a reason: usage is kept by the hour",
    "page": "opaque: only what an answer gave",
    "after": "opaque, or an id with a period",
    "group_by": "label:NAME with any name",
    "period": "a number of days or hours within bounds",
    "request_id": "of the form that we make",
    "cost_from_usd": "as amount_usd",
    "cost_to_usd": "as amount_usd, and not below cost_from_usd",
    "amount_usd": "nine decimals: JSON Schema's multipleOf is a float",
    "amount": "a count, where amount_usd is money: the budget's unit says which",
    "carryover": "only with a period",
    "model": "printable characters",
    "until": "in the future, after from",
    "provider": "no spaces within, and as price lists name it",
    "dimension": "classes of units that there are",
    "tier": "lower-case letters, digits and _",
    "usd_per_million": "six decimals, as amount_usd, and no more than a dollar a token",
    "valid_from": "from 1970 on",
    "allocations.amount_usd": "as amount_usd",
    "monthly_budget_usd": "as amount_usd",
    "model_limits.daily_budget_usd": "as amount_usd",
    "quota_alerts.threshold": "three decimals, as amount_usd",
    "expires_at": "in the future, and within the organization's policy",
    "permissions": "known ones, and at least one",
    "add_permissions": "as permissions",
    "remove_permissions": "as permissions",
    "allowed_ips": "addresses and networks",
    "allowed_models": "patterns with one star",
    "labels": "names and values of labels",
    "rate_limit.requests_per_minute": "1.0 is an integer to JSON Schema, not to us",
    "rate_limit.requests_per_day": "as requests_per_minute",
    "rate_limit.tokens_per_minute": "as requests_per_minute",
    "grace_seconds": "as requests_per_minute",
    "policy.required_labels": "names of labels",
    "policy": "as required_labels",
    "display_currency": "a currency of CLDR's, a day that was, printable characters",
    "display_currency.rate": "six decimals, as amount_usd",
    "threshold": "three decimals, as amount_usd",
    "requests_per_minute": "it, tokens_per_minute or both are stated",
    "note": "printable characters",
    "url": "an address that can be called: no user, no fragment, ASCII",
    "required_labels": "names of labels",
    "base_url": "https with a public host",
    "secret": "no spaces within",
    "catalogue": "a catalogue that there is",
    "name": "no control characters, no blank names, no names that belong to somebody",
    "description": "no control characters",
    "role": "team_admin is for a team or project",
    "role_id": "predefined roles do not change",
    "scope": "of the kind that the role is for",
    "target": "each once",
    "allocations": "each target once",
    "further_project_ids": "each once",
    "action": "of what can be recorded",
    "OpenAI-Organization": "a person with several organizations chooses one",
    "Idempotency-Key": "printable ASCII: a header's schema cannot say so for a client that percent-encodes",
}
MESSAGES = (
    "A member's key is made by the member",  # an administration key that is nobody's asks
    "U+0000",  # JSON Schema's strings have every character
)
"""The beginnings of refusals that name no parameter."""


@schemathesis.check
def acceptance_of_what_the_document_can_say(ctx: Any, response: Any, case: Any) -> None:
    """Fail where `positive_data_acceptance` does, unless the refusal names a parameter of `EXCUSED`."""
    try:
        positive_data_acceptance(ctx, response, case)
    except Failure:
        error = response.json().get("error", {}) if response.status_code == 400 else {}
        param, message = str(error.get("param") or ""), str(error.get("message", ""))
        if param not in EXCUSED and not any(each in message for each in MESSAGES):
            raise


@schemathesis.check
def deleted_or_said_to_be_over(ctx: Any, response: Any, case: Any) -> None:
    """Fail where `use_after_free` does, unless the answer says that the object is over."""
    try:
        use_after_free(ctx, response, case)
    except Failure:
        found = response.json()
        is_over = found.get("archived_at") or found.get("removed_at") or found.get("status") in {"revoked", "deleted"}
        if not is_over:
            raise


@schemathesis.check
def made_unless_repeated(ctx: Any, response: Any, case: Any) -> None:
    """Fail where `ensure_resource_availability` does, unless the request that made the object had an Idempotency-Key."""
    try:
        ensure_resource_availability(ctx, response, case)
    except Failure:
        parent = ctx.internals.find_parent(case_id=case.id)
        if parent is None or "Idempotency-Key" not in (parent.headers or {}):
            raise
