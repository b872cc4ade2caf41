"""Makes audit logs by real actions, and verifies them."""

from __future__ import annotations

from tollkeeper.control.administration import Action, Administration, Secrets, Target, operator
from tollkeeper.control.audit_verification import ChainReport, KeptHeads, chains_to_verify, verify_chains
from tollkeeper.domain.audit_chain import Head
from tollkeeper.kit.ids import new_id
from tollkeeper.store.engine import Store

PEPPER = b"p" * 32
SECRETS = Secrets.of(PEPPER)


async def note(action: Action, *names: str) -> None:
    """A use case that does nothing but leave events."""
    for name in names:
        action.record("team.create", Target("team", new_id("team"), name), before=None, after={"name": name})


async def write_log(store: Store, organization_id: str = "org_a", *, count: int = 10) -> None:
    """Write so many events, each by an action of its own."""
    administration = Administration(store, SECRETS)
    caller = operator(organization_id, name="tests")
    for number in range(1, count + 1):
        await administration.change(caller, note, f"{organization_id}-{number}")


async def verify(store: Store, *, kept: KeptHeads | None = None) -> dict[str, ChainReport]:
    chains = await chains_to_verify(store, kept)
    reports = verify_chains(store, SECRETS.audit_key, chains, kept=kept)
    return {report.organization_id: report async for report in reports}


async def faults_of(store: Store, organization_id: str = "org_a", *, kept: tuple[Head, ...] = ()) -> list[str]:
    """Return what is wrong with one log, as people are told."""
    reports = await verify(store, kept={organization_id: kept} if kept else None)
    assert reports[organization_id].faults_count == len(reports[organization_id].faults)
    return [fault.message for fault in reports[organization_id].faults]


async def head_of(store: Store, organization_id: str = "org_a") -> Head:
    head = (await verify(store))[organization_id].head
    assert head is not None
    return head
