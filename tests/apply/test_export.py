"""What is exported is in sync when it is applied, whatever is in it, and nothing of it is secret."""

from __future__ import annotations

import asyncio

import pytest
from blueprint_factories import Desk, keys_of, make_desk, shown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollkeeper.control.blueprint.document import (
    AlertEntry,
    BudgetEntry,
    Document,
    KeyEntry,
    MemberEntry,
    MemberRoleEntry,
    ModelLimitEntry,
    OrganizationEntry,
    PolicyEntry,
    ProjectEntry,
    RateEntry,
    RoleEntry,
    TeamEntry,
)
from tollkeeper.control.blueprint.writing import write_yaml
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.store.engine import Store

ODD_NAMES = [
    "null",
    "~",
    "true",
    "1.50",
    "0x1F",
    "2027-01-31",
    "a: b",
    "# no",
    "- x",
    "'",
    '"',
    "한국어",
    "🎈",
    "{}",
    "*a",
    "|",
    "=",
]
names = st.sampled_from(ODD_NAMES) | st.text(
    st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12
).map(lambda text: text.strip()).filter(lambda text: text.isprintable() and bool(text))
amounts = st.integers(0, 10**15)
permissions = st.lists(st.sampled_from(sorted(PERMISSIONS)), min_size=1, max_size=4, unique=True).map(tuple)
budgets = st.lists(
    st.builds(
        BudgetEntry,
        carryover=st.booleans(),
        hard_limit=st.booleans(),
        notify_on_exceed=st.booleans(),
        auto_disable_on_exceed=st.booleans(),
    ),
    min_size=1,
    max_size=3,
).flatmap(lambda found: st.tuples(*(st.tuples(st.just(entry), amounts) for entry in found)))
keys = st.lists(
    st.builds(
        KeyEntry,
        name=names,
        permissions=permissions.map(lambda p: tuple(each for each in p if each.startswith("c")) or ("chat:create",)),
        expires_at_us=st.none() | st.integers(1_900_000_000_000_000, 2_500_000_000_000_000),
        rate_limit=st.builds(RateEntry, requests_per_minute=st.none() | st.integers(1, 10**9)),
        allowed_ips=st.sampled_from([(), ("10.0.0.0/8", "2001:db8::1")]),
        allowed_models=st.sampled_from([(), ("gpt-4o*", "*")]),
        labels=st.dictionaries(st.sampled_from(["env", "한글", "on"]), names.filter(lambda each: len(each) < 99)),
        is_disabled=st.booleans(),
    ),
    max_size=2,
    unique_by=lambda key: key.name.casefold(),
).map(tuple)


def with_amounts(entries: tuple[tuple[BudgetEntry, int], ...]) -> tuple[BudgetEntry, ...]:
    """Give each entry a period of its own."""
    periods = ("daily_nanos", "weekly_nanos", "monthly_nanos")
    made = []
    for period, (entry, nanos) in zip(periods, entries, strict=False):
        terms = {name: getattr(entry, name) for name in BudgetEntry.__struct_fields__ if not name.endswith("_nanos")}
        made.append(BudgetEntry(**{period: nanos}, **terms))
    return tuple(made)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    every = draw(st.lists(names, min_size=4, max_size=8, unique_by=str.casefold))
    projects = [
        ProjectEntry(
            name,
            with_amounts(draw(budgets)),
            (AlertEntry(draw(st.integers(1, 1000)), "slack"),),
            {"gpt-4o": ModelLimitEntry(draw(st.none() | st.integers(0, 99)), draw(st.none() | amounts))},
            draw(keys),
        )
        for name in every[:3]
    ]
    role = RoleEntry(
        "r " + every[3], tuple(sorted(draw(permissions))), draw(st.sampled_from(["", "looks", "a: b\n# c"]))
    )
    team = TeamEntry(every[3], with_amounts(draw(budgets)), tuple(projects[:2]))
    held = [MemberRoleEntry(role.name), MemberRoleEntry("viewer", team=team.name)]
    held.append(MemberRoleEntry("developer", project=projects[2].name))
    return Document(
        organization=OrganizationEntry(
            timezone="Asia/Seoul", policy=PolicyEntry(None, False, ("env",)), budget=with_amounts(draw(budgets))
        ),
        roles=(role,),
        teams=(team,),
        projects=(projects[2],),
        members=(MemberEntry("a@b.example", tuple(held)), MemberEntry("c@b.example", (MemberRoleEntry("org_admin"),))),
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(document=documents())
def test_export_of_what_was_applied_is_in_sync(sqlite_url: str, document: Document) -> None:
    async def run() -> None:
        store = Store.open(sqlite_url)
        try:
            desk = await make_desk(store)
            text = write_yaml(document)
            await desk.apply(text, may_overfill=True)
            assert shown(await desk.plan(text, is_pruning=True)) == []
            exported = await desk.export()
            assert shown(await desk.plan(exported, is_pruning=True)) == [], exported
            other = await make_desk(store)
            await other.apply(exported, may_overfill=True)
            assert shown(await other.plan(text, is_pruning=True)) == []
        finally:
            await store.aclose()

    asyncio.run(run())


@pytest.fixture
async def desk(store: Store) -> Desk:
    return await make_desk(store)


async def test_export_of_an_organization_that_was_worked_on_is_in_sync(desk: Desk) -> None:
    await desk.account("boss@example.com")
    await desk.apply(
        "teams: [{name: t, projects: [{name: p, keys: [{name: k}]}]}, {name: gone, projects: [{name: archived}]}]\n"
        "members: [{email: boss@example.com, roles: [{role: org_admin}, {role: viewer, project: archived}]}]"
    )
    await desk.apply("teams: [{name: t}]", is_pruning=True)  # the role at what is archived is left behind
    exported = await desk.export()
    assert "archived" not in exported
    assert shown(await desk.plan(exported, is_pruning=True)) == []


async def test_no_secret_is_exported(desk: Desk) -> None:
    made = keys_of(await desk.apply("projects: [{name: p, keys: [{name: k}]}]"))
    exported = await desk.export()
    assert "name: k" in exported
    assert made[0].key not in exported
    assert made[0].record.id not in exported
