"""Every refusal and fault that Tollkeeper itself raises, with what a person needs to act on it; no HTTP here."""

from __future__ import annotations

from typing import Any, Literal


class TollkeeperError(Exception):
    """Something the caller can act on. `code` is stable, `message` is for people, `fields` go into the answer."""

    code = "error"

    def __init__(self, message: str, **fields: Any) -> None:  # fields are answered as they are
        super().__init__(message)
        self.message = message
        self.fields = fields

    @property
    def public_message(self) -> str:
        """What a caller from outside is told; `message` is for the operator."""
        return self.message


class InvalidRequest(TollkeeperError):
    """The request cannot be understood. `param` names the field at fault."""

    code = "invalid_request"

    def __init__(self, message: str, *, param: str | None = None, part: str = "") -> None:
        super().__init__(message)
        self.param = param
        self.part = part  # what of an object; forms have a field for each, answers name the object alone


class RequestTooLarge(InvalidRequest):
    """The request's body is larger than `server.body_bytes_max`."""

    code = "request_too_large"


class RequestTimeout(InvalidRequest):
    """The client did not finish sending its request in time."""

    code = "request_timeout"


class UnsupportedContentType(InvalidRequest):
    """The request's body is not JSON."""

    code = "unsupported_content_type"


class InvalidApiKey(TollkeeperError):
    """No key, a mistyped key, or one that is unknown, disabled or expired; the message says which."""

    code = "invalid_api_key"


class LoginFailed(TollkeeperError):
    """Who logs in could not be identified; the message says why and holds no secret, code or token."""

    code = "login_failed"


class PermissionDenied(TollkeeperError):
    """The key is good but may not do this; the message names the missing permission."""

    code = "permission_denied"


class ModelNotAllowed(PermissionDenied):
    """The key is for other models; the message names them."""

    code = "model_not_allowed"


class AddressNotAllowed(PermissionDenied):
    """The key may not be used from where the request came."""

    code = "ip_not_allowed"


class MismatchedOrganization(InvalidApiKey):
    """The header OpenAI-Organization names another organization than the key's."""

    code = "mismatched_organization"


class MismatchedProject(InvalidApiKey):
    """The header OpenAI-Project names a project that the key is not for."""

    code = "mismatched_project"


class ModelNotFound(TollkeeperError):
    """No configured provider serves a model of this name."""

    code = "model_not_found"


class NotFound(TollkeeperError):
    """There is no such thing, or the caller may not know of it."""

    code = "not_found"


class Conflict(TollkeeperError):
    """What should be made is there already."""

    code = "conflict"


class IdempotencyMismatch(Conflict):
    """The Idempotency-Key was sent before with another request."""

    code = "idempotency_mismatch"


class TooManyAttempts(TollkeeperError):
    """Too much in a short time, or too many at once; `retry_after_seconds` says when the next one counts."""

    code = "rate_limit_exceeded"


class LimitRefusal(TollkeeperError):
    """A limit lets no more in. `looked_at` is every limit that was looked at, with its figures, for explanations."""

    looked_at: tuple[dict[str, Any], ...] = ()


class QuotaExceeded(LimitRefusal):
    """A budget, a quota or the credit is used up; the fields say whose, how far, and when it begins anew."""

    code = "insufficient_quota"


class PriceUnknown(LimitRefusal):
    """The model has no price, and the key is under a budget or needs credit: unknown is not free."""

    code = "price_unknown"


class RateExceeded(LimitRefusal):
    """Too much in a short time, or too many at once; `retry_after_seconds` says when the next one counts."""

    code = "rate_limit_exceeded"
    rate_headers: tuple[tuple[bytes, bytes], ...] = ()  # x-ratelimit-* to answer with


class LimitsUnavailable(TollkeeperError):
    """The journal or the store cannot take a reservation: no money is spent that could not be accounted for."""

    code = "limits_unavailable"


class DirectoryUnavailable(TollkeeperError):
    """Keys cannot be looked up because the store is out of reach."""

    code = "directory_unavailable"


class StoreUnavailable(TollkeeperError):
    """The database is out of reach or busy beyond its time-out; nothing was changed."""

    code = "store_unavailable"

    @property
    def public_message(self) -> str:
        return "The database is out of reach or busy; nothing was changed. Try again."


class DeploymentsBusy(TooManyAttempts):
    """Too much in a short time, or too many at once; `retry_after_seconds` says when the next one counts."""


class ProviderKeyRefused(TollkeeperError):
    """The provider does not take the key, or has no credit left, that Tollkeeper calls it with: not the caller's fault."""

    code = "provider_key_refused"


class Overloaded(TollkeeperError):
    """The process has as many calls as it may hold, or is shutting down."""

    code = "overloaded"


class NotInstalled(TollkeeperError):
    """A part that is optional is not installed here; the message says which, and how the operator gets it."""

    code = "not_installed"


FaultKind = Literal[
    "connect",  # no connection: refused, unreachable, name not found
    "connect_timeout",
    "tls",  # handshake or certificate
    "first_byte_timeout",
    "idle_timeout",
    "total_timeout",
    "closed",  # the provider hung up before the answer was complete
    "protocol",  # what came is not HTTP/1.1, or its head is beyond the limits
    "too_large",  # the body is beyond the limits
    "error_event",  # a stream's first events say an error
]


_FAULT_WORDS: dict[FaultKind, str] = {
    "connect": "could not be reached",
    "connect_timeout": "could not be reached in time",
    "tls": "could not be reached over TLS",
    "first_byte_timeout": "did not begin to answer in time",
    "idle_timeout": "fell silent in the middle of its answer",
    "total_timeout": "did not finish its answer in time",
    "closed": "hung up before its answer was complete",
    "protocol": "sent an answer that cannot be read",
    "too_large": "sent an answer that is too large",
    "error_event": "broke off its answer with an error",
}
_AGAIN = "Try again, or call another model"


class UpstreamFault(TollkeeperError):
    """The provider could not be reached or did not answer properly.

    `sent` is False only when it is certain that the provider saw nothing of the request that it could act on. `message` may
    name the provider's address; `advice` is for callers, where it is not enough for them to try again.
    """

    code = "provider_unavailable"

    def __init__(self, kind: FaultKind, message: str, *, sent: bool, advice: str = "") -> None:
        super().__init__(message)
        self.kind: FaultKind = kind
        self.sent = sent
        self._advice = advice
        self._is_free = False
        self._model = ""

    def tell(self, provider: str, tries: list[str], model: str = "", *, is_free: bool = False) -> None:
        """Let the answer say which provider it was, for which model, and everything that was tried; and, unless what was
        asked `is_free`, that it may be billed.
        """
        self._is_free = is_free
        self.fields["provider"] = provider
        self.fields["tries"] = tries
        self._model = model

    @property
    def public_message(self) -> str:
        name = self.fields.get("provider")
        provider = f"The provider '{name}'" if name else "The provider"
        model = f" for model '{self._model}'" if self._model else ""
        if self._advice:
            return f"{provider} could not be asked{model}: {self._advice}."
        billed = (
            "; what was sent may have been billed, as the usage record says"
            if name and self.sent and not self._is_free
            else ""
        )
        return f"{provider} {_FAULT_WORDS[self.kind]}{model}. {_AGAIN}{billed}."

    @property
    def is_timeout(self) -> bool:
        return self.kind.endswith("_timeout")


class UnknownDatabase(TollkeeperError):
    """The database's schema is not one this version knows; the message says which command mends it."""

    code = "unknown_database"


class ConfigurationError(TollkeeperError):
    """A setting is missing, unknown or contradictory; the message names it."""

    code = "configuration"
