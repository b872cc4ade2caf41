"""Who gets reports: members who may read them, all or those that the settings name; their letters, each in its language."""

from __future__ import annotations

from collections.abc import Collection

from tollkeeper.control import outbox
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action
from tollkeeper.control.display_currency import show_amount
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.report_calendar import RECIPIENTS_MAX, ReportSettings
from tollkeeper.notify.message import Message
from tollkeeper.notify.reader import Language, Reader
from tollkeeper.notify.report_messages import Beside, report_email
from tollkeeper.store import members, organizations, recipients, report_letters
from tollkeeper.store.periodic_reports import KeptReport
from tollkeeper.store.recipients import Permitted
from tollkeeper.store.report_letters import ReportLetter

READ = "analytics:full"
MAIL_KIND = "report"


async def receivers_of(action: Action, settings: ReportSettings) -> list[Permitted]:
    """Return who gets the organization's reports now: who lost the right to read them does not get them any more."""
    return await permitted(action, settings.recipients or None)


async def permitted(action: Action, member_ids: Collection[str] | None = None) -> list[Permitted]:
    """Return the members who may read reports, of these alone when some are named; at most RECIPIENTS_MAX."""
    return await recipients.list_permitted(
        action.connection, action.organization, READ, limit=RECIPIENTS_MAX, member_ids=member_ids
    )


async def check_recipients(action: Action, member_ids: Collection[str], *, param: str) -> list[Permitted]:
    """Return these members when all of them may read reports.

    Raises:
        NotFound: one is no member of the organization.
        InvalidRequest: one may not read reports, or there are too many.
    """
    if len(set(member_ids)) > RECIPIENTS_MAX:
        raise InvalidRequest(f"A report goes to at most {RECIPIENTS_MAX} members.", param=param)
    found = await permitted(action, member_ids)
    for member_id in sorted(set(member_ids) - {each.member_id for each in found}):
        known = await members.get_member(action.connection, action.organization_id, member_id)
        if known is None or known.status != members.ACTIVE:
            raise NotFound(f"There is no member '{member_id}'.")
        message = f"'{known.email}' may not read reports; give them a role with '{READ}' for the whole organization."
        raise InvalidRequest(message, param=param)
    return found


async def post_report(
    action: Action, kept: KeptReport, receivers: Collection[Permitted], *, rules: AccountRules
) -> list[ReportLetter]:
    """Put a report's letters into the outbox and note to whom they go."""
    organization = await organizations.get_organization(action.connection, action.organization_id)
    currency = organization.display_currency if organization else None
    written: dict[Language, Message] = {}
    letters = []
    for each in receivers:
        if each.language not in written:
            reader = Reader(each.language, kept.content.timezone, rules.public_url)
            path = f"/{action.organization_id}/reports/{kept.entry.id}"
            written[each.language] = report_email(
                reader, kept.content, report_id=kept.entry.id, path=path, beside=_beside(currency, each.language)
            )
        mail_id = await outbox.post(
            action.connection,
            action.secrets.vault,
            written[each.language],
            kind=MAIL_KIND,
            recipient=each.email,
            organization_id=action.organization_id,
        )
        letter = ReportLetter(action.organization_id, mail_id, kept.entry.id, each.member_id, each.email, action.now_us)
        await report_letters.add_letter(action.connection, letter)
        letters.append(letter)
    return letters


def _beside(currency: DisplayCurrency | None, language: Language) -> Beside | None:
    if currency is None:
        return None
    return Beside(currency, lambda nanos: show_amount(nanos, currency, language).text)
