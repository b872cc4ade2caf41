"""How the process logs: one line per event on stderr, secrets taken out before anything leaves."""

from __future__ import annotations

import logging
import re
import sys

_SECRETS = re.compile(
    r"(sk-tk-[0-9A-Za-z]{12}-)[0-9A-Za-z]+"  # our keys: the public id may stay
    r"|((?:sess|mail)-tk-)[0-9A-Za-z]+"  # sessions, and what links in e-mails carry
    r"|(sk-)[0-9A-Za-z_\-]{8,}"  # providers' keys
    r"|((?:authorization|x-api-key|api-key|x-goog-api-key|cookie|proxy-authorization)['\"]?\s*[:=,]\s*(?:b?['\"])?(?:bearer\s+)?)[^'\"\s,;]+"
    r"|(://[^/\s:@]+:)[^@\s/]+(?=@)",  # passwords in URLs
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Take everything that looks like a credential out of a text."""
    return _SECRETS.sub(
        lambda found: next(group for group in (*found.groups(), "") if group is not None) + "[redacted]", text
    )


class _RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def set_up(level: str) -> None:
    """Log to stderr at `level` and above; for the whole process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    for driver in ("aiosqlite", "sqlalchemy", "asyncpg"):  # they log statements with their values: addresses, digests
        logging.getLogger(driver).setLevel(logging.WARNING)
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.setLevel(logging.WARNING if level == "info" else level.upper())
    uvicorn.addFilter(lambda record: "Application startup failed" not in record.getMessage())  # we say why, and once
