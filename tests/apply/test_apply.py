"""Applying a file on both databases: all of it or nothing, the second time nothing, and pruned with care."""

from __future__ import annotations

import pytest
from blueprint_factories import Desk, keys_of, make_desk, read, shown

from tollkeeper.control import budgets, members, projects, roles, teams
from tollkeeper.control.audit import AuditFilter, list_events
from tollkeeper.domain.budget import QuotaAlert
from tollkeeper.domain.errors import Conflict, InvalidRequest, TollkeeperError
from tollkeeper.store import members as member_rows
from tollkeeper.store.engine import Store

FILE = """
organization:
  timezone: Asia/Seoul
  budget: {monthly_usd: 500}
roles:
- {name: analyst, description: Looks., permissions: [analytics:full]}
teams:
- name: ml
  budget: {monthly_usd: 300, daily_usd: 20.5}
  projects:
  - name: pipeline
    budget: {monthly_usd: 200.25, carryover: true}
    quota_alerts: [{threshold: 0.75, action: email}]
    model_limits: {gpt-4o: {daily_requests: 5, daily_budget_usd: 1.5}}
    keys:
    - {name: prod, permissions: [chat:create], allowed_ips: [10.0.0.0/8], labels: {env: prod}}
    - {name: old, disabled: true}
- name: design
members:
- email: Lead@Example.com
  roles: [{role: team_admin, team: ml}, {role: analyst}]
- email: dev@example.com
  roles: [{role: developer, project: pipeline}]
"""


@pytest.fixture
async def desk(store: Store) -> Desk:
    return await make_desk(store)


async def test_a_second_time_there_is_nothing_to_change(desk: Desk) -> None:
    first = await desk.apply(FILE)
    assert [each.record.name for each in keys_of(first)] == ["prod", "old"]
    assert len(first.plan.changes) == 13
    assert shown(await desk.plan(FILE)) == []
    assert (await desk.apply(FILE)).plan.changes == ()


async def test_what_was_applied_is_what_the_use_cases_see(desk: Desk) -> None:
    await desk.apply(FILE)
    (found,) = await desk.administration.look(desk.caller, projects.list_projects)
    assert found.project.name == "pipeline"
    assert found.monthly_budget is not None
    assert found.monthly_budget.amount == 200_250_000_000
    assert found.monthly_budget.is_carried_over
    assert found.limits is not None
    assert found.limits.quota_alerts == (QuotaAlert(750, "email"),)
    assert [each.name for each in await desk.administration.look(desk.caller, teams.list_teams)] == ["ml", "design"]
    every = await desk.administration.look(desk.caller, budgets.list_budgets)
    assert sorted((each.scope_kind, each.period, each.amount // 10**7) for each in every) == [
        ("organization", "monthly", 50_000),
        ("project", "daily", 0),  # 5 requests
        ("project", "daily", 150),
        ("project", "monthly", 20_025),
        ("team", "daily", 2_050),
        ("team", "monthly", 30_000),
    ]


async def test_what_the_file_does_not_mention_stays(desk: Desk) -> None:
    await desk.apply(FILE)
    text = "teams:\n- name: ml\n  projects:\n  - name: pipeline\n    keys: [{name: prod}]\nmembers: []\n"
    assert shown(await desk.plan(text)) == []


async def test_changes_are_shown_with_old_and_new(desk: Desk) -> None:
    await desk.apply(FILE)
    plan = await desk.plan(FILE.replace("200.25", "250").replace("[chat:create]", "[chat:create, models:list]"))
    assert shown(plan) == ["~ key prod", "~ budget project pipeline, monthly"]
    (permissions,), (amount,) = (each.fields for each in plan.changes)
    assert (permissions.before, permissions.after) == ("chat:create", "chat:create, models:list")
    assert (amount.before, amount.after) == ("200.25", "250")


async def test_every_object_is_an_event_of_the_audit_log(desk: Desk) -> None:
    await desk.apply(FILE)
    events = await desk.administration.look(desk.caller, list_events, AuditFilter(), limit=100)
    assert {each.actor_name for each in events} == {"jimin"}
    done = sorted(each.action for each in events)
    assert done == sorted(
        ["organization.update", "role.create", "team.create", "team.create", "project.create"]
        + ["api_key.create", "api_key.create", "api_key.update", "invite.create", "invite.create"]
        + ["budget.set"] * 4
    )


async def test_what_is_made_in_bulk_is_logged_as_what_is_made_singly(store: Store) -> None:
    """The use cases and `bulk` must not drift apart."""
    texts = []
    for is_bulk in (True, False):
        desk = await make_desk(store)
        if is_bulk:
            await desk.apply(
                "teams:\n- name: ml\n  budget: {monthly_usd: 2.5, carryover: true}\n  projects:\n  - name: web\n"
                "    quota_alerts: [{threshold: 0.5, action: slack}]\n"
            )
        else:
            run = desk.administration.change
            team = await run(desk.caller, teams.create_team, name="ml")
            quota = projects.ProjectQuota(quota_alerts=(QuotaAlert(500, "slack"),))
            await run(desk.caller, projects.create_project, name="web", team_id=team.id, quota=quota)
            terms = budgets.Terms(2_500_000_000, is_carried_over=True)
            await run(desk.caller, budgets.set_budget, team.id, terms=terms)
        (team_id,) = [each.id for each in await desk.administration.look(desk.caller, teams.list_teams)]
        events = await desk.administration.look(desk.caller, list_events, AuditFilter())
        texts.append(
            sorted((e.action, e.target_kind, e.target_name, e.before, e.after.replace(team_id, "T")) for e in events)
        )
    assert texts[0] == texts[1]
    assert len(texts[0]) == 3


async def test_all_of_it_or_nothing(desk: Desk) -> None:
    """The role is predefined in all but its letters, which only the use case knows."""
    text = FILE.replace("name: analyst", "name: ORG_ADMIN").replace("role: analyst", "role: ORG_ADMIN")
    with pytest.raises(InvalidRequest, match=r"org.yaml: roles\[0\]: .*\(line 6\)"):
        await desk.apply(text)
    assert shown(await desk.plan("organization: {timezone: UTC}")) == []
    assert await desk.administration.look(desk.caller, list_events, AuditFilter()) == []


async def test_a_rehearsal_takes_everything_back_and_finds_what_would_be_refused(desk: Desk) -> None:
    before = await desk.plan(FILE)
    await desk.rehearse(FILE)
    assert (await desk.plan(FILE)).is_same(before)
    with pytest.raises(InvalidRequest, match="past"):
        await desk.rehearse("projects:\n- name: p\n  keys: [{name: k, expires_at: 2020-01-01}]\n")


async def test_what_changed_since_it_was_agreed_to_is_not_done(desk: Desk) -> None:
    agreed = await desk.plan(FILE)
    await desk.administration.change(desk.caller, teams.create_team, name="design")
    with pytest.raises(Conflict, match="changed while you were asked"):
        await desk.apply_agreed(FILE, agreed)


async def test_parts_that_do_not_fit_are_refused_unless_they_may(desk: Desk) -> None:
    text = "organization: {budget: {monthly_usd: 10}}\nteams:\n- {name: a, budget: {monthly_usd: 6}}\n"
    text += "- {name: b, budget: {monthly_usd: 5}}\n"
    with pytest.raises(Conflict, match=r"\$11.00 of the organization's monthly budget of \$10.00, \$1.00 too much"):
        await desk.apply(text)
    await desk.apply(text, may_overfill=True)
    assert (await desk.plan(text.replace("5", "4.5"))).overfull == (), "what was too much may shrink"
    assert (await desk.plan(text.replace("5", "5.1"))).overfull != ()


async def test_budgets_change_places_in_one_go(desk: Desk) -> None:
    """One by one, in either order, the whole would overflow on the way or nothing would have to be changed first."""
    text = "organization: {budget: {monthly_usd: 10}}\nteams:\n- {name: a, budget: {monthly_usd: 9}}\n"
    text += "- {name: b, budget: {monthly_usd: 1}}\n"
    await desk.apply(text)
    turned = "organization: {budget: {monthly_usd: 10}}\nteams:\n- {name: a, budget: {monthly_usd: 1}}\n"
    turned += "- {name: b, budget: {monthly_usd: 9}}\n"
    assert len((await desk.apply(turned)).plan.changes) == 2


async def test_a_project_moves_with_its_keys(desk: Desk) -> None:
    await desk.apply(FILE)
    text = "teams:\n- name: design\n  projects: [{name: pipeline}]\n"
    with pytest.raises(Conflict, match=r"\$0.25 too much"):  # it draws on the organization's budget now
        await desk.apply(text)
    plan = (await desk.apply(text, may_overfill=True)).plan
    assert shown(plan) == ["~ project pipeline"]
    assert [(each.before, each.after) for each in plan.changes[0].fields] == [("ml", "design")]


async def test_an_account_becomes_a_member_and_others_are_invited(desk: Desk) -> None:
    """An address that is not proved may be another person's: an account of it made beforehand must not get in."""
    await desk.account("known@example.com")
    await desk.account("unproved@example.com", is_verified=False)
    roles_ = "roles: [{role: developer}]"
    text = "members:\n" + "".join(
        f"- {{email: {name}@example.com, {roles_}}}\n" for name in ("known", "unproved", "new")
    )
    assert shown((await desk.apply(text)).plan) == [
        "+ member known@example.com",
        "+ invitation unproved@example.com",
        "+ invitation new@example.com",
        "+ member_role developer for known@example.com",
    ]
    assert shown(await desk.plan(text)) == []


async def test_prune_takes_away_only_what_the_sections_of_the_file_do_not_have(desk: Desk) -> None:
    await desk.apply(FILE + "projects: [{name: alone}]\n")
    assert sorted(shown(await desk.plan("roles: []\nmembers: []\n", is_pruning=True))) == [
        "- invitation dev@example.com",
        "- invitation lead@example.com",
        "- role analyst",
    ]
    plan = (await desk.apply("teams: [{name: design}]\n", is_pruning=True)).plan
    assert shown(plan) == ["- project pipeline", "- team ml"]
    found = await desk.administration.look(desk.caller, projects.list_projects)
    assert [each.project.name for each in found] == ["alone"]


async def test_prune_takes_keys_and_budgets_of_what_states_some(desk: Desk) -> None:
    await desk.apply(FILE)
    text = FILE.replace("    - {name: old, disabled: true}\n", "").replace(", daily_usd: 20.5", "")
    assert shown(await desk.plan(text)) == []
    assert shown((await desk.apply(text, is_pruning=True)).plan) == ["- key old", "- budget team ml, daily"]
    assert shown(await desk.plan(text, is_pruning=True)) == []


async def test_null_takes_a_budget_away(desk: Desk) -> None:
    await desk.apply(FILE)
    text = "teams: [{name: ml, budget: {daily_usd: null}}]"
    assert shown((await desk.apply(text)).plan) == ["- budget team ml, daily"]


@pytest.mark.parametrize("text", ["members: []\n", "members: [{email: boss@example.com}]\n"])
async def test_the_last_org_admin_is_never_pruned(desk: Desk, text: str) -> None:
    await desk.account("boss@example.com")
    await desk.account("second@example.com")
    await desk.apply(
        "members:\n- {email: boss@example.com, roles: [{role: org_admin}]}\n"
        "- {email: second@example.com, roles: [{role: developer}]}\n"
    )
    plan = (await desk.apply(text, is_pruning=True)).plan
    assert shown(plan) == ["- member second@example.com"]
    assert plan.notes == ("boss@example.com stays org_admin although the file does not say so: somebody must be.",)


async def test_an_org_admin_is_replaced_when_the_file_has_another(desk: Desk) -> None:
    for name in ("old", "new"):
        await desk.account(f"{name}@example.com")
    await desk.apply("members: [{email: old@example.com, roles: [{role: org_admin}]}]")
    await desk.apply("members: [{email: new@example.com, roles: [{role: org_admin}]}]", is_pruning=True)
    (left,) = await desk.administration.look(desk.caller, members.list_members)
    assert left.member.email == "new@example.com"
    assert await desk.store.read(lambda c: member_rows.count_org_admins(c, desk.organization_id)) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("members: [{email: a@b.example, roles: [{role: viewr}]}]", "roles[0].role: there is no role 'viewr'. Did you"),
        ("members: [{email: a@b.example, roles: [{role: viewer, team: ml}]}]", "roles[0].team: there is no team 'ml'"),
        ("members: [{email: a@b.example}]", "at least one role"),
        ("members: [{email: a@b.example, roles: [{role: team_admin}]}]", "team_admin is for a team"),
        ("roles: [{name: viewer, permissions: []}]", "predefined"),
        ("projects: [{name: p, keys: [{name: k, permissions: []}]}]", "at least one permission"),
    ],
)
async def test_what_neither_the_file_nor_the_organization_has_is_refused_with_its_place(
    desk: Desk, text: str, words: str
) -> None:
    with pytest.raises(TollkeeperError) as caught:
        await desk.plan(text)
    assert words in caught.value.message
    assert caught.value.message.startswith("org.yaml: ")
    assert "(line 1)" in caught.value.message


async def test_a_role_in_use_by_others_is_not_pruned(desk: Desk) -> None:
    await desk.apply(FILE)
    with pytest.raises(Conflict, match="in use"):
        await desk.apply("roles: []", is_pruning=True)
    assert len(await desk.administration.look(desk.caller, roles.list_roles)) == 5


def test_a_file_of_nothing_says_nothing() -> None:
    assert not read("version: 1").document.teams


COUNTED = """\
organization:
  fiscal_month_start: 25
  budget:
  - {monthly_usd: 500, total_usd: 9000, daily_requests: 1000, concurrent_calls: 20}
  - {model: gpt-4o, weekly_tokens: 1000000, hard_limit: false}
teams:
- name: ml
  budget: {daily_usd: 20, carryover: true}
  projects:
  - name: pipeline
    budget: {model: gpt-4o, monthly_usd: 5}
    model_limits: {gpt-4o: {daily_requests: 5}, o3: {}}
"""


async def test_budgets_of_every_unit_and_of_models_are_applied_exported_and_pruned(desk: Desk) -> None:
    await desk.apply(COUNTED)
    assert shown(await desk.plan(COUNTED)) == []
    every = await desk.administration.look(desk.caller, budgets.list_budgets)
    assert sorted((each.scope_kind, each.unit, each.period, each.model, each.amount) for each in every) == [
        ("organization", "concurrent", "total", "", 20),
        ("organization", "requests", "daily", "", 1000),
        ("organization", "tokens", "weekly", "gpt-4o", 1_000_000),
        ("organization", "usd", "monthly", "", 500 * 10**9),
        ("organization", "usd", "total", "", 9000 * 10**9),
        ("project", "requests", "daily", "gpt-4o", 5),
        ("project", "usd", "monthly", "gpt-4o", 5 * 10**9),
        ("team", "usd", "daily", "", 20 * 10**9),
    ]
    exported = await desk.export()
    assert "fiscal_month_start: 25" in exported
    assert shown(await desk.plan(exported, is_pruning=True)) == []
    fewer = COUNTED.replace(", daily_requests: 1000, concurrent_calls: 20", ", daily_requests: 900")
    plan = await desk.plan(fewer, is_pruning=True)
    assert shown(plan) == ["- budget organization, concurrent calls", "~ budget organization, daily requests"]
    await desk.apply(fewer, is_pruning=True)
    assert shown(await desk.plan(fewer, is_pruning=True)) == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("{model: gpt-4o, monthly_usd: 5}", "{model: gpt-4o, daily_requests: 5}", "belongs into model_limits"),
        ("weekly_tokens: 1000000", "weekly_tokens: 1.5", "whole number"),
        ("- {model: gpt-4o,", "- {daily_requests: 7,", "2 daily budgets of requests"),
        ("fiscal_month_start: 25", "fiscal_month_start: 29", "from 1 to 28"),
    ],
)
async def test_a_budget_that_cannot_be_says_where(desk: Desk, old: str, new: str, what: str) -> None:
    with pytest.raises(InvalidRequest, match=what):
        await desk.plan(COUNTED.replace(old, new))
