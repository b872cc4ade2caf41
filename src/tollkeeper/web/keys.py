"""The pages of API keys: those that the person may read, a new one shown once, one key with its use, rotation and end."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control import api_keys, key_usage, projects
from tollkeeper.control.api_keys import KeyUpdate
from tollkeeper.control.key_rights import key_powers
from tollkeeper.domain.api_key import ApiKey, KeyKind, redact
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.key_terms import KeyTerms, RateLimit
from tollkeeper.kit.clock import now_us
from tollkeeper.web.answers import go, page
from tollkeeper.web.fields import end_of_day, lines_in, whole_number
from tollkeeper.web.visitor import Visitor

_PAGE = 50
_USE_DAYS = 30
GRACES = (0, 3600, 86_400, 7 * 86_400)
"""How many seconds an old key may go on working beside the new one, as the page offers it."""


async def show(visitor: Visitor) -> Response:
    """Answer the list."""
    after = visitor.query["after"] or None
    project_id = visitor.query["project"] or None
    found = await visitor.look(api_keys.list_keys, project_id=project_id, after=after, limit=_PAGE + 1)
    states = await visitor.look(projects.list_projects, limit=1000)
    return await page(
        visitor,
        "keys.html",
        keys=found[:_PAGE],
        next_after=found[_PAGE - 1].id if len(found) > _PAGE else "",
        project_names={each.project.id: each.project.name for each in states},
        project_id=project_id or "",
        now_us=now_us(),
        redact=redact,
        may_make=visitor.may("api_key:create:limited"),
    )


async def show_new(visitor: Visitor) -> Response:
    """Answer the form of a new key."""
    states = await visitor.look(projects.list_projects, limit=1000)
    return await page(
        visitor,
        "key_new.html",
        projects=[each.project for each in states],
        sent=visitor.form,
        has_own=_may_have_own(visitor),
    )


async def make(visitor: Visitor) -> Response:
    """Make a key and show it, once."""
    sent = visitor.form
    terms = KeyTerms(
        allowed_ips=tuple(lines_in(sent["allowed_ips"])),
        allowed_models=tuple(lines_in(sent["allowed_models"])),
        rate_limit=RateLimit(
            requests_per_minute=whole_number(sent, "requests_per_minute"),
            requests_per_day=whole_number(sent, "requests_per_day"),
            tokens_per_minute=whole_number(sent, "tokens_per_minute"),
        ),
    )
    expires_at_us = end_of_day(visitor, "expires_on")
    if sent["kind"] == "member":
        made = await visitor.change(
            api_keys.create_member_key,
            project_ids=(sent["project"],),
            name=sent["name"],
            expires_at_us=expires_at_us,
            terms=terms,
        )
    else:
        made = await visitor.change(
            api_keys.create_service_key,
            project_id=sent["project"],
            name=sent["name"],
            expires_at_us=expires_at_us,
            terms=terms,
        )
    return await _show_once(visitor, made.record, made.key, previous_until_us=None)


async def show_one(visitor: Visitor) -> Response:
    """Answer the page of one key."""
    key = await visitor.look(api_keys.get_key, visitor.path["key"])
    use = await visitor.look_if(key_usage.read_key_use, key.id, days=_USE_DAYS)
    return await page(
        visitor,
        "key.html",
        key=key,
        use=use,
        state=key.state(now_us()),
        redacted=redact(key.id),
        graces=GRACES,
        powers=await visitor.look(key_powers, key.id),
    )


async def change_one(visitor: Visitor) -> Response:
    """Do what one of the buttons of a key's page asks for."""
    key_id, sent = visitor.path["key"], visitor.form
    here = f"{visitor.home}/keys/{key_id}"
    match sent["do"]:
        case "rename":
            await visitor.change(api_keys.update_key, key_id, KeyUpdate(name=sent["name"]))
            return go(here, notice="saved")
        case "disable" | "enable":
            await visitor.change(api_keys.update_key, key_id, KeyUpdate(is_disabled=sent["do"] == "disable"))
            return go(here, notice=f"key-{sent['do']}d")
        case "expire":
            await visitor.change(
                api_keys.update_key, key_id, KeyUpdate(expires_at_us=end_of_day(visitor, "expires_on"))
            )
            return go(here, notice="saved")
        case "rotate":
            grace = whole_number(sent, "grace_seconds") or 0
            rotated = await visitor.change(api_keys.rotate_key, key_id, grace_seconds=grace)
            until_us = rotated.previous_valid_until_us
            return await _show_once(visitor, rotated.new.record, rotated.new.key, previous_until_us=until_us)
        case "delete":
            await visitor.change(api_keys.delete_key, key_id)
            return go(f"{visitor.home}/keys", notice="key-deleted")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


async def _show_once(visitor: Visitor, record: ApiKey, secret: str, *, previous_until_us: int | None) -> Response:
    base_url = f"{visitor.request.url.scheme}://{visitor.request.headers.get('host', '127.0.0.1:8080')}/v1"
    return await page(
        visitor,
        "key_once.html",
        key=record,
        secret=secret,
        base_url=base_url,
        previous_until_us=previous_until_us,
        is_for_calls=record.kind is not KeyKind.ADMIN,
    )


def _may_have_own(visitor: Visitor) -> bool:
    return bool(visitor.principal.member_id)
