"""Bringing a plan about: all of it by the use cases of each noun, in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import msgspec

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Administration, Caller
from tollkeeper.control.api_keys import NewApiKey
from tollkeeper.control.blueprint.bulk import CREATIONS
from tollkeeper.control.blueprint.plan import Change, Plan
from tollkeeper.control.blueprint.planning import plan_blueprint
from tollkeeper.control.blueprint.present import Present, read_present
from tollkeeper.control.blueprint.reading import Blueprint
from tollkeeper.control.blueprint.steps import STEPS, Run
from tollkeeper.domain.errors import Conflict, TollkeeperError
from tollkeeper.store.organizations import lock_organization


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is to be applied.

    `may_overfill`: parts may get more than the whole. `on_progress` is told how many changes of how many are made, and
    `keep_keys` gets the keys before the transaction ends, so that no key is made whose secret could not be kept; both may
    be called again from the start.
    """

    rules: AccountRules
    is_pruning: bool = False
    may_overfill: bool = False
    on_progress: Callable[[int, int], None] = lambda _done, _total: None
    keep_keys: Callable[[list[NewApiKey]], None] = lambda _keys: None


class Applied(msgspec.Struct, frozen=True):
    """What was done, and the keys that were made, whose secrets are nowhere else."""

    plan: Plan
    keys: tuple[NewApiKey, ...]


class _RehearsedError(Exception):
    """Everything went well and is to be taken back."""


async def plan_changes(action: Action, blueprint: Blueprint, *, is_pruning: bool = False) -> Plan:
    """Return what applying a file would change.

    Raises:
        InvalidRequest: the file names what neither it nor the organization has.
    """
    return plan_blueprint(blueprint, await _present_for(action, blueprint), is_pruning=is_pruning)


async def apply_blueprint(action: Action, blueprint: Blueprint, *, agreed: Plan, orders: Orders) -> Applied:
    """Make the organization be as its file says, as was agreed.

    Raises:
        Conflict: the organization changed since the plan was agreed to, or the parts of a budget would not fit.
        TollkeeperError: what a change's use case refuses; the message says where in the file it stands.
    """
    await lock_organization(action.connection, action.organization_id)
    present = await _present_for(action, blueprint)
    plan = plan_blueprint(blueprint, present, is_pruning=orders.is_pruning)
    if not plan.is_same(agreed):
        raise Conflict("The organization changed while you were asked; nothing was done. Look at the new plan first.")
    if plan.overfull and not orders.may_overfill:
        raise Conflict(plan.overfull[0])
    run = Run(action, present, orders.rules)
    done = 0
    for (verb, kind), group in groupby(plan.changes, lambda each: (each.verb, each.kind)):
        changes = list(group)
        if verb == "create" and kind in CREATIONS:
            await CREATIONS[kind](run, changes)
        else:
            for number, change in enumerate(changes):
                await _make(run, change, blueprint)
                orders.on_progress(done + number + 1, len(plan.changes))
        done += len(changes)
        orders.on_progress(done, len(plan.changes))
    if run.keys:
        orders.keep_keys(run.keys)
    return Applied(plan, tuple(run.keys))


async def rehearse(
    administration: Administration, caller: Caller, blueprint: Blueprint, *, agreed: Plan, orders: Orders
) -> None:
    """Apply a file and take everything back: whatever would be refused is refused now.

    Raises:
        TollkeeperError: what applying it would raise.
    """

    async def step(action: Action) -> None:
        await apply_blueprint(action, blueprint, agreed=agreed, orders=orders)
        raise _RehearsedError

    try:
        await administration.change(caller, step)
    except _RehearsedError:
        return


async def _make(run: Run, change: Change, blueprint: Blueprint) -> None:
    try:
        await STEPS[change.verb, change.kind](run, change)
    except TollkeeperError as error:
        if change.path:
            error.message = blueprint.located(change.path, error.message)
            error.args = (error.message,)
        raise


async def _present_for(action: Action, blueprint: Blueprint) -> Present:
    return await read_present(action, emails=[each.email for each in blueprint.document.members or ()])
