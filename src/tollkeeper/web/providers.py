"""The page of providers that the organization brings with its own keys: made, given another key or address, deleted."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control import provider_credentials
from tollkeeper.control.provider_credentials import NewProvider, ProviderChanges
from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.web.answers import go, page
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.fields import chosen
from tollkeeper.web.visitor import Visitor

KINDS: dict[ProviderKind, str] = {
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "gemini": "Google Gemini",
    "deepseek": "DeepSeek",
    "xai": "xAI",
    "openai_compatible": _("another server of OpenAI's dialect"),
}


async def show(visitor: Visitor) -> Response:
    """Answer the providers and the form of a new one."""
    return await page(
        visitor,
        "providers.html",
        providers=await visitor.look(provider_credentials.list_providers),
        kinds=KINDS,
        sent=visitor.form,
    )


async def act(visitor: Visitor) -> Response:
    """Do what one of the forms asks for. An address is checked as the API checks it."""
    sent, here = visitor.form, f"{visitor.home}/models/providers"
    match sent["do"]:
        case "add":
            kind = chosen(sent, "kind", KINDS)
            new = NewProvider(sent["name"].strip(), kind, sent["secret"], base_url=sent["base_url"].strip() or None)
            await visitor.change(provider_credentials.create_provider, new)
            return go(here, notice="provider-saved")
        case "set-key":
            changes = ProviderChanges(secret=sent["secret"], base_url=sent["base_url"].strip() or None)
            await visitor.change(provider_credentials.change_provider, sent["provider"], changes)
            return go(here, notice="provider-saved")
        case "delete":
            await visitor.change(provider_credentials.delete_provider, sent["provider"])
            return go(here, notice="deleted")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")
