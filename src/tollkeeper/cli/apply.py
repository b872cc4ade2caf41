"""`tollkeeper apply`: make an organization be as its file says, after showing what would change."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load, with_store
from tollkeeper.cli.listing import print_object
from tollkeeper.cli.operator import Operator, confirm, operator_of, rules_of
from tollkeeper.cli.plan_report import applied_object, plan_object, print_plan
from tollkeeper.config import Configuration
from tollkeeper.control.api_keys import NewApiKey
from tollkeeper.control.blueprint.execution import Applied, Orders, apply_blueprint, plan_changes, rehearse
from tollkeeper.control.blueprint.plan import Plan
from tollkeeper.control.blueprint.reading import Blueprint, read_blueprint
from tollkeeper.control.blueprint.yaml_tree import FILE_BYTES_MAX
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.store.engine import Store

CHANGES_EXIT = 3
"""How --dry-run ends when there is something to change."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the options say."""

    is_dry: bool
    is_pruning: bool
    is_agreed: bool
    may_overfill: bool
    shows_keys: bool
    keys_out: Path | None
    as_json: bool
    sends_email: bool


def apply(
    file: Annotated[str, typer.Option("--file", "-f", help="The organization's file; - is standard input.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: exit 0 when in sync, 3 when there are changes.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also take away what the file's sections do not have; asks separately.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    override: Annotated[
        bool, typer.Option("--override", help="Let teams and projects have more than the whole budget.")
    ] = False,
    keys_out: Annotated[
        Path | None, typer.Option("--keys-out", help="A new file for the secrets of keys that are made.")
    ] = None,
    show_keys: Annotated[bool, typer.Option("--show-keys", help="Print the secrets of keys that are made.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an organization be as its file says: show what would change, ask, and do all of it or nothing.

    A second time there is nothing to change. Without --org the file's organization.name says which organization is meant.
    """
    configuration = load(config, database)
    wishes = Wishes(
        is_dry=dry_run,
        is_pruning=prune,
        is_agreed=yes,
        may_overfill=override,
        shows_keys=show_keys,
        keys_out=keys_out,
        as_json=as_json,
        sends_email=bool(configuration.settings.email.host),
    )
    blueprint = _read(file)
    exit_code = with_store(configuration, lambda store: _run(store, configuration, blueprint, org, wishes))
    raise typer.Exit(exit_code)


async def _run(
    store: Store, configuration: Configuration, blueprint: Blueprint, org: str | None, wishes: Wishes
) -> int:
    operator = await _operator(store, configuration, blueprint, org)
    plan = await operator.look(plan_changes, blueprint, is_pruning=wishes.is_pruning)
    if not plan.changes or not wishes.as_json:
        _show(operator, plan, wishes)
    if not plan.changes:
        return 0
    if plan.overfull and not wishes.may_overfill:
        raise Conflict(f"{plan.overfull[0]} Lower the amounts, or say --override.")
    rules = rules_of(configuration)
    with _progress(len(plan.changes), is_shown=not wishes.as_json) as bar:
        task = bar.add_task("changes", total=len(plan.changes), visible=False)
        keeping = _KeysFile(wishes.keys_out if not wishes.is_dry else None)
        orders = Orders(
            rules=rules,
            is_pruning=wishes.is_pruning,
            may_overfill=wishes.may_overfill,
            on_progress=lambda done, _total: bar.update(task, completed=done, visible=True),
            keep_keys=keeping.keep,
        )
        if wishes.is_dry:
            await rehearse(operator.administration, operator.caller, blueprint, agreed=plan, orders=orders)
            if wishes.as_json:
                _show(operator, plan, wishes)
            return CHANGES_EXIT
        _agree(plan, wishes)
        with keeping:
            applied = await operator.change(apply_blueprint, blueprint, agreed=plan, orders=orders)
            keeping.succeed()
    _report(operator, applied, wishes)
    return 0


async def _operator(store: Store, configuration: Configuration, blueprint: Blueprint, org: str | None) -> Operator:
    entry = blueprint.document.organization
    named = org if org is not None else (entry.name or None if entry else None)
    try:
        return await operator_of(configuration, store, named)
    except NotFound as error:
        if org is None and named is not None:
            error.message = blueprint.located("organization.name", error.message)
            error.message += f'; make it with: tollkeeper init --org "{named}"'
        raise


def _read(file: str) -> Blueprint:
    if file == "-":
        return read_blueprint(sys.stdin.buffer.read(FILE_BYTES_MAX + 1), name="standard input")
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}.", param="file") from None
    return read_blueprint(data, name=file)


def _agree(plan: Plan, wishes: Wishes) -> None:
    """Ask for what is to be done, and once more for what is to be taken away."""
    if plan.new_keys and wishes.keys_out is None and not wishes.shows_keys:
        raise InvalidRequest(
            f"{len(plan.new_keys)} key(s) will be made, whose secrets are shown once: say where to with --keys-out FILE, "
            "or --show-keys.",
            param="keys_out",
        )
    confirm(f"Make these {len(plan.changes)} change(s)?", is_agreed=wishes.is_agreed)
    if plan.deletions and not wishes.is_agreed:
        confirm(f"{len(plan.deletions)} of them take something away. Are you sure?", is_agreed=False)


def _show(operator: Operator, plan: Plan, wishes: Wishes) -> None:
    if wishes.as_json:
        print_object(plan_object(operator.organization, plan, is_applied=False))
    else:
        print_plan(operator.organization, plan)


def _report(operator: Operator, applied: Applied, wishes: Wishes) -> None:
    if wishes.as_json:
        print_object(applied_object(operator.organization, applied, shows_keys=wishes.shows_keys))
        return
    print(f"{len(applied.plan.changes)} change(s) made.")
    invited = sum(1 for each in applied.plan.changes if (each.verb, each.kind) == ("create", "invitation"))
    if invited and not wishes.sends_email:
        print(
            f"No mail server is set, so the {invited} invitation(s) reach nobody yet: set one ([email] in the settings), "
            "or print the link of each and hand it on: tollkeeper members invite EMAIL --role ROLE --print-link"
        )
    if not applied.keys:
        return
    if wishes.keys_out is not None:
        print(f"The secrets of {len(applied.keys)} key(s) are in {wishes.keys_out} and nowhere else.")
    if wishes.shows_keys:
        print("Shown this once; keep them somewhere safe:")
        for made in applied.keys:
            print(f"  {made.record.name}  {made.key}")


def _progress(total: int, *, is_shown: bool) -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("applying"), BarColumn(), MofNCompleteColumn())
    is_worth_it = is_shown and console.is_terminal and total > 50
    return Progress(*columns, console=console, transient=True, disable=not is_worth_it)


class _KeysFile:
    """The file that gets the secrets of new keys: new, for its owner only, and gone again when nothing comes of it.

    It is written before the transaction ends: a key that nobody has is better than a secret that was lost.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._file, self._is_done = path, -1, False

    def __enter__(self) -> None:
        if self._path is None:
            return
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise InvalidRequest(f"{self._path} cannot be made: {error.strerror}.", param="keys_out") from None

    def keep(self, keys: list[NewApiKey]) -> None:
        """Write the keys; again in place of earlier ones."""
        if self._file < 0:
            return
        rows = [
            {"project_id": each.record.project_id, "name": each.record.name, "id": each.record.id, "key": each.key}
            for each in keys
        ]
        data = msgspec.json.format(msgspec.json.encode({"keys": rows}), indent=2) + b"\n"
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, data, 0)
        os.fsync(self._file)

    def succeed(self) -> None:
        """Let the file stay."""
        self._is_done = True

    def __exit__(self, *_: object) -> None:
        if self._path is None:
            return
        is_empty = os.fstat(self._file).st_size == 0
        os.close(self._file)
        if is_empty or not self._is_done:
            self._path.unlink()
