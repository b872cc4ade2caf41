"""`tollkeeper members`: list, invite and remove people, and what roles they have."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import print_object, print_table, shown_time
from tollkeeper.cli.naming import named_member, named_role, place_of
from tollkeeper.cli.operator import Operator, as_operator, confirm, rules_of
from tollkeeper.control import fitting, invites, members
from tollkeeper.control.administration import Action
from tollkeeper.control.invites import InviteState, NewInvite, RoleAt
from tollkeeper.control.members import MemberState

app = typer.Typer(help="List, invite and remove people, and give them roles.", no_args_is_help=True)
roles_app = typer.Typer(help="Give roles to members and take them away.", no_args_is_help=True)
app.add_typer(roles_app, name="roles")
LIST_MAX = 10_000
MemberArgument = Annotated[str, typer.Argument(help="The member, by id or e-mail address.")]
RoleArgument = Annotated[str, typer.Argument(help="The role, by id or name: developer.")]
TeamOption = Annotated[str | None, typer.Option("--team", help="At this team, by id or name.")]
ProjectOption = Annotated[str | None, typer.Option("--project", help="At this project, by id or name.")]


class Assigned(msgspec.Struct, frozen=True):
    """A role and where it is to be given or taken, both by id."""

    role_id: str
    scope_id: str


@app.command("list")
def list_(
    team: Annotated[str | None, typer.Option("--team", help="With a role at this team or below it.")] = None,
    project: Annotated[str | None, typer.Option("--project", help="With a role at this project.")] = None,
    role: Annotated[str | None, typer.Option("--role", help="With this role.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List members, oldest first, and without a filter the invitations that nobody has accepted yet."""

    async def work(operator: Operator) -> tuple[list[MemberState], list[InviteState], dict[str, str], Operator]:
        place = await operator.look(place_of, team=team, project=project)
        found = await operator.look(
            members.list_members,
            team_id=place.id if place.kind == "team" else None,
            project_id=place.id if place.kind == "project" else None,
            role=(await operator.look(named_role, role)).id if role is not None else None,
            limit=LIST_MAX,
        )
        is_filtered = (team, project, role) != (None, None, None)
        invited = [] if is_filtered else await operator.look(invites.list_invites, limit=LIST_MAX)
        return found, invited, await operator.look(fitting.place_names), operator

    found, invited, names, operator = as_operator(load(config, database), org, work)
    if as_json:
        print_object({"object": "list", "data": [*map(_shown, found), *map(_shown_invite, invited)]})
    elif not found and not invited:
        typer.echo("No members. Invite somebody with: tollkeeper members invite EMAIL --role developer")
    else:
        rows: list[tuple[str, ...]] = [
            (f"{_address(each)}\n{each.member.id}", f"{_roles(each, names)}\n{_since(operator, each)}")
            for each in found
        ]
        rows += [
            (f"{each.invite.email}\n{each.invite.id}", f"{_roles(each, names)}\n{_until(operator, each)}")
            for each in invited
        ]
        print_table(("member", "roles"), rows)


@app.command("invite")
def invite(
    email: Annotated[str, typer.Argument(help="The address that gets the invitation.")],
    role: Annotated[str, typer.Option("--role", help="The role that it brings, by id or name: developer.")],
    team: TeamOption = None,
    project: ProjectOption = None,
    print_link: Annotated[
        bool,
        typer.Option(
            "--print-link",
            help="Print the link, for an installation that sends no e-mail; of an open invitation a new one.",
        ),
    ] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Invite somebody into the organization by e-mail; with --print-link, print the link of an open invitation anew."""
    configuration = load(config, database)
    rules = rules_of(configuration)

    async def work(operator: Operator) -> tuple[NewInvite, Operator]:
        wanted = await operator.look(_assigned, role, team, project)
        offered = [RoleAt(wanted.role_id, wanted.scope_id)]
        step = invites.invite_anew if print_link else invites.create_invite
        return await operator.change(step, rules, email=email, offered=offered), operator

    made, operator = as_operator(configuration, org, work)
    link = rules.link("accept-invitation", made.token) if print_link else None
    if as_json:
        print_object({**_shown_invite(made.state), **({"link": link} if link else {})})
        return
    typer.echo(f"{made.state.invite.email} is invited ({made.state.invite.id}, {_until(operator, made.state)}).")
    if link:
        typer.echo(f"\n  {link}\n\nWhoever has this link can accept; it is shown this once.")
    elif not rules.sends_email:
        typer.echo("No mail server is set, so no e-mail goes out: use --print-link.")


@app.command("remove")
def remove(
    member: MemberArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a membership: the roles are gone, and the person's own keys are disabled."""
    configuration = load(config, database)
    rules = rules_of(configuration)

    async def work(operator: Operator) -> MemberState:
        found = await operator.look(named_member, member)
        confirm(f"Remove {found.email} ({found.id})? Their own keys are disabled.", is_agreed=yes)
        return await operator.change(members.remove_member, found.id, rules=rules)

    removed = as_operator(configuration, org, work)
    if as_json:
        print_object(_shown(removed))
    else:
        typer.echo(f"{removed.member.email} ({removed.member.id}) is removed.")


@roles_app.command("grant")
def grant(
    member: MemberArgument,
    role: RoleArgument,
    team: TeamOption = None,
    project: ProjectOption = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a member a role: for the whole organization, or at a team or a project."""

    async def work(operator: Operator) -> tuple[MemberState, dict[str, str]]:
        found = await operator.look(named_member, member)
        wanted = await operator.look(_assigned, role, team, project)
        changed = await operator.change(members.give_role, found.id, role=wanted.role_id, scope_id=wanted.scope_id)
        return changed, await operator.look(fitting.place_names)

    _print(*as_operator(load(config, database), org, work), as_json=as_json)


@roles_app.command("revoke")
def revoke(
    member: MemberArgument,
    role: RoleArgument,
    team: TeamOption = None,
    project: ProjectOption = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a role from a member: for the whole organization, or at a team or a project."""

    async def work(operator: Operator) -> tuple[MemberState, dict[str, str]]:
        found = await operator.look(named_member, member)
        wanted = await operator.look(_assigned, role, team, project)
        changed = await operator.change(members.take_role, found.id, role=wanted.role_id, scope_id=wanted.scope_id)
        return changed, await operator.look(fitting.place_names)

    _print(*as_operator(load(config, database), org, work), as_json=as_json)


async def _assigned(action: Action, role: str, team: str | None, project: str | None) -> Assigned:
    found = await named_role(action, role)
    return Assigned(found.id, (await place_of(action, team=team, project=project)).id)


def _print(state: MemberState, names: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_object(_shown(state))
    else:
        typer.echo(f"{state.member.email}: {_roles(state, names) or 'no role'}")


def _roles(state: MemberState | InviteState, names: dict[str, str]) -> str:
    return ", ".join(
        each.role_name
        if each.scope_kind == "organization"
        else f"{each.role_name} at {each.scope_kind} {names.get(each.scope_id, each.scope_id)}"
        for each in state.roles
    )


def _address(state: MemberState) -> str:
    return state.member.email + (f"\n{state.member.name}" if state.member.name else "")


def _since(operator: Operator, state: MemberState) -> str:
    return f"since {operator.moment(state.member.created_at_us)}"


def _until(operator: Operator, state: InviteState) -> str:
    return f"invited until {operator.moment(state.invite.expires_at_us)}"


def _shown(state: MemberState) -> dict[str, Any]:
    member = state.member
    return {
        "object": "member",
        "id": member.id,
        "account_id": member.account_id,
        "email": member.email,
        "name": member.name,
        "status": member.status,
        "roles": [msgspec.structs.asdict(each) for each in state.roles],
        "created_at": shown_time(member.created_at_us),
    }


def _shown_invite(state: InviteState) -> dict[str, Any]:
    return {
        "object": "invite",
        "id": state.invite.id,
        "email": state.invite.email,
        "status": state.invite.status.value,
        "roles": [msgspec.structs.asdict(each) for each in state.roles],
        "created_at": shown_time(state.invite.created_at_us),
        "expires_at": shown_time(state.invite.expires_at_us),
    }
