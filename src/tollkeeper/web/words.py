"""What identifiers are called where people read them: billable classes, tiers, contents, failures, and what the audit log says."""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.web.catalogues import Catalogue
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.permission_texts import ROLE_TITLES

CLASSES = {
    "input": _("Input"),
    "cache_read": _("Cached input"),
    "cache_write_5m": _("Written to the cache for 5 minutes"),
    "cache_write_30m": _("Written to the cache for 30 minutes"),
    "cache_write_1h": _("Written to the cache for 1 hour"),
    "cache_write_12h": _("Written to the cache for 12 hours"),
    "output": _("Output"),
    "input_audio": _("Audio input"),
    "cache_read_audio": _("Cached audio input"),
    "output_audio": _("Audio output"),
    "input_image": _("Image input"),
    "cache_read_image": _("Cached image input"),
    "output_image": _("Image output"),
    "web_search": _("Web searches"),
    "file_search": _("File searches"),
    "grounding": _("Google searches"),
    "code_session": _("Code sessions"),
    "characters": _("Characters"),
    "seconds": _("Seconds of audio"),
    "image": _("Images"),
    "reported": _("As the provider states it"),
}
TIERS = {"standard": _("Standard"), "batch": _("Batch"), "flex": _("Flex"), "priority": _("Priority processing")}
CONTENTS = {
    "text": _("text"),
    "image": _("images"),
    "audio": _("audio"),
    "video": _("video"),
    "pdf": _("PDF"),
    "embedding": _("vectors"),
}
KINDS = {
    "account": _("Account"),
    "alert_delivery": _("Alert message"),
    "alert_rule": _("Alert rule"),
    "alert_target": _("Alert target"),
    "api_key": _("API key"),
    "audit": _("Audit log"),
    "audit_log": _("Audit log"),
    "budget": _("Budget"),
    "budget_request": _("Request for a budget"),
    "budgets": _("Budgets"),
    "credit": _("Credit"),
    "credit_grant": _("Credit grant"),
    "invite": _("Invitation"),
    "lease": _("Lease"),
    "ledger": _("Ledger"),
    "login": _("Sign-in"),
    "member": _("Member"),
    "operator": _("Operator"),
    "organization": _("Organization"),
    "price": _("Price"),
    "project": _("Project"),
    "provider": _("Provider"),
    "rate_limit": _("Rate"),
    "report": _("Report"),
    "report_settings": _("Settings of reports"),
    "role": _("Role"),
    "session": _("Session"),
    "system": _("The server itself"),
    "team": _("Team"),
}
ACTS = {
    "accept": _("accepted"),
    "add": _("added"),
    "approve": _("approved"),
    "ask": _("asked for"),
    "begin": _("begun"),
    "change_password": _("password changed"),
    "create": _("made"),
    "create_reset_link": _("reset link made"),
    "delete": _("deleted"),
    "deny": _("denied"),
    "difference": _("difference found"),
    "disable": _("disabled"),
    "end": _("ended"),
    "end_increase": _("increase ended"),
    "end_others": _("others ended"),
    "expire": _("expired"),
    "export": _("exported"),
    "fail": _("failed"),
    "first": _("the first one made"),
    "forget_password": _("password forgotten"),
    "give_role": _("role given"),
    "grant": _("granted"),
    "increase": _("increased for a time"),
    "link_identity": _("sign-in by a provider linked"),
    "release": _("released"),
    "remove": _("removed"),
    "require": _("requirement changed"),
    "resend": _("sent again"),
    "reset_password": _("password set anew"),
    "resume": _("resumed"),
    "retry": _("tried again"),
    "revoke": _("withdrawn"),
    "rotate": _("rotated"),
    "send": _("sent"),
    "send_verification": _("verification sent"),
    "set": _("set"),
    "set_status": _("status set"),
    "sign_up": _("signed up"),
    "sign_up_again": _("signed up again"),
    "stop": _("stopped"),
    "take_role": _("role taken away"),
    "test": _("tested"),
    "update": _("changed"),
    "verify_email": _("e-mail address verified"),
    "void": _("taken back"),
    "withdraw": _("withdrawn"),
}
FAILURES = {
    "connect": _("no connection"),
    "connect_timeout": _("no connection in time"),
    "tls": _("no connection over TLS"),
    "first_byte_timeout": _("no answer in time"),
    "idle_timeout": _("fell silent in its answer"),
    "total_timeout": _("answer not ended in time"),
    "closed": _("hung up in its answer"),
    "protocol": _("answer cannot be read"),
    "too_large": _("answer too large"),
    "error_event": _("broke off with an error"),
}
_SETS: dict[str, Mapping[str, str]] = {
    "class": CLASSES,
    "tier": TIERS,
    "content": CONTENTS,
    "kind": KINDS,
    "failure": FAILURES,
}


class Words:
    """Says identifiers in a language. One that nobody has named is said as it is."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def say(self, name: str, what: str) -> str:
        """Return what a class, tier, content or kind is called."""
        kind, mark, detail = name.partition("@" if "@" in name else ":")  # output@MODEL, image:high:1024x1024
        text = _SETS[what].get(kind)
        if text is None:
            return name
        return self._catalogue.gettext(text) + (f" ({detail})" if mark else "")

    def title(self, name: str, what: str) -> str:
        """Return an identifier as `named` takes it back."""
        text = _SETS[what].get(name)
        return self._catalogue.gettext(text) if text else name

    def named(self, said: str, what: str) -> str:
        """Return the identifier of what somebody calls by its title, in English or this language; else what they said."""
        wanted = said.strip().casefold()
        for name, title in _SETS[what].items():
            if wanted in {title.casefold(), self._catalogue.gettext(title).casefold()}:
                return name
        return said.strip()

    def role(self, name: str) -> str:
        """Return what a role is called: a predefined one in this language, another one as it was named."""
        title = ROLE_TITLES.get(name)
        return self._catalogue.gettext(title) if title else name

    def act(self, action: str) -> str:
        """Return what was done to what, of an action of the audit log such as `budget.set`."""
        kind, _dot, did = action.partition(".")
        if kind not in KINDS or did not in ACTS:
            return action
        said = self._catalogue.gettext(_("%(what)s: %(did)s"))
        return said % {"what": self.say(kind, "kind"), "did": self._catalogue.gettext(ACTS[did])}
