"""Which addresses an organization may make this installation connect to: public ones, and what the operator adds.

Whoever connects asks about the address that it connects to, after the name was resolved and without resolving again.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from tollkeeper.kit.networks import Networks, parse_address

_NOT_PUBLIC_4 = Networks(
    [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    ]
)
"""https://www.iana.org/assignments/iana-ipv4-special-registry, with multicast and what is reserved, 2026-11-22."""

_GLOBAL_6 = Networks(["2000::/3"])
_NOT_PUBLIC_6 = Networks(["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"])
"""https://www.iana.org/assignments/iana-ipv6-special-registry, 2026-11-22: all of 2001::/23 (Teredo is in it) and 6to4,
because an IPv4 address hides in them that somebody else's relay would connect to."""

_NEVER = Networks(
    [
        "0.0.0.0/8",
        "169.254.0.0/16",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.0/4",
        "255.255.255.255",
        "::/96",
        "2001::/32",
        "2002::/16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::/10",
        "ff00::/8",
    ]
)
"""What no setting opens, or everything that a cloud lets a machine do would be a request away: the services that hand
out a machine's credentials (AWS, Google, Azure, Alibaba, Oracle;
https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16, 2026-11-22), what is on no
network, groups, and hidden IPv4 addresses. Loopback is for an operator to open: model servers run there."""

_LOOPBACK_6 = "::1"
_TRANSLATED = int(parse_address("64:ff9b::"))
"""RFC 6052: how a network without IPv4 reaches it; https://www.rfc-editor.org/rfc/rfc6052#section-2.1, 2026-11-22."""


class AddressGuard:
    """`private_networks` are allowed beside the public addresses."""

    __slots__ = ("_private_networks",)

    def __init__(self, private_networks: Networks | None = None) -> None:
        self._private_networks = private_networks or Networks()

    def allows(self, text: str) -> bool:
        """Tell whether an address may be connected to; what is no address may not, one with a zone id neither."""
        try:
            address = parse_address(text)
        except ValueError:
            return False
        value = int(address)
        if address.version == 6 and value >> 32 == _TRANSLATED >> 32:
            address = IPv4Address(value & 0xFFFF_FFFF)
        spelled = str(address)
        if _NEVER.contains(spelled) and spelled != _LOOPBACK_6:
            return False
        if self._private_networks.contains(spelled):
            return True
        if address.version == 4:
            return not _NOT_PUBLIC_4.contains(spelled)
        return _GLOBAL_6.contains(spelled) and not _NOT_PUBLIC_6.contains(spelled)
