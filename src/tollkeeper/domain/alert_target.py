"""Where an alert's target may be: what its URL must look like, and what may be shown of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from tollkeeper.domain.alert import TargetKind
from tollkeeper.domain.errors import InvalidRequest

URL_LENGTH_MAX = 2_048
HINT_LENGTH = 4
HINTED_LENGTH_MIN = 20
_REFUSAL = "The url must look like https://host/path: no user, nothing after '#'."


def check_url(url: str, kind: TargetKind) -> str:
    """Return a target's URL. What its host resolves to is checked where it is connected to, each time.

    Plain http is let in for webhooks: it works within networks that the operator opened, and nowhere else.

    Raises:
        InvalidRequest: it is none that could be posted to. The message does not say what it is: it may hold a secret.
    """
    url = url.strip()
    if len(url) > URL_LENGTH_MAX:
        raise InvalidRequest(f"The url has {len(url):,} characters; it may have {URL_LENGTH_MAX:,}.", param="url")
    is_plain = url.isascii() and url.isprintable() and not any(each in url for each in "\\ #")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidRequest(_REFUSAL, param="url") from None
    schemes = ("https",) if kind == "slack" else ("https", "http")
    is_good = is_plain and parts.scheme in schemes and host and port != 0
    if not is_good or "@" in parts.netloc or "%" in host:
        raise InvalidRequest(_REFUSAL, param="url")
    return url


def hint_of(url: str) -> str:
    """Return what may be shown of a URL: its host, and the last characters of what often works like a password."""
    parts = urlsplit(url)
    rest = url.removeprefix(f"{parts.scheme}://{parts.netloc}")
    if rest in {"", "/"}:
        return url
    end = rest[-HINT_LENGTH:] if len(rest) >= HINTED_LENGTH_MIN else ""
    return f"{parts.scheme}://{parts.netloc}/…{end}"
