"""New organizations get their trial credit, however they are founded, and it is in their own audit log."""

from __future__ import annotations

import msgspec
from credit_factories import PEPPER, USD
from tests.accounts.people_factories import RULES, running_town
from tests.admin.admin_factories import ONLY_SQLITE

from tollkeeper.control.administration import Administration, Secrets, operator
from tollkeeper.control.credits import list_credit
from tollkeeper.domain.credit import GrantKind, Trial
from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store

DAY_US = 86_400_000_000


@ONLY_SQLITE
async def test_whoever_founds_an_organization_here_gets_its_trial_credit_once(store: Store):
    rules = msgspec.structs.replace(RULES, sign_up="open", trial=Trial(5 * USD, 14))
    async with running_town(store, rules) as town:
        session = await town.resident("kim@example.com")
        made = (await town.post("/v1/organizations", {"name": "Acme"}, session)).json()
    administration = Administration(store, Secrets.of(PEPPER))
    caller = operator(made["id"], name="a test")
    page = await administration.look(caller, list_credit, made["id"])
    assert [(each.kind, each.amount_nanos) for each in page.grants] == [(GrantKind.TRIAL, 5 * USD)]
    assert page.balance.is_prepaid
    ends_us = page.grants[0].expires_at_us
    assert ends_us is not None
    assert abs(ends_us - now_us() - 14 * DAY_US) < 60_000_000
