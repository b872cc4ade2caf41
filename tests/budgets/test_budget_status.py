"""Status: what is used, reserved and left of every budget, as a tree of what the caller may see."""

from __future__ import annotations

import io
import random
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from admin_factories import make_call
from rich.cells import cell_len
from rich.console import Console
from tests.tenancy.company import USD, Company

from tollkeeper.cli.budget_status import tree_of
from tollkeeper.control import api_keys, budgets, teams
from tollkeeper.control.budget_status import Branch, read_status, shown_status
from tollkeeper.control.budgets import Terms
from tollkeeper.domain.budget import Budget, Enforcement
from tollkeeper.domain.errors import NotFound, PermissionDenied
from tollkeeper.domain.lease import Ask, Draw
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.leases import StoreLeases

CHAT = frozenset({"chat:create"})


async def a_call(company: Company, key: Any, nanos: int, draws: tuple[Draw, ...] = ()) -> UsageRecord:
    made = make_call(random.Random(1), company.id, key)
    record = msgspec.structs.replace(
        made, call_id=uuid7(), started_at_us=now_us(), amount_nanos=nanos, lines=(), quantities={}, draws=draws
    )
    await company.store.insert_usage([record], slot="a")
    return record


async def service_key(company: Company, project_id: str) -> Any:
    wanted = {"project_id": project_id, "name": "prod", "permissions": CHAT}
    return await company.change(None, api_keys.create_service_key, **wanted)


async def status(company: Company, scope_id: str | None = None, who: Any = None) -> dict[str, Any]:
    return shown_status(await company.look(who, read_status, scope_id=scope_id))


def figures(branch: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(each["used"], each["reserved"], each["left"], each["limit"]) for each in branch["budgets"]]


async def lease(company: Company, budget: Budget, want: int) -> bytes:
    id_ = uuid7()
    (answer,) = await StoreLeases(company.store).exchange(
        "a", [Ask(company.id, budget.id, id_, 1, need=want, want=want)]
    )
    assert (answer.outcome, answer.amount) == ("done", want)
    return id_


async def test_used_and_reserved_are_told_before_and_after_leases(company: Company) -> None:
    key = await service_key(company, company.default.id)
    await a_call(company, key, 2 * USD)
    budget = await company.change(None, budgets.set_budget, company.id, terms=Terms(10 * USD))
    assert figures((await status(company))["root"]) == [(2, 0, 8, 10)], "what was used before anybody drew on it"
    id_ = await lease(company, budget, USD // 10)
    tenth = Decimal("0.1")
    assert figures((await status(company))["root"]) == [(2, tenth, 8 - tenth, 10)]
    await a_call(company, key, USD // 20, (Draw(id_, USD // 20),))
    twentieth = Decimal("0.05")
    assert figures((await status(company))["root"]) == [(2 + twentieth, twentieth, 8 - tenth, 10)]


async def test_every_unit_is_told_in_its_own_numbers(company: Company) -> None:
    key = await service_key(company, company.default.id)
    await a_call(company, key, 2 * USD)
    for terms in (
        Terms(4, "daily", unit="requests"),
        Terms(3, "total", unit="concurrent"),
        Terms(0, "weekly", enforcement=Enforcement(hard_limit=False)),
    ):
        await company.change(None, budgets.set_budget, company.id, terms=terms)
    told = await status(company)
    assert (told["timezone"], told["root"]["name"]) == ("Asia/Seoul", "Acme")
    by_unit = {each["unit"]: each for each in told["root"]["budgets"]}
    assert (by_unit["requests"]["used"], by_unit["requests"]["left"], by_unit["requests"]["percent"]) == (1, 3, 25)
    assert by_unit["requests"]["resets_at"].endswith("T00:00:00+09:00")
    assert (by_unit["concurrent"]["limit"], by_unit["concurrent"]["resets_at"]) == (3, None)
    soft = by_unit["usd"]
    assert (soft["used"], soft["left"], soft["percent"], soft["hard_limit"]) == (2, 0, None, False)


async def test_the_tree_has_what_has_budgets_and_the_path_to_it(company: Company) -> None:
    team, _ = await company.team("ml"), await company.team("nothing")
    project, loose = await company.project("search", team), await company.project("loose")
    key = (await service_key(company, project.id)).record
    dev = await company.hire("dev", ("developer", project.id))
    for scope_id in (key.id, loose.id, dev.member_id):
        await company.change(None, budgets.set_budget, scope_id, terms=Terms(5))

    def names(branch: dict[str, Any]) -> Any:
        below = [names(each) for each in branch["children"]]
        return (branch["kind"], branch["name"], len(branch["budgets"]), below)

    in_team = ("team", "ml", 0, [("project", "search", 0, [("api_key", "prod", 1, [])])])
    others = [("project", "loose", 1, []), ("member", "dev@example.com", 1, [])]
    assert names((await status(company))["root"]) == ("organization", "Acme", 0, [in_team, *others])
    assert names((await status(company, team.id))["root"]) == in_team
    assert names((await status(company, key.id))["root"]) == in_team[3][0][3][0]
    assert (await status(company, (await company.team("empty")).id))["root"] is None


async def test_everybody_sees_what_they_may(company: Company) -> None:
    team, other = await company.team("ml"), await company.team("web")
    project = await company.project("search", team, monthly_usd=5)
    key = (await service_key(company, project.id)).record
    dev = await company.hire("dev", ("developer", project.id))
    viewer = await company.hire("viewer", ("viewer", team.id))
    stranger = await company.hire("stranger", ("viewer", other.id))
    for scope_id in (company.id, team.id, key.id, dev.member_id):
        await company.change(None, budgets.set_budget, scope_id, terms=Terms(7))

    def seen(branch: dict[str, Any]) -> set[str]:
        own = {branch["id"]} if branch["budgets"] else set()
        return own.union(*(seen(each) for each in branch["children"]))

    assert seen((await status(company))["root"]) == {company.id, team.id, project.id, key.id, dev.member_id}
    assert seen((await status(company, who=dev))["root"]) == {project.id, key.id, dev.member_id}
    assert seen((await status(company, who=viewer))["root"]) == {team.id, project.id}, "nothing of keys or people"
    assert seen((await status(company, team.id, viewer))["root"]) == {team.id, project.id}
    assert (await status(company, who=stranger))["root"] is None
    for who, scope_id, error in (
        (stranger, team.id, NotFound),
        (stranger, project.id, NotFound),
        (dev, team.id, PermissionDenied),
        (viewer, key.id, NotFound),
        (viewer, dev.member_id, NotFound),
    ):
        with pytest.raises(error):
            await status(company, scope_id, who)


async def test_it_fits_80_columns_whatever_things_are_called(company: Company) -> None:
    team = await company.change(
        None, teams.create_team, name="검색 플랫폼 연구개발 본부 인공지능 서비스 개발실 데이터 처리팀"
    )
    project = await company.project("한국어 모델 평가 자동화 프로젝트", team)
    key = (await service_key(company, project.id)).record
    for scope_id in (company.id, team.id, project.id, key.id):
        for terms in (
            Terms(999_999_999 * USD + 1),
            Terms(10**12, "daily", unit="tokens", model="claude-sonnet-5-20260601-thinking-preview"),
        ):
            await company.change(None, budgets.set_budget, scope_id, terms=terms)
    found = await company.look(None, read_status)
    assert found.root is not None
    lines = drawn(found.root)
    assert max(map(cell_len, lines)) <= 80
    text = "\n".join(lines)
    for expected in (
        "인공지능",
        "claude-sonnet-5-20260601",
        "-thinking-preview",
        "1,000,000,000,000",
        "resets 20",
        "KST",
    ):
        assert expected in text
    bars = [line.index("░") for line in lines if "░" in line and "month" in line]
    assert len(bars) == 4


def drawn(root: Branch) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=80, highlight=False, markup=False).print(tree_of(root, ZoneInfo("Asia/Seoul")))
    return out.getvalue().splitlines()
