"""An organization with Korean and English names: its people, teams, projects, keys of every state, and its past."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from tests.keys.workshop import DAY_US
from tests.screenshots.past import HOUSE, PRO, SMALL, SMART, SONNET, VECTORS, Work, past_calls
from tests.tenancy.company import Company, Person

from tollkeeper.control import api_keys, key_changes, key_rotation, members, roles
from tollkeeper.control.api_keys import KeyUpdate, NewApiKey
from tollkeeper.control.organizations import choose_project, create_organization, update_organization
from tollkeeper.domain.account import Account, AccountId, AccountStatus
from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.key_terms import KeyTerms, RateLimit
from tollkeeper.domain.tenancy import Language, Organization, Project, Team
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store import accounts
from tollkeeper.store import members as member_rows
from tollkeeper.store.engine import Store

NAME = "해빛랩 Haebit Labs"
NEW_NAME = "새싹 Sprout"
FINANCE = frozenset({"billing:read", "analytics:full", "quota:read", "audit:read"})


@dataclass
class Office:
    """Who and what there is; `past` are the calls that were made before today's."""

    company: Company
    people: dict[str, Person] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    keys: dict[str, NewApiKey] = field(default_factory=dict)
    past: list[UsageRecord] = field(default_factory=list)
    empty_id: str = ""
    role_id: str = ""

    def used(self, *key_names: str, since_us: int = 0, model: str = "") -> int:
        """Return what some keys' calls have cost since a time, in nano-dollars; all keys' without any."""
        ids = {self.keys[each].record.id for each in key_names}
        return sum(
            each.amount_nanos or 0
            for each in self.past
            if each.started_at_us >= since_us
            and (not ids or each.api_key_id in ids)
            and (not model or each.model_asked == model)
        )


async def open_office(store: Store, organization: Organization) -> Office:
    """Furnish an organization that has nothing but its default project."""
    default = await choose_project(store, organization.id, "default")
    office = Office(Company(store, organization, default))
    company = office.company
    rate = DisplayCurrency("KRW", 1_385_250_000, "2026-11-20", "한국은행")
    await company.change(
        None, update_organization, company.id, name=NAME, timezone="Asia/Seoul", language="ko", display_currency=rate
    )
    await _bring_people(office)
    await _make_places(office)
    await _give_roles(office)
    await _make_keys(office)
    office.past = past_calls(_works(office), seed=20261123, now_us=now_us())
    await store.insert_usage(office.past, slot="past")
    await _found_new_one(office)
    return office


async def _bring_people(office: Office) -> None:
    store, wanted = office.company.store, {
        "en": ("Jimin Kim", "jimin@haebit.example", "en"),
        "ko": ("김지민", "jimin.kim@haebit.example", "ko"),
        "seojun": ("박서준", "seojun@haebit.example", "ko"),
        "haeun": ("이하은", "haeun@haebit.example", "ko"),
        "alex": ("Alex Rivera", "alex@haebit.example", "en"),
        "yuna": ("최유나", "yuna@haebit.example", "ko"),
        "newcomer-en": ("Sam Lee", "sam@elsewhere.example", "en"),
        "newcomer-ko": ("이샘", "sam.ko@elsewhere.example", "ko"),
    }  # fmt: skip
    for who, (name, email, language) in wanted.items():
        account_id = await _add_account(store, name, email, language)  # type: ignore[arg-type]
        member_id = ""
        if not who.startswith("newcomer"):
            member_id = (
                await store.write(lambda c, id_=account_id: member_rows.add_member(c, office.company.id, id_))
            ).id  # type: ignore[misc]
        office.people[who] = Person(account_id, member_id, email)


async def _add_account(store: Store, name: str, email: str, language: Language) -> str:
    id_, at_us = AccountId(new_id("acc")), now_us()
    made = Account(id_, email, name, language, AccountStatus.ACTIVE, True, at_us, at_us)
    await store.write(lambda c: accounts.create_account(c, made, password_hash="nobody knows it"))
    return id_


async def _make_places(office: Office) -> None:
    company = office.company
    for team in ("ML 연구", "Backend", "디자인"):
        office.teams[team] = await company.team(team)
    for name, team in (
        ("search", "ML 연구"),
        ("문서 요약", "ML 연구"),
        ("api-server", "Backend"),
        ("야간 배치", "Backend"),
        ("prototypes", "디자인"),
    ):
        office.projects[name] = await company.project(name, office.teams[team])
    office.projects["default"] = company.default


async def _give_roles(office: Office) -> None:
    company, team = office.company, office.teams
    made = await company.change(
        None,
        roles.create_role,
        name="재무 Finance",
        permissions=FINANCE,
        description="비용과 청구서를 검토합니다. Reads costs and the audit log.",
    )
    office.role_id = made.id
    for who, role, scope_id in (
        ("en", "org_admin", company.id),
        ("ko", "org_admin", company.id),
        ("seojun", "team_admin", team["ML 연구"].id),
        ("haeun", "developer", office.projects["search"].id),
        ("haeun", "developer", office.projects["문서 요약"].id),
        ("alex", "team_admin", team["Backend"].id),
        ("yuna", "viewer", team["디자인"].id),
        ("yuna", made.id, company.id),
    ):
        await company.change(None, members.give_role, office.people[who].member_id, role=role, scope_id=scope_id)


async def _make_keys(office: Office) -> None:
    company, admin = office.company, office.people["ko"]
    limits = KeyTerms(
        allowed_models=("smart", "gpt-5.4", "gpt-4o*", "text-embedding-3-*"),
        allowed_ips=("127.0.0.0/8", "10.20.0.0/16"),
        rate_limit=RateLimit(requests_per_minute=600, tokens_per_minute=400_000),
        labels={"env": "prod"},
    )

    async def service(name: str, project: str, **more: Any) -> NewApiKey:
        made = await company.change(
            admin, api_keys.create_service_key, project_id=office.projects[project].id, name=name, **more
        )
        office.keys[name] = made
        return made  # type: ignore[no-any-return]

    at_us = now_us()
    await service("search-production", "search", terms=limits, expires_at_us=at_us + 300 * DAY_US)
    await service("문서 요약 운영", "문서 요약")
    await service("api-server-production", "api-server", expires_at_us=at_us + 5 * DAY_US)
    await service("nightly-batch", "야간 배치")
    await service("figma-plugin", "prototypes")
    await service("hackathon 2026", "prototypes", expires_at_us=at_us + 1_500_000)
    await service("search-staging", "search")
    await company.change(
        admin, key_changes.update_key, office.keys["search-staging"].record.id, KeyUpdate(is_disabled=True)
    )
    await service("api-server-old", "api-server")
    await company.change(admin, key_rotation.rotate_key, office.keys["api-server-old"].record.id, grace_seconds=86_400)
    for who, name, project in (("haeun", "하은 노트북", "search"), ("seojun", "seojun-notebook", "문서 요약")):
        office.keys[name] = await company.change(
            office.people[who], api_keys.create_member_key, project_ids=(office.projects[project].id,), name=name
        )


def _works(office: Office) -> list[Work]:
    def work(key: str, calls: int, models: Any, tokens: tuple[int, int], **labels: str) -> Work:
        return Work(_record(office, key), calls, models, *tokens, labels)

    return [
        work("search-production", 26, (SMART, SMALL, SMALL, VECTORS), (24_000, 900), feature="search", env="prod"),
        work("문서 요약 운영", 14, (SONNET, SONNET, PRO), (60_000, 1_800), feature="summary"),
        work("api-server-production", 18, (SMALL, SMART), (6_000, 600), feature="chat"),
        work("nightly-batch", 9, (PRO, SMALL), (90_000, 400)),
        work("figma-plugin", 4, (SMALL, HOUSE), (3_000, 700)),
        work("하은 노트북", 6, (SMART, SONNET), (9_000, 1_200), purpose="eval"),
        work("seojun-notebook", 3, (PRO, SMART), (14_000, 2_000)),
    ]


def _record(office: Office, name: str) -> ApiKey:
    return office.keys[name].record


async def _found_new_one(office: Office) -> None:
    """Found a second organization, in which nothing has happened yet, of the same two admins."""
    company = office.company

    async def found(action: Any) -> str:
        made = await create_organization(action, name=NEW_NAME, timezone="Asia/Seoul", is_open=False)
        return made.organization.id

    office.empty_id = await company.change(None, found)
    other = Company(company.store, msgspec.structs.replace(company.organization, id=office.empty_id), company.default)
    for who in ("en", "ko"):
        account_id = office.people[who].account_id
        member = await company.store.write(lambda c, id_=account_id: member_rows.add_member(c, office.empty_id, id_))  # type: ignore[misc]
        await other.change(None, members.give_role, member.id, role="org_admin", scope_id=office.empty_id)
