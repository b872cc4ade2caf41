"""Two complete organizations, alike but for their names: an object of every kind, people of every role, every kind of credential.

`open_realm` makes one by the real steps. `Realm.ids` has what path, query and body parameters take; `Realm.credentials`
the headers of everybody who may ask; `Realm.marks` what nobody of another organization may ever read.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.admin.admin_factories import make_call
from tests.tenancy.company import Company, Person, found_company

from tollkeeper.control import (
    alert_targets,
    alerts,
    api_keys,
    budgets,
    invites,
    provider_credentials,
    reports,
    roles,
    sessions,
)
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action
from tollkeeper.control.api_keys import KeyUpdate, NewApiKey
from tollkeeper.control.budget_increases import Raise, increase_budget
from tollkeeper.control.budget_requests import Wish, ask_for_budget
from tollkeeper.control.credits import GrantTerms, grant_credit
from tollkeeper.control.invites import RoleAt
from tollkeeper.control.lease_release import shown_id
from tollkeeper.control.people import Visit, new_session_token
from tollkeeper.control.rate_limits import RateTerms, set_rate_limit
from tollkeeper.control.usage_records import request_id_of
from tollkeeper.domain.access import Principal, principal_of_key
from tollkeeper.domain.api_key import write_key
from tollkeeper.domain.budget import BudgetKey
from tollkeeper.domain.credit import GrantKind
from tollkeeper.domain.lease import Ask
from tollkeeper.identity.passwords import hash_password
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import random_base62, uuid7
from tollkeeper.store import accounts, audit
from tollkeeper.store import sessions as session_rows
from tollkeeper.store.engine import Store
from tollkeeper.store.leases import StoreLeases

DAY_US = 86_400_000_000
RULES = AccountRules(public_url="http://tollkeeper.test", sign_up="open", sends_email=True)
PASSWORD = "three quiet rivers"  # the document's own example
VISIT = Visit("192.0.2.1", "a test")
READING = frozenset({"api_key:read", "analytics:own", "quota:read", "models:list", "chat:create"})
REFUSED = (
    "none",
    "malformed",
    "wrong checksum",
    "unknown key",
    "expired",
    "disabled",
    "deleted",
    "no session",
    "old session",
)
"""Credentials that nobody is let in by."""
TEAM_LEVEL = frozenset(
    {
        "team_id",
        "project_id",
        "key_id",
        "member_id",
        "invite_id",
        "scope",
        "request_id",
        "budget_id",
        "increase_id",
        "budget_request_id",
        "rate_limit_id",
        "alert_rule_id",
    }
)
"""Path parameters whose objects belong to the first team; the others are the whole organization's."""


@dataclass
class Realm:
    """One organization. Headers by who asks; ids by the name of the parameter that takes them."""

    company: Company
    ids: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, dict[str, str]] = field(default_factory=dict)
    principals: dict[str, Principal] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        return self.company.id


async def open_realm(store: Store, name: str) -> Realm:
    """Make an organization whose every name has `name` in it."""
    company = await found_company(store, name)
    realm = Realm(company)
    team, other = await company.team(f"{name} first team"), await company.team(f"{name} second team")
    first = await company.project(f"{name} first project", team, monthly_usd=10)
    await company.project(f"{name} second project", other)
    role = await company.change(None, roles.create_role, name=f"{name} auditor", permissions=frozenset({"audit:read"}))
    people = {
        "org_admin": await company.hire(f"{name}.admin", ("org_admin", company.id)),
        "lead": await company.hire(f"{name}.lead", ("team_admin", team.id)),
        "other lead": await company.hire(f"{name}.other", ("team_admin", other.id)),
        "developer": await company.hire(f"{name}.developer", ("developer", first.id)),
        "viewer": await company.hire(f"{name}.viewer", ("viewer", first.id)),
    }
    await company.hire(f"{name}.deputy", ("org_admin", company.id))  # so that the first may leave
    for who, person in people.items():
        await _let_in(realm, who, person)
    await _set_password(store, people["org_admin"])
    keys = await _make_keys(realm, first.id, people["developer"])
    await company.budget(team.id, 100)
    realm.ids |= {
        "organization_id": company.id,
        "team_id": team.id,
        "team": team.id,
        "project_id": first.id,
        "role_id": role.id,
        "role": role.id,
        "member_id": people["developer"].member_id,
        "principal": people["developer"].member_id,
        "actor_id": people["org_admin"].account_id,
        "target_id": team.id,
        "key_id": keys["service"].record.id,
        "api_key_id": keys["service"].record.id,
        "user_id": people["developer"].member_id,
        "scope": team.id,
        "target": first.id,
        "account_id": people["developer"].account_id,
    }
    realm.ids["invite_id"] = await _invite(realm, f"{name}.new@example.com", team.id)
    realm.ids["provider_id"] = await _bring_provider(realm, name.lower())
    realm.ids["event_id"] = (await company.events())[0].id
    realm.ids["session_id"] = await _own_session(store, people["org_admin"])
    terms = GrantTerms(amount_nanos=10**9, kind=GrantKind.PROMOTIONAL, note=f"{name} grant")
    realm.ids["grant_id"] = (await company.change(None, grant_credit, company.id, terms=terms)).id
    realm.ids |= await _watch_budget(realm, team.id)
    realm.ids |= await _ask_for_more(realm, people["org_admin"], team.id)
    realm.ids["lease_id"] = await _lose_lease(realm)
    terms_of_rate = RateTerms(requests_per_minute=600)
    realm.ids["rate_limit_id"] = (await company.change(None, set_rate_limit, team.id, terms=terms_of_rate)).id
    realm.ids["report_id"] = await _report(company)
    record = make_call(random.Random(len(name)), company.id, keys["service"])
    await store.insert_usage([record], slot=name)
    realm.ids["request_id"] = request_id_of(record)
    realm.marks |= {name.lower(), *(value.lower() for value in realm.ids.values())}
    return realm


async def _let_in(realm: Realm, who: str, person: Person) -> None:
    caller = await realm.company.caller(person)
    realm.principals[who] = caller.principal
    token = await new_session(realm.company, person)
    realm.credentials[who] = bearer(token)
    realm.marks |= {person.email.lower(), person.member_id.lower(), person.account_id.lower()}


async def new_session(company: Company, person: Person, *, lasts_s: int = 3600) -> str:
    """Begin a session without a password; returns its token."""
    token = new_session_token()

    async def begin(connection: Any) -> None:
        found = await accounts.get_credentials(connection, person.account_id)
        assert found is not None
        action = Action(connection, VISIT.caller(found.account), company.administration.secrets)
        await sessions.begin_session(action, found.account, VISIT, token=token, lasts_s=lasts_s)
        await audit.append_events(connection, "", action.events, key=action.secrets.audit_key)

    await company.store.write(begin)
    return token


async def _set_password(store: Store, person: Person) -> None:
    await store.write(lambda c: accounts.set_password(c, person.account_id, hash_password(PASSWORD)))


async def _own_session(store: Store, person: Person) -> str:
    mine = await store.read(lambda c: session_rows.list_sessions(c, person.account_id, now_us=now_us()))
    return mine[-1].id


async def _make_keys(realm: Realm, project_id: str, developer: Person) -> dict[str, NewApiKey]:
    company, name = realm.company, realm.company.organization.name

    async def service(what: str, **wanted: Any) -> NewApiKey:
        wanted = {"project_id": project_id, "name": f"{name} {what}", "permissions": READING, **wanted}
        made: NewApiKey = await company.change(None, api_keys.create_service_key, **wanted)
        return made

    made = {
        "service": await service("service"),
        "expired": await service("expired", expires_at_us=now_us() + DAY_US),
        "disabled": await service("disabled"),
        "deleted": await service("deleted"),
        "own": await company.change(
            developer, api_keys.create_member_key, project_ids=(project_id,), name=f"{name} own"
        ),
        "admin": await company.change(None, api_keys.create_admin_key, name=f"{name} admin"),
    }
    await company.change(None, api_keys.update_key, made["disabled"].record.id, KeyUpdate(is_disabled=True))
    await company.change(None, api_keys.delete_key, made["deleted"].record.id)
    await company.store.write(lambda c: _expire(c, made["expired"].record.id))
    old = await new_session(company, developer, lasts_s=-60)
    realm.credentials |= {
        "none": {},
        "malformed": bearer("sk-tk-nonsense"),
        "wrong checksum": bearer(_mistyped(made["admin"].key)),
        "unknown key": bearer(write_key(random_base62(12), random_base62(43))),
        "no session": bearer(new_session_token()),
        "old session": bearer(old),
        **{what: bearer(key.key) for what, key in made.items()},
    }
    realm.principals |= {what: principal_of_key(key.record) for what, key in made.items()}
    realm.marks |= {key.record.id.lower() for key in made.values()} | {key.key.lower() for key in made.values()}
    return made


async def _expire(connection: Any, key_id: str) -> None:
    from sqlalchemy import update

    from tollkeeper.store.schema_tenancy import api_key

    await connection.execute(update(api_key).where(api_key.c.id == key_id).values(expires_at_us=now_us() - 1))


async def _invite(realm: Realm, email: str, team_id: str) -> str:
    offered = [RoleAt("developer", team_id)]
    made = await realm.company.change(None, invites.create_invite, RULES, email=email.lower(), offered=offered)
    return str(made.state.invite.id)


async def _bring_provider(realm: Realm, name: str) -> str:
    new = provider_credentials.NewProvider(
        name, "openai", f"sk-{name}-secret-of-a-provider", base_url="https://provider.test/v1"
    )
    return str((await realm.company.change(None, provider_credentials.create_provider, new)).id)


async def _ask_for_more(realm: Realm, who: Person, scope_id: str) -> dict[str, str]:
    """Raise a scope's budget for a day, and ask for more of it."""
    company = realm.company
    (budget,) = await company.look(None, budgets.list_budgets, scope_id=scope_id)
    raised = Raise(10**9, now_us() + DAY_US, note=f"{company.organization.name} launch")
    made = await company.change(None, increase_budget, budget.id, wanted=raised)
    wish = Wish(BudgetKey(scope_id), budget.amount * 2, f"{company.organization.name} grows")
    asked = await company.change(who, ask_for_budget, wish=wish, rules=AccountRules())
    return {"increase_id": made.increase.id, "budget_request_id": asked.id}


async def _report(company: Company) -> str:
    """Send the last week's report to who administers; returns its id."""
    content = await company.look(None, reports.prepare_report, "weekly")
    return str((await company.change(None, reports.send_report, content, rules=RULES)).entry.id)


async def _lose_lease(realm: Realm) -> str:
    """Let a server hold something of a budget and lose its journal; returns the lease's id."""
    company, lease_id = realm.company, uuid7()
    ask = Ask(company.id, realm.ids["budget_id"], lease_id, 1, need=1000, exact=1000)
    holder = f"{company.organization.name}-0"
    leases = StoreLeases(company.store)
    await leases.exchange(holder, [ask])
    await leases.reclaim(holder, is_exact=False)
    return shown_id(lease_id)


async def _watch_budget(realm: Realm, scope_id: str) -> dict[str, str]:
    """Make a rule for a scope's budget, a target of the organization, and a message for it."""
    company, name = realm.company, realm.company.organization.name
    (budget,) = await company.look(None, budgets.list_budgets, scope_id=scope_id)
    rule = await company.change(None, alerts.create_rule, budget.id, threshold_permille=800, does="email")
    url = f"https://{name.lower()}.example.com/alerts"
    made = await company.change(None, alert_targets.create_target, name=f"{name} ops", kind="webhook", url=url)
    sent = await company.change(None, alert_targets.try_target, made.target.id, public_url=RULES.public_url)
    realm.marks.add(made.secret.lower())
    return {
        "budget_id": budget.id,
        "alert_rule_id": rule.id,
        "alert_target_id": made.target.id,
        "delivery_id": sent,
    }


def bearer(credential: str) -> dict[str, str]:
    return {"authorization": f"Bearer {credential}"}


def _mistyped(key: str) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


def never_there(id_: str) -> str:
    """Return an id of the same kind that nothing has."""
    last = "0" if id_[-1] != "0" else "1"
    return id_[:-1] + last  # of the same form: a request's id is refused before it is looked up when it is none
