"""An organization's own access to a provider: what it may say, and where its secret may be sent."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from tollkeeper.domain.deployment import USUAL_BASE_URLS, ProviderKind
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.address_guard import AddressGuard
from tollkeeper.kit.networks import parse_address

BASE_URL_LENGTH_MAX = 512
SECRET_LENGTH_MIN, SECRET_LENGTH_MAX = 8, 4_096
HINT_LENGTH = 4
HINTED_LENGTH_MIN = 20
PER_ORGANIZATION_MAX = 100
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
"""What a provider is called: it stands in `provider/model` and in paths."""
_NAME = re.compile(NAME_PATTERN)
_SECRET = re.compile(r"[\x21-\x7e]+")  # what a header can carry
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_ENDS_IN_A_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")
_PUBLIC = AddressGuard()


class ProviderCredential(msgspec.Struct, frozen=True):
    """A credential without its secret. `hint` is the secret's last characters, "" when it is too short to show any."""

    organization_id: str
    id: str
    name: str
    kind: ProviderKind
    base_url: str
    catalogue: str
    hint: str
    created_at_us: int
    updated_at_us: int

    @property
    def binding(self) -> tuple[str, ...]:
        """What the secret is sealed to: in another row, or with another address, it cannot be opened."""
        return ("provider_credential", self.organization_id, self.id, self.base_url)


def check_name(name: str) -> str:
    """Return a provider's name.

    Raises:
        InvalidRequest: it could not stand in a path or a model's name.
    """
    if not _NAME.match(name) or name.endswith("\n"):
        message = "A provider's name has 1 to 63 small letters, digits, '.', '_' and '-', a letter or digit first."
        raise InvalidRequest(message, param="name")
    return name


def check_kind(kind: str) -> None:
    """Pass when there are such providers.

    Raises:
        InvalidRequest: there are none.
    """
    if kind not in USUAL_BASE_URLS and kind != "openai_compatible":
        known = ", ".join([*USUAL_BASE_URLS, "openai_compatible"])
        raise InvalidRequest(f"'{kind}' is no kind of provider; there are {known}.", param="kind")


def check_secret(secret: str) -> str:
    """Return a secret without surrounding space.

    Raises:
        InvalidRequest: it is too short or too long, or no header could carry it. The message does not say what it is.
    """
    secret = secret.strip()
    if not SECRET_LENGTH_MIN <= len(secret) <= SECRET_LENGTH_MAX or not _SECRET.fullmatch(secret):
        message = f"A secret has {SECRET_LENGTH_MIN} to {SECRET_LENGTH_MAX:,} printable ASCII characters without space."
        raise InvalidRequest(message, param="secret")
    return secret


def hint_of(secret: str) -> str:
    """Return what may be shown of a secret, so that people can tell two apart."""
    return secret[-HINT_LENGTH:] if len(secret) >= HINTED_LENGTH_MIN else ""


def check_base_url(base_url: str | None, kind: str) -> str:
    """Return where a provider is reached, the kind's usual place when none is given; without a slash at the end.

    What a name resolves to is checked where it is connected to (`Origin.is_guarded`); here is refused what can never be
    right, so that people learn of it when they write it.

    Raises:
        InvalidRequest: it is not https, carries more than host, port and path, or its host is an address or name that no
            organization may reach.
    """
    if not base_url:
        usual = USUAL_BASE_URLS.get(kind, "")
        if not usual:
            raise InvalidRequest(f"A provider of the kind '{kind}' needs its base_url.", param="base_url")
        return usual
    if len(base_url) > BASE_URL_LENGTH_MAX:
        message = f"The base_url has {len(base_url):,} characters; it may have {BASE_URL_LENGTH_MAX:,}."
        raise InvalidRequest(message, param="base_url")
    text = base_url.rstrip("/")
    is_plain = text.isascii() and text.isprintable() and not any(each in text for each in "\\ ?#@")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        is_plain, parts, host, port = False, urlsplit(""), "", None
    is_plain = is_plain and parts.scheme == "https" and port != 0
    is_path = _PATH.fullmatch(parts.path) is not None and not {".", ".."} & set(parts.path.split("/"))
    if not is_plain or not is_path or parts.netloc.endswith(":"):
        message = "The base_url must look like https://host/v1: https, no user, no query, nothing after '#'."
        raise InvalidRequest(message, param="base_url")
    _check_host(host)
    shown = f"[{host}]" if ":" in host else host
    return f"https://{shown}{f':{port}' if port not in {None, 443} else ''}{parts.path}"


def _check_host(host: str) -> None:
    """Pass for a public address and for a name that can be one.

    Raises:
        InvalidRequest: an address of a private or special network, in whatever spelling, or a name of this machine.
    """
    try:
        is_allowed = _PUBLIC.allows(str(parse_address(host)))
    except ValueError:
        labels = host.split(".")
        is_name = len(host) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in labels)
        is_address = _ENDS_IN_A_NUMBER.fullmatch(labels[-1]) is not None  # 127.1, 0x7f.1: resolvers read addresses
        is_allowed = is_name and not is_address and labels[-1] != "localhost" and len(labels) > 1
    if not is_allowed:
        message = f"The base_url's host '{host[:100]}' is not one that an organization may send its calls to."
        raise InvalidRequest(message, param="base_url")
