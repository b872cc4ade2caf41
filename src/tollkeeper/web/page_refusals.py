"""What errors say on English pages where the API names its own fields: the same in the words of the forms.

Catalogues of other languages translate the text of the API, and say at once what the forms do.
"""

from __future__ import annotations

from collections.abc import Mapping

_MODELS, _ADDRESSES = "Models", "Addresses and networks"

ENGLISH: Mapping[str, str] = {
    "'to' must be after 'from', and both between 1970 and 2100.": (
        "The last day must be after the first one, and both between 1970 and 2100."
    ),
    "There is no budget to raise for a time; leave 'until' out to set one.": (
        "There is no budget to raise for a time; leave its last day empty to set one."
    ),
    "key_age_max_days must be 1 to %(key_age_max_days)s, or null.": (
        "The days that a key may work at most must be 1 to %(key_age_max_days)s, or empty."
    ),
    "required_labels: %(faults)s.": "Labels that every call must carry: %(faults)s.",
    "rate_limit.%(name)s must be from 1 to %(rate_max)s.": "%(name)s: from 1 to %(rate_max)s.",
    "This organization's policy is_key_expiry_required wants every key to have an expires_at.": (
        "This organization wants every new key to say until when it works."
    ),
    "allowed_ips: %(error)s.": f"{_ADDRESSES}: %(error)s.",
    "allowed_ips may have at most %(rules_max)s addresses and networks.": f"{_ADDRESSES}: at most %(rules_max)s.",
    "allowed_models may have at most %(rules_max)s names and patterns.": f"{_MODELS}: at most %(rules_max)s.",
    "allowed_models: a name must have 1 to %(model_pattern_length_max)s printable characters.": (
        f"{_MODELS}: a name must have 1 to %(model_pattern_length_max)s printable characters."
    ),
    "allowed_models: a pattern may have %(wildcards_max)s of * ? [ and %(wild_pattern_length_max)s characters.": (
        f"{_MODELS}: a pattern may have %(wildcards_max)s of * ? [ and %(wild_pattern_length_max)s characters."
    ),
    "A provider of the kind '%(kind)s' needs its base_url.": "A provider of the kind '%(kind)s' needs its address.",
    "The base_url must look like https://host/v1: https, no user, no query, nothing after '#'.": (
        "The address must look like https://host/v1: https, no user, no query, nothing after '#'."
    ),
    "The base_url has %(len)s characters; it may have %(base_url_length_max)s.": (
        "The address has %(len)s characters; it may have %(base_url_length_max)s."
    ),
    "The base_url's host '%(host)s' is not one that an organization may send its calls to.": (
        "'%(host)s' is no host that an organization may send its calls to."
    ),
    "To change the base_url send the secret again: it is sealed to its address.": (
        "To change the address write the key again: it is sealed to its address."
    ),
    "context_over is a number of input tokens": "The number of input tokens is out of range",
    "org_admin is for the whole organization; for a %(kind)s use team_admin.": (
        "Organization admins are for the whole organization; here use the role for teams, Team admin."
    ),
    "team_admin is for a team or a project; for the organization it is org_admin.": (
        "Team admins are for a team or a project; for the organization use Organization admin."
    ),
    "This is the organization's last org_admin; make somebody else one first.": (
        "This is the organization's last admin; make somebody else one first."
    ),
    "no price is known for '%(dimension)s'": "no price is known for '%(dimension)s'",
    "no price is known for service tier '%(tier)s'": "no price is known for service tier '%(tier)s'",
    "'%(dimension)s' is none of %(list)s": "'%(dimension)s' is none of %(list)s",
}
