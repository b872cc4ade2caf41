"""Explanations of access: the same decision as the door's, for oneself, and for others by who oversees them."""

from __future__ import annotations

import pytest
from tests.fakes.new_keys import act, create_admin_key
from tests.tenancy.company import PEPPER, Company

from tollkeeper.control import access, api_keys, members, projects
from tollkeeper.control.administration import Caller
from tollkeeper.control.api_keys import KeyUpdate
from tollkeeper.domain.access import decide, principal_of_key
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.key_terms import KeyTerms
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.tenancy import Place


async def test_an_explanation_is_the_decision_for_every_permission(company: Company) -> None:
    team = await company.team("ml")
    search = await company.project("search", team)
    dev = await company.hire("dev", ("developer", search.id), ("viewer", company.id))
    principal = (await company.caller(dev)).principal
    for place in (Place(company.id), Place(company.id, team.id), Place(company.id, team.id, search.id)):
        for permission in sorted(PERMISSIONS):
            told = await company.look(dev, access.explain, permission=permission, scope_id=place.id)
            decided = decide(principal, permission, place)
            assert (told.is_allowed, told.reason, told.source) == (decided.is_allowed, decided.reason, decided.source)
    assert told.principal_id == dev.member_id
    assert [each.source for each in told.grants] == [each.source for each in principal.grants]


async def test_others_are_explained_to_who_oversees_them_and_only_what_these_may_see(company: Company) -> None:
    ml, web = await company.team("ml"), await company.team("web")
    lead = await company.hire("lead", ("team_admin", ml.id))
    dev = await company.hire("dev", ("developer", ml.id), ("team_admin", web.id))
    seller = await company.hire("seller", ("viewer", web.id))
    wanted = {"permission": "chat:create", "scope_id": ml.id}
    told = await company.look(lead, access.explain, principal_id=dev.member_id, **wanted)
    assert (told.is_allowed, [each.source for each in told.grants]) == (True, ["role developer"])
    with pytest.raises(NotFound):  # a person of another team
        await company.look(lead, access.explain, principal_id=seller.member_id, **wanted)
    with pytest.raises(NotFound):  # a place of another team
        await company.look(lead, access.explain, principal_id=dev.member_id, permission="chat:create", scope_id=web.id)
    with pytest.raises(PermissionDenied, match="about yourself only"):
        await company.look(lead, access.explain, principal_id=dev.member_id, permission="chat:create")
    viewer = await company.hire("viewer", ("viewer", company.id))
    for asked in (dev.member_id, "mem_nothing", "key_nothing"):  # whether they exist is not told either
        with pytest.raises(PermissionDenied):
            await company.look(viewer, access.explain, principal_id=asked, permission="chat:create")
    whole = await company.look(None, access.explain, principal_id=dev.member_id, permission="chat:create")
    assert not whole.is_allowed
    assert len(whole.grants) == 2


async def test_a_key_is_explained_with_what_stops_it_and_its_terms(company: Company) -> None:
    terms = KeyTerms(allowed_ips=("10.0.0.0/8",), allowed_models=("gpt-4o*",))
    made = await company.change(
        None, api_keys.create_service_key, project_id=company.default.id, name="prod", terms=terms
    )
    asked = {"principal_id": made.record.id, "permission": "chat:create", "scope_id": company.default.id}
    told = await company.look(None, access.explain, **asked)
    assert told.is_allowed
    assert told.source == f"API key {made.record.id}"
    assert [("10.0.0.0/8" in each, "gpt-4o*" in each) for each in told.notes] == [(False, True), (True, False)]
    await act(company.store, PEPPER, company.id, api_keys.update_key, made.record.id, KeyUpdate(is_disabled=True))
    told = await company.look(None, access.explain, **asked)
    assert (told.is_allowed, told.reason) == (False, "The key is disabled.")
    await act(company.store, PEPPER, company.id, api_keys.update_key, made.record.id, KeyUpdate(is_disabled=False))
    assert (await company.look(None, access.explain, **asked)).is_allowed
    await company.change(None, projects.archive_project, company.default.id)
    told = await company.look(None, access.explain, **{**asked, "scope_id": None})
    assert (told.is_allowed, told.reason) == (False, "The key's project is archived.")


async def test_a_members_key_has_what_the_member_has_now(company: Company) -> None:
    project_id = company.default.id
    dev = await company.hire("dev", ("developer", project_id))
    made = await company.change(dev, api_keys.create_member_key, project_ids=(project_id,), name="laptop")
    asked = {"principal_id": made.record.id, "permission": "chat:create", "scope_id": project_id}
    assert (await company.look(None, access.explain, **asked)).is_allowed
    await company.change(None, members.give_role, dev.member_id, role="viewer", scope_id=project_id)
    await company.change(None, members.take_role, dev.member_id, role="developer", scope_id=project_id)
    assert not (await company.look(None, access.explain, **asked)).is_allowed


async def test_an_administration_key_asks_about_itself_and_cannot_infer(company: Company) -> None:
    made = await create_admin_key(company.store, PEPPER, company.id, name="admin")
    caller = Caller(principal_of_key(made.record))
    told = await company.look(caller, access.explain, permission="chat:create")
    assert (told.is_allowed, told.principal_id) == (False, made.record.id)
    assert told.notes == ("It is an administration key, which cannot call models.",)
    assert (await company.look(caller, access.explain, permission="audit:read")).is_allowed
    lead = await company.hire("lead", ("team_admin", (await company.team("ml")).id))
    team_id = (await company.caller(lead)).principal.grants[0].team_id
    with pytest.raises(NotFound):  # the organization's keys are none of a team's business
        await company.look(lead, access.explain, principal_id=made.record.id, permission="audit:read", scope_id=team_id)


async def test_an_unknown_permission_is_named(company: Company) -> None:
    with pytest.raises(InvalidRequest, match="'chat:creaet'"):
        await company.look(None, access.explain, permission="chat:creaet")
