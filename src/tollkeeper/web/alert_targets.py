"""The page of alert targets: Slack and webhooks, made, tried, let in, given a new secret and deleted. Secrets are shown once."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control import alert_targets
from tollkeeper.control.alert_targets import MadeTarget, TargetChanges
from tollkeeper.domain.alert import TargetKind
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.web.answers import go, page
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.fields import chosen
from tollkeeper.web.visitor import Visitor

KINDS: dict[TargetKind, str] = {"slack": _("Slack"), "webhook": _("Webhook")}


async def show(visitor: Visitor) -> Response:
    """Answer the targets and the form of a new one."""
    return await page(
        visitor,
        "alert_targets.html",
        targets=await visitor.look(alert_targets.list_targets),
        kinds=KINDS,
        sent=visitor.form,
    )


async def act(visitor: Visitor) -> Response:
    """Do what one of the forms asks for."""
    sent, here = visitor.form, f"{visitor.home}/alerts/targets"
    target_id = sent["target"]
    match sent["do"]:
        case "add":
            kind = chosen(sent, "kind", KINDS)
            made = await visitor.change(alert_targets.create_target, name=sent["name"], kind=kind, url=sent["url"])
            return await _show_once(visitor, made) if made.secret else go(here, notice="created")
        case "test":
            url = visitor.people.rules.public_url
            await visitor.change(alert_targets.try_target, target_id, public_url=url)
            return go(f"{visitor.home}/alerts", notice="test-sent")
        case "enable" | "disable":
            changes = TargetChanges(is_enabled=sent["do"] == "enable")
            await visitor.change(alert_targets.change_target, target_id, changes)
            return go(here, notice="saved")
        case "new-secret":
            made = await visitor.change(alert_targets.change_target, target_id, TargetChanges(has_new_secret=True))
            return await _show_once(visitor, made)
        case "delete":
            await visitor.change(alert_targets.delete_target, target_id)
            return go(here, notice="deleted")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


async def _show_once(visitor: Visitor, made: MadeTarget) -> Response:
    return await page(visitor, "alert_target_once.html", target=made.target, secret=made.secret)
