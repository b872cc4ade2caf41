"""A key is looked up as it holds at that moment, and what a server remembers of it is forgotten with what it hangs on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy import delete
from tests.keys.workshop import CHAT, DAY_US, PEPPER, Workshop, in_days

from tollkeeper.control import members, projects, roles
from tollkeeper.control.api_keys import NewApiKey
from tollkeeper.domain.access import decide, principal_of_key
from tollkeeper.domain.api_key import ApiKey, KeyStatus
from tollkeeper.domain.errors import InvalidApiKey, MismatchedProject
from tollkeeper.domain.tenancy import Place
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import directory as directories
from tollkeeper.store import revision
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.schema import change


@pytest.fixture
async def directory(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StoreDirectory]:
    """A server's memory that follows only when told to."""
    monkeypatch.setattr(directories, "POLL_INTERVAL_S", 3600)
    made = StoreDirectory(workshop.store)
    await made.start()
    yield made
    await made.aclose()


def digest_of(made: NewApiKey) -> bytes:
    return keyed_digest(PEPPER, made.key.encode())


async def held(directory: StoreDirectory, *keys: NewApiKey) -> None:
    for made in keys:
        assert await directory.find(digest_of(made)) is not None
        assert directory.recall(digest_of(made)) is not None


async def test_a_members_key_has_only_what_the_member_has_now(workshop: Workshop) -> None:
    both = await workshop.company.hire("both", ("developer", workshop.search.id), ("viewer", workshop.search.id))
    mine = await workshop.own(both, permissions=CHAT | {"quota:read:summary"})
    assert (await workshop.found(mine)).permissions == CHAT | {"quota:read:summary"}
    await workshop.company.change(
        None, members.take_role, both.member_id, role="developer", scope_id=workshop.search.id
    )
    assert (await workshop.found(mine)).permissions == {"quota:read:summary"}
    await workshop.company.change(
        None, members.give_role, both.member_id, role="developer", scope_id=workshop.search.id
    )
    assert (await workshop.found(mine)).permissions == CHAT | {"quota:read:summary"}


async def test_a_services_key_does_not_hang_on_who_made_it(workshop: Workshop) -> None:
    made = await workshop.service(workshop.developer, permissions=CHAT)
    await workshop.company.change(None, members.remove_member, workshop.developer.member_id)
    found = await workshop.found(made)
    assert (found.status, found.permissions) == (KeyStatus.ACTIVE, CHAT)


async def test_a_removed_member_has_no_key_that_works(workshop: Workshop) -> None:
    mine = await workshop.own(workshop.developer)
    await workshop.company.change(None, members.remove_member, workshop.developer.member_id)
    found = await workshop.found(mine)
    assert (found.status, found.permissions) == (KeyStatus.DISABLED, frozenset())
    (event,) = await workshop.company.events("api_key.disable")
    assert event.target_id == mine.record.id


async def test_in_a_further_project_a_key_may_what_its_member_may_there(workshop: Workshop) -> None:
    """A header chooses, it never widens: what the member has in one project is not taken along to another."""
    both = await workshop.company.hire("both", ("developer", workshop.search.id), ("developer", workshop.ops.id))
    mine = await workshop.own(both, project_ids=(workshop.search.id, workshop.ops.id), permissions=CHAT)
    await workshop.company.change(None, members.take_role, both.member_id, role="developer", scope_id=workshop.ops.id)
    await workshop.company.change(None, members.give_role, both.member_id, role="viewer", scope_id=workshop.ops.id)
    found = await workshop.found(mine)
    assert found.permissions == CHAT
    there = found.in_project(workshop.ops.id)
    assert (there.project_id, there.team_id, there.permissions) == (workshop.ops.id, "", frozenset())
    here = found.in_project(workshop.search.id)
    assert (here.team_id, here.permissions) == (workshop.team.id, CHAT)
    place = Place(workshop.company.id, "", workshop.ops.id)
    assert not decide(principal_of_key(found), "chat:create", place).is_allowed
    with pytest.raises(MismatchedProject):
        found.in_project(workshop.chat.id)


async def test_a_role_made_smaller_makes_the_keys_of_its_members_smaller(
    workshop: Workshop, directory: StoreDirectory
) -> None:
    role = await workshop.company.change(
        None, roles.create_role, name="caller", permissions=CHAT | {"api_key:create:limited"}
    )
    person = await workshop.company.hire("person", (role.id, workshop.search.id))
    mine = await workshop.own(person, permissions=CHAT)
    await directory.poll()
    await held(directory, mine)
    await workshop.company.change(
        None, roles.update_role, role.id, permissions=frozenset({"models:list", "api_key:create:limited"})
    )
    await directory.poll()
    assert _permissions(await directory.find(digest_of(mine))) == {"models:list"}


async def test_no_key_outlives_a_policy_that_came_after_it(workshop: Workshop, directory: StoreDirectory) -> None:
    made, sooner = await workshop.service(), await workshop.service(expires_at_us=in_days(2))
    await directory.poll()
    await held(directory, made, sooner)
    await workshop.set_policy(key_age_max_days=7)
    await directory.poll()
    found = await directory.find(digest_of(made))
    assert found is not None
    assert found.expires_at_us == found.created_at_us + 7 * DAY_US
    assert (await workshop.stored(made)).expires_at_us == found.expires_at_us, "lists say the same"
    assert (await workshop.found(sooner)).expires_at_us == sooner.record.expires_at_us


async def test_required_labels_reach_every_key_of_the_organization(
    workshop: Workshop, directory: StoreDirectory
) -> None:
    made = await workshop.service()
    await directory.poll()
    await held(directory, made)
    await workshop.set_policy(required_labels=("feature", "purpose"))
    await directory.poll()
    found = await directory.find(digest_of(made))
    assert found is not None
    assert found.terms is not None
    assert found.terms.required_labels == ("feature", "purpose")
    changed = await workshop.update(None, made, name="renamed")
    assert changed.terms == found.terms, "what the organization wants is not written to the key"
    await workshop.set_policy()
    assert (await workshop.found(made)).terms is None


async def test_the_keys_of_an_archived_project_stop(workshop: Workshop, directory: StoreDirectory) -> None:
    made, elsewhere = await workshop.service(), await workshop.service(project_id=workshop.chat.id)
    await directory.poll()
    await held(directory, made, elsewhere)
    await workshop.company.change(None, projects.archive_project, workshop.search.id)
    await directory.poll()
    assert directory.recall(digest_of(elsewhere)) is not None, "only its own project's keys are read again"
    found = await directory.find(digest_of(made))
    assert found is not None
    with pytest.raises(InvalidApiKey, match="disabled"):
        found.check_usable(now_us())


async def test_an_archived_project_is_no_longer_among_those_a_key_may_choose(workshop: Workshop) -> None:
    both = await workshop.company.hire("both", ("developer", workshop.search.id), ("developer", workshop.ops.id))
    mine = await workshop.own(both, project_ids=(workshop.search.id, workshop.ops.id))
    await workshop.company.change(None, projects.archive_project, workshop.ops.id)
    found = await workshop.found(mine)
    assert found.project_ids == (workshop.search.id,)
    found.check_usable(now_us())


async def test_a_change_of_a_member_forgets_the_members_keys_and_no_others(
    workshop: Workshop, directory: StoreDirectory
) -> None:
    mine, leads, service = (
        await workshop.own(workshop.developer),
        await workshop.own(workshop.lead),
        await workshop.service(),
    )
    await directory.poll()
    await held(directory, mine, leads, service)
    await workshop.company.change(None, members.remove_member, workshop.developer.member_id)
    await directory.poll()
    assert directory.recall(digest_of(mine)) is None
    assert directory.recall(digest_of(leads)) is not None
    assert directory.recall(digest_of(service)) is not None


async def test_a_change_in_one_organization_forgets_nothing_of_another(
    workshop: Workshop, directory: StoreDirectory
) -> None:
    made = await workshop.service()
    await directory.poll()
    await held(directory, made)
    for kind in ("organization", "project", "member", "api_key"):
        await workshop.store.write(
            lambda c, kind=kind: revision.record_change(
                c, kind, organization_id="org_other", entity_id=made.record.project_id
            )
        )
    await directory.poll()
    assert directory.recall(digest_of(made)) is not None


async def test_a_thousand_changes_cost_one_pass_over_the_keys(
    workshop: Workshop, directory: StoreDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await workshop.service()
    await directory.poll()
    await held(directory, made)
    passes: list[str] = []
    drop = directory._keys.drop
    monkeypatch.setattr(directory._keys, "drop", lambda where, what: (passes.append(where), drop(where, what)))

    async def changes(connection: object) -> None:
        for number in range(600):
            await revision.record_change(
                connection,  # type: ignore[arg-type]
                "project",
                organization_id=workshop.company.id,
                entity_id=f"proj_{number}",
            )

    await workshop.store.write(changes)
    await directory.poll()
    assert passes == [workshop.company.id]
    assert directory.recall(digest_of(made)) is not None


async def test_who_missed_changes_that_were_pruned_forgets_everything(
    workshop: Workshop, directory: StoreDirectory
) -> None:
    made = await workshop.service()
    await directory.poll()
    await held(directory, made)
    heard: list[str] = []
    directory.on_change("price", lambda: heard.append("price"))
    seen = directory._number
    await workshop.update(None, made, is_disabled=True)
    await workshop.service()
    await workshop.store.write(lambda c: c.execute(delete(change).where(change.c.number == seen + 1)))
    await directory.poll()
    assert directory.recall(digest_of(made)) is None, "its change is no longer to be read"
    assert heard == ["price"], "it may have been among what was pruned"


async def test_equal_permissions_and_terms_are_kept_once(workshop: Workshop) -> None:
    first, second = [
        await workshop.found(await workshop.service(permissions=CHAT, expires_at_us=in_days(9))) for _ in range(2)
    ]
    assert first.permissions is second.permissions
    await workshop.set_policy(required_labels=("feature",))
    third, fourth = [await workshop.found(await workshop.service(permissions=CHAT)) for _ in range(2)]
    assert third.terms is fourth.terms
    assert msgspec.structs.asdict(third)["terms"] is not None


def _permissions(key: ApiKey | None) -> frozenset[str]:
    assert key is not None
    return key.permissions
