"""Every kind of mail, written with names of the test's choosing, and HTML taken apart."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

from tollkeeper.domain.alert import Alert, AlertKind
from tollkeeper.domain.budget import AlertAction
from tollkeeper.notify import alert_messages, messages
from tollkeeper.notify.message import Message
from tollkeeper.notify.messages import Invitation, KeyNamed
from tollkeeper.notify.reader import Reader

PUBLIC_URL = "https://ai.example.com/gateway"
AT_US = 1_796_083_200_000_000  # 2026-12-01 00:00 UTC
ENGLISH = Reader("en", "Europe/Berlin", PUBLIC_URL)
KOREAN = Reader("ko", "Asia/Seoul", PUBLIC_URL)
READERS = {"en": ENGLISH, "ko": KOREAN}
PATH = "/go?token=t0k-en_9&x=1"
LINK = PUBLIC_URL + PATH


def _key(name: str) -> KeyNamed:
    return KeyNamed(id="key_4fG7", name=name, project=name)


def _invited(name: str) -> Invitation:
    return Invitation(organization=name, inviter=name, role=name, team=name or "–", valid_until_us=AT_US)


def _alert(reader: Reader, name: str, kind: AlertKind, action: AlertAction = "email", used: int = 4) -> Message:
    alert = Alert(
        organization_id="org_1",
        id="alert_1",
        kind=kind,
        action=action,
        fired_at_us=AT_US,
        window_start_us=AT_US - 1,
        window_end_us=AT_US,
        threshold_permille=800,
        limit_amount=5,
        used=used,
        projected=9 if kind is AlertKind.PROJECTED else None,
        budget_id="bud_1",
        scope_kind="project",
        scope_id="proj_1",
        scope_name=name,
        model=name or "–",
        unit="requests",
        period="monthly",
    )
    return alert_messages.email(reader, alert, organization=name, path=PATH)


WRITERS: dict[str, Callable[[Reader, str], Message]] = {
    "verify_email": lambda reader, _: messages.verify_email(reader, path=PATH, valid_until_us=AT_US),
    "reset_password": lambda reader, _: messages.reset_password(reader, path=PATH, valid_until_us=AT_US),
    "password_changed": lambda reader, _: messages.password_changed(reader, path=PATH, changed_at_us=AT_US),
    "invitation": lambda reader, name: messages.invitation(reader, _invited(name), path=PATH),
    "api_key_expires": lambda reader, name: messages.api_key_expires(
        reader, _key(name), expires_at_us=AT_US, path=PATH
    ),
    "member_removed": lambda reader, name: messages.member_removed(
        reader, organization=name, removed_at_us=AT_US, path=PATH
    ),
    "member_keys_disabled": lambda reader, name: messages.member_keys_disabled(
        reader, [_key(name)] * 3, organization=name, member=name, path=PATH
    ),
    "budget_threshold": lambda reader, name: _alert(reader, name, AlertKind.THRESHOLD, used=5),
    "budget_stopped": lambda reader, name: _alert(reader, name, AlertKind.THRESHOLD, "disable"),
    "budget_projected": lambda reader, name: _alert(reader, name, AlertKind.PROJECTED),
    "calls_overrun": lambda reader, name: _alert(reader, name, AlertKind.OVERRUN),
}

WITH_NAMES = (
    "invitation",
    "api_key_expires",
    "member_removed",
    "member_keys_disabled",
    "budget_threshold",
    "budget_stopped",
    "budget_projected",
    "calls_overrun",
)


class Page(HTMLParser):
    """A page taken apart: its tags in order, its links, all attributes, and what a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self._texts: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    @property
    def links(self) -> list[str | None]:
        return [value for name, value in self.attributes if name == "href"]

    @property
    def text(self) -> str:
        return "\n".join(each.strip() for each in self._texts if each.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "br", "hr"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "title" not in self._open:
            self._texts.append(data)
