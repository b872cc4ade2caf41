"""Wires the administration: accounts by the settings, e-mail, OpenID providers, and the background jobs."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tollkeeper import config
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Administration
from tollkeeper.control.alert_delivery import HookDelivery
from tollkeeper.control.alert_hooks import Hooks
from tollkeeper.control.alerting import Watch
from tollkeeper.control.leases import Leases
from tollkeeper.control.outbox import Delivery
from tollkeeper.control.people import People
from tollkeeper.identity.issuers import Issuer, google, microsoft
from tollkeeper.jobs.alerts import deliver_hooks, fire_alerts
from tollkeeper.jobs.close_spans import close_ended_spans
from tollkeeper.jobs.credits import book_recent_usage, settle_credits, verify_books
from tollkeeper.jobs.deliver_outbox import deliver_outbox
from tollkeeper.jobs.expiry_warnings import expiry_warnings
from tollkeeper.jobs.prune import prune
from tollkeeper.jobs.reap import reap, verify_leases
from tollkeeper.jobs.reports import send_reports
from tollkeeper.jobs.schedule import Schedule
from tollkeeper.notify.smtp import SmtpSender, SmtpSettings

if TYPE_CHECKING:
    from tollkeeper.notify.hooks import HookClient


def make_people(configuration: config.Configuration, administration: Administration) -> People:
    """Return what logins lean on, by the settings."""
    rules = make_rules(configuration)
    return People(administration, rules, issuers=[_issuer(each) for each in configuration.oidc])


def make_rules(configuration: config.Configuration) -> AccountRules:
    """Return what an installation decides about its accounts and e-mails, by the settings."""
    accounts = configuration.settings.accounts
    return AccountRules(
        public_url=configuration.public_url,
        sign_up=accounts.sign_up,
        sends_email=bool(configuration.settings.email.host),
        session_s=accounts.session_hours * 3600,
        invitation_s=accounts.invitation_days * 86_400,
        reset_s=accounts.reset_minutes * 60,
        verification_s=accounts.verification_hours * 3600,
        tiers=configuration.tiers,
        default_tier=configuration.tiers[accounts.default_tier],
        trial=configuration.settings.credits.trial,
        is_credit_operators=configuration.settings.credits.granted_by == "operator",
    )


def make_schedule(configuration: config.Configuration, administration: Administration) -> Schedule:
    """Return the background jobs, not started yet.

    Raises:
        ConfigurationError: the sender of e-mails is no address.
    """
    store, vault = administration.store, administration.secrets.vault
    upstream = configuration.settings.upstream
    claim_s = int(configuration.settings.email.timeout_s) + 60  # nobody else takes an e-mail that is being sent
    jobs = [
        deliver_outbox(Delivery(store, vault, _sender(configuration), claim_s=claim_s, channels=("email",))),
        deliver_hooks(HookDelivery(store, vault, None, hooks=_hooks(configuration), channels=("slack", "webhook"))),
        fire_alerts(Watch(administration, public_url=configuration.public_url)),
        expiry_warnings(
            store, vault, days=configuration.settings.keys.expiry_warning_days, public_url=configuration.public_url
        ),
        send_reports(administration, make_rules(configuration)),
        close_ended_spans(store),
        prune(store),
        reap(store, longest_call_s=upstream.total_s + upstream.drain_s),
        verify_leases(administration),
        settle_credits(administration),
        book_recent_usage(store),
        verify_books(administration),
    ]
    return Schedule(Leases(store), jobs)


def _hooks(configuration: config.Configuration) -> Hooks:
    ca_file = configuration.settings.upstream.ca_file
    tls = None
    if ca_file:  # a file that cannot be read is told at the start
        tls = ssl.create_default_context()
        tls.load_verify_locations(cafile=ca_file)

    def make_client() -> HookClient:
        from tollkeeper.notify.hooks import HookClient

        return HookClient(private_networks=configuration.private_networks, tls=tls or ssl.create_default_context())

    return Hooks(make_client)


def _sender(configuration: config.Configuration) -> SmtpSender | None:
    email = configuration.settings.email
    if not email.host:
        return None
    ca_file = configuration.settings.upstream.ca_file
    settings = SmtpSettings(
        host=email.host,
        port=email.port,
        security=email.security,
        username=email.username,
        password=configuration.email_password,
        sender=email.sender,
        timeout_s=email.timeout_s,
        ca_file=Path(ca_file) if ca_file else None,
    )
    return SmtpSender(settings)


def _issuer(provider: config.OidcProvider) -> Issuer:
    id_, secret, domains = provider.client_id, provider.client_secret, provider.allowed_domains
    if provider.preset == "google":
        made = google(client_id=id_, client_secret=secret, allowed_domains=domains)
    elif provider.preset == "microsoft":
        made = microsoft(
            client_id=id_,
            client_secret=secret,
            directory=provider.issuer.split("/")[-2],
            is_email_trusted=provider.is_email_trusted,
            allowed_domains=domains,
        )
    else:
        made = Issuer(
            name=provider.name,
            issuer=provider.issuer,
            client_id=id_,
            client_secret=secret,
            is_email_trusted=provider.is_email_trusted,
            allowed_domains=domains,
        )
    return msgspec.structs.replace(made, name=provider.name)
