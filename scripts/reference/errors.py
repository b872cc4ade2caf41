"""The page of every refusal: status, type, code, what it means (from its class), and what to do about it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import msgspec
from scripts.reference.markdown import code, one_line, page, table

import tollkeeper
from tollkeeper import refusals
from tollkeeper.domain.errors import RateExceeded, TollkeeperError, TooManyAttempts, UpstreamFault

_WAIT_S = 1
_NOT_REFUSALS = frozenset(
    {
        "tollkeeper.__main__",
        "tollkeeper.parquet.__main__",
        "tollkeeper.parquet.file",  # loads pyarrow, which is optional
        "tollkeeper.tokens.__main__",
        "tollkeeper.store.migrations.env",
    }
)

WHAT_TO_DO = {
    "invalid_request": "Change the request; `param` names the field when it is one.",
    "request_too_large": "Send less, or raise `server.body_bytes_max`.",
    "request_timeout": "Send the whole request without pausing for `server.request_s`.",
    "method_not_allowed": "Use the method that the message names.",
    "unsupported_content_type": "Send `Content-Type: application/json`.",
    "invalid_api_key": "Check the key; `tollkeeper keys list` shows which there are and their status.",
    "login_failed": "Log in again; if it stays, the operator compares the settings of the provider with what the message says.",
    "mismatched_organization": "Leave the header `OpenAI-Organization` out, or name the key's own organization.",
    "mismatched_project": "Leave the header `OpenAI-Project` out, or name a project that the key is for.",
    "model_not_allowed": "Call a model that the key allows, or have it added to the key's `allowed_models`.",
    "ip_not_allowed": "Call from an allowed address, or have yours added to the key's `allowed_ips`.",
    "permission_denied": "Use a key that has the permission in `missing_permission`: [permissions](permissions.md).",
    "model_not_found": "`GET /v1/models` lists the names; else configure a provider for it.",
    "not_found": "Check the id or the route; what belongs to another organization is not found either.",
    "conflict": "Choose another name, or use what is there.",
    "idempotency_mismatch": "Send a new `Idempotency-Key` with a new request.",
    "rate_limit_exceeded": "Wait for `retry_after_seconds`.",
    "insufficient_quota": (
        "Wait until `reset_date`, call less, or have the limit raised or credit added; `tollkeeper explain` shows every"
        " limit that was looked at."
    ),
    "price_unknown": "Call a model with a price, or have one added: `tollkeeper prices add`.",
    "limits_unavailable": "Try again. If it stays: [what to do](../how-to/operate.md#what-to-do-when).",
    "directory_unavailable": "Try again; the operator looks after the database.",
    "store_unavailable": "Try again; the operator looks after the database.",
    "overloaded": "Try again shortly.",
    "not_installed": "Do without it, or let the operator install what the message names.",
    "provider_unavailable": "Try again; look at the provider's status page. The call may have been billed: see its usage record.",
    "provider_timeout": "Try again, stream the answer, or raise the limit in [`upstream`](configuration.md#upstream).",
    "provider_key_refused": "An admin sets the provider's key again, or adds credit at the provider; your own key is good.",
    "internal_error": "Do not try again. Look in the log under the request id, and report it.",
    "configuration": "Correct the setting that the message names: [configuration](configuration.md).",
    "unknown_database": "Run the command that the message names; usually `tollkeeper db upgrade`.",
    "journal_unreadable": "Do what the message says: [what to do](../how-to/operate.md#what-to-do-when).",
}
"""Code -> what the reader can do. A code without an entry stops the page from being made."""

INTRODUCTION = """\
Every refusal of Tollkeeper has the shape that the route's own clients know: on OpenAI's routes and those of the administration
the one below. `code` is stable and for programs, `message` is for
people, and `request_id` stands in the header `x-request-id` too; a call that was forwarded is found by it with
`tollkeeper usage --record`.

```json
{"error": {"message": "Invalid API key.", "type": "invalid_request", "param": null, "code": "invalid_api_key",
  "request_id": "req_0193…"}}
```

On Anthropic's routes, with `type` in Anthropic's words (`authentication_error`, `not_found_error`, `rate_limit_error` …):

```json
{"type": "error", "error": {"type": "authentication_error", "message": "Invalid API key.", "code": "invalid_api_key"},
  "request_id": "req_0193…"}
```

On Gemini's, where our `code` stands in capitals as `reason` (`API_KEY_INVALID` for every 401), further fields in `metadata`, and a
wait in a `RetryInfo` besides:

```json
{"error": {"code": 401, "message": "Invalid API key.", "status": "UNAUTHENTICATED", "details": [
  {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "tollkeeper",
   "metadata": {"request_id": "req_0193…"}}]}}
```

An error that the provider answers with is passed on as the provider wrote it, with its status, and is not billed, once no
other deployment can serve; only one about our own key at the provider (401, 402) becomes a 502 of ours. A
stream that breaks after its first byte ends with `data: {"error": …}` of the same shape
(Anthropic's with `event: error`). A request line and headers
beyond `server.head_bytes_max` are answered with 431 and the code `invalid_request`."""

WITHOUT_STATUS = """\
## At the command line

These stop a command or the start of the server, with exit code 1 (2 for a wrong option or file) and their message on standard error."""


class Refusal(msgspec.Struct, frozen=True, order=True):
    """One row. `status` is 0 for what never leaves by HTTP."""

    status: int
    code: str
    type: str
    meaning: str
    headers: str


def render() -> str:
    """Return the page."""
    found = sorted(set(all_refusals()))
    by_http = [
        (str(each.status), each.type, code(each.code), each.meaning, WHAT_TO_DO[each.code], each.headers)
        for each in found
        if each.status
    ]
    others = [(code(each.code), each.meaning, WHAT_TO_DO[each.code]) for each in found if not each.status]
    return page(
        "Errors",
        INTRODUCTION,
        "## Over HTTP",
        table(("status", "type", "code", "when", "what to do", "headers"), by_http),
        WITHOUT_STATUS,
        table(("code", "when", "what to do"), others),
    )


def all_refusals() -> Iterator[Refusal]:
    """Yield every error class of Tollkeeper's as it reaches people; a class may yield several, or what another does."""
    for error_class in error_classes():
        meaning = one_line((error_class.__doc__ or "").partition("\n\n")[0])
        if error_class is UpstreamFault:
            for kind in ("connect", "first_byte_timeout"):
                yield _described(UpstreamFault(kind, "", sent=True), meaning)
        elif issubclass(error_class, TooManyAttempts | RateExceeded):
            yield _described(error_class("", retry_after_seconds=_WAIT_S), meaning)  # they never come without it
        else:
            yield _described(error_class(""), meaning)


def error_classes() -> list[type[TollkeeperError]]:
    """Return every class below `TollkeeperError` that the package defines, wherever it stands."""
    for module in pkgutil.walk_packages(tollkeeper.__path__, "tollkeeper."):
        if module.name not in _NOT_REFUSALS and ".versions." not in module.name:
            importlib.import_module(module.name)
    concrete = {each for each in _below(TollkeeperError) if each.code != TollkeeperError.code}
    return sorted(concrete, key=lambda each: (each.__module__, each.__name__))


def _below(parent: type[TollkeeperError]) -> Iterator[type[TollkeeperError]]:
    for child in parent.__subclasses__():
        if child.__module__.startswith("tollkeeper."):
            yield child
            yield from _below(child)


def _is_a_wait(name: bytes, error: TollkeeperError) -> bool:
    """Tell whether a header's value is another one each time."""
    return name.startswith(b"retry-after") and "retry_after_seconds" in error.fields


def _described(error: TollkeeperError, meaning: str) -> Refusal:
    try:
        status, body = refusals.error_body(error, "")
    except AssertionError:
        return Refusal(0, error.code, "", meaning, "")
    described = msgspec.json.decode(body)["error"]
    headers = ", ".join(
        code(name.decode() if _is_a_wait(name, error) else f"{name.decode()}: {value.decode()}")
        for name, value in refusals.error_headers(error, status)
        if name != b"content-type"
    )
    return Refusal(status, described["code"], described["type"], meaning, headers)
