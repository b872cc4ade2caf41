"""The English of every e-mail."""

from __future__ import annotations

from tollkeeper.notify.letter import Letter, Stationery
from tollkeeper.notify.wording import BudgetWords, DisabledKeysWords, ExpiringKeyWords, InvitationWords, OverrunWords

STATIONERY = Stationery(
    html_language="en",
    copy_link="If the button does not work, copy this address into your browser:",
    sent_by="Sent automatically by Tollkeeper at",
    fonts="-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif",
    line_breaks="normal",
)
_ROLES = {
    "org_admin": "Organization admin",
    "team_admin": "Team admin",
    "developer": "Developer",
    "viewer": "Viewer",
}
_PERIODS = {"daily": "Daily", "weekly": "Weekly", "monthly": "Monthly", "total": "Total"}


def verify_email(*, until: str) -> Letter:
    return Letter(
        subject="Confirm your e-mail address",
        paragraphs=("Please confirm with the link below that this is the e-mail address of your Tollkeeper account.",),
        action="Confirm e-mail address",
        notes=(
            f"The link works until {until}.",
            "If you did not ask for this, you can ignore this message.",
        ),
    )


def reset_password(*, until: str) -> Letter:
    return Letter(
        subject="Reset your password",
        paragraphs=(
            "Somebody, probably you, asked to reset the password of your Tollkeeper account.",
            "Choose a new one with the link below.",
        ),
        action="Choose a new password",
        notes=(
            f"The link works once, until {until}.",
            "If you did not ask for this, you can ignore this message; your password stays as it is.",
        ),
    )


def password_changed(*, changed: str) -> Letter:
    return Letter(
        subject="Your password was changed",
        paragraphs=(
            "The password of your Tollkeeper account was changed. If that was you, there is nothing to do.",
            "If it was not you, reset your password now and tell an admin of your organization.",
        ),
        facts=(("Changed", changed),),
        action="Reset password",
    )


def invitation(said: InvitationWords) -> Letter:
    team = (("Team", said.team),) if said.team else ()
    return Letter(
        subject=f"You are invited to {said.organization}",
        paragraphs=(f"{said.inviter} invites you to the organization {said.organization} on Tollkeeper.",),
        facts=(
            ("Organization", said.organization),
            *team,
            ("Role", _ROLES.get(said.role, said.role)),
            ("Invited by", said.inviter),
        ),
        action="Accept invitation",
        notes=(
            f"The invitation is open until {said.until}.",
            "If you do not know who invited you, do not accept it; you can ignore this message.",
        ),
    )


def api_key_expires(said: ExpiringKeyWords) -> Letter:
    command, request = said.commands
    return Letter(
        subject=f"API key expires soon: {said.name}",
        paragraphs=(
            "The API key below expires soon. From then on, every call with it is refused.",
            "Replace it before that, so that nothing stops.",
        ),
        facts=(("Key", said.name), ("Key ID", said.id), ("Project", said.project), ("Expires", said.expires)),
        action="Manage API keys",
        commands=(("At the command line:", command), ("Over the API:", request)),
        notes=(
            "The new key is shown once. grace_seconds is how long the old key goes on working beside it (86400: a day).",
        ),
    )


def member_removed(*, organization: str, removed: str) -> Letter:
    return Letter(
        subject=f"You are no longer a member of {organization}",
        paragraphs=(
            f"You were removed from the organization {organization} and can no longer see or use anything in it.",
        ),
        facts=(("Organization", organization), ("Removed", removed)),
        action="Open Tollkeeper",
        notes=("Your account stays. If you think that this is a mistake, ask an admin of the organization.",),
    )


def member_keys_disabled(said: DisabledKeysWords) -> Letter:
    """Count in words that agree: one key was, more keys were."""
    keys, were = ("1 API key", "was") if said.count == 1 else (f"{said.count} API keys", "were")
    hidden = said.count - len(said.keys)
    rest = (f"{hidden} more are not listed here.",) if hidden else ()
    return Letter(
        subject=f"{keys} of {said.member} {were} disabled",
        paragraphs=(
            f"{said.member} is no longer a member of the organization {said.organization}.",
            "With that, the API keys below were disabled; calls with them are refused.",
        ),
        facts=said.keys,
        action="Manage API keys",
        notes=(
            *rest,
            "If a program still needs one of them, create a new key for it, or enable the key again.",
        ),
    )


def counted(amount: int, unit: str) -> str:
    return f"{amount:,} {unit.removesuffix('s') if amount == 1 else unit}"


def budget_alert(said: BudgetWords) -> Letter:
    """Say it by kind: a threshold, calls that were stopped, or a budget that will not last."""
    is_credit = said.scope_kind == "credit"
    what = "credit" if is_credit else "budget"
    place = said.scope if is_credit else f"{said.scope_kind.replace('_', ' ')} {said.scope}"
    whole = f"credit of {place}" if is_credit else f"budget of the {place}"
    model = (("Model", said.model),) if said.model else ()
    projected = (("Expected at this pace", said.projected),) if said.projected else ()
    until = (("Begins anew", said.until),) if said.until else ()
    subject, paragraph = {
        "threshold": (
            f"{said.used_percent} of the {what} is used: {place}",
            f"{said.used_percent} of the {whole} is used. This alert is for {said.percent}.",
        ),
        "stopped": (
            f"Calls are stopped: {place}",
            (
                f"{said.used_percent} of the {whole} is used, and an alert at {said.percent} stopped its calls. They are"
                f" refused until {'somebody resumes them' if is_credit else 'it begins anew or somebody resumes it'}."
            ),
        ),
        "projected": (
            f"The {what} will not last: {place}",
            f"Used as until now, the {whole} will be exceeded before it begins anew.",
        ),
    }[said.kind]
    used_up = (
        "Further calls are refused until credit is added."
        if is_credit
        else "If its limit is hard, further calls are refused until it begins anew or somebody raises it."
    )
    return Letter(
        subject=subject,
        paragraphs=(paragraph, *((used_up,) if said.is_used_up and said.kind == "threshold" else ())),
        facts=(
            ("Organization", said.organization),
            ("Credit", said.limit)
            if is_credit
            else ("Budget", f"{_PERIODS.get(said.period, said.period)}, {said.limit}"),
            *model,
            ("Used", f"{said.used} ({said.used_percent})"),
            *projected,
            *until,
        ),
        action="Open Tollkeeper",
        notes=("You get this message because you manage quotas here.",),
    )


def overrun(said: OverrunWords) -> Letter:
    return Letter(
        subject=f"Calls cost more than was reserved: {said.organization}",
        paragraphs=(
            "Calls came to more than was reserved for them. They are booked in full, so budgets may be exceeded by as much.",
        ),
        facts=(("Organization", said.organization), ("Hour from", said.hour), ("Beyond the reservations", said.excess)),
        action="Open Tollkeeper",
        notes=("At most one message an hour tells of this.",),
    )


def alert_test(*, organization: str) -> Letter:
    return Letter(
        subject=f"A test of alerts: {organization}",
        paragraphs=("This is a test. Alerts of this organization arrive here.",),
        action="Open Tollkeeper",
    )
