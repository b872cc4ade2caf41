"""Addresses and networks: what a setting or an allow list may say, what is inside it, and which address the client has.

An IPv4 address inside IPv6 (`::ffff:192.0.2.1`) is the IPv4 address, everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HOPS_MAX = 32
"""How many entries of X-Forwarded-For are looked at, from the right."""
_TEXT_MAX = 64  # the longest spelling of an IPv6 network has 49 characters
_MEMO_MAX = 256
_MAPPED_PREFIX = 96
_WITH_PORT = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<four>[0-9.]+))(?::[0-9]{1,5})?", re.ASCII)


def parse_address(text: str) -> Address:
    """Read one address.

    Raises:
        ValueError: it is none, or has a zone id (`fe80::1%eth0`), which means something on one machine only.
    """
    try:
        address = None if len(text) > _TEXT_MAX or "%" in text else ip_address(text)
    except ValueError:
        address = None
    if address is None:
        raise ValueError(f"'{text[:_TEXT_MAX]}' is not an IP address")
    return address if isinstance(address, IPv4Address) else address.ipv4_mapped or address


def parse_network(text: str) -> Network:
    """Read an address (a network of one) or a network as `192.0.2.0/24` or `2001:db8::/32`.

    Bits beyond the prefix are refused, not cut off: who wrote `192.0.2.7/8` may not have meant sixteen million hosts.

    Raises:
        ValueError: it is neither; the message is for who wrote it.
    """
    address, slash, prefix = text.partition("/")
    is_prefix = prefix.isascii() and prefix.isdigit()  # the library would take a netmask and a hostmask too
    if len(text) > _TEXT_MAX or (slash and not is_prefix):
        raise ValueError(f"'{text[:_TEXT_MAX]}' is not a network such as 192.0.2.0/24")
    parse_address(address)
    try:
        network = ip_network(text)
    except ValueError:
        meant = _masked(text)
        if meant is None:
            raise ValueError(f"'{text}' is not a network such as 192.0.2.0/24") from None
        raise ValueError(f"'{text}' has bits beyond its prefix; write {meant} or {address}") from None
    if isinstance(network, IPv6Network) and (inner := network.network_address.ipv4_mapped) is not None:
        return IPv4Network((inner, network.prefixlen - _MAPPED_PREFIX))
    return network


def _masked(text: str) -> Network | None:
    """Return a network without the bits beyond its prefix; None when the prefix is longer than an address."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


class Networks:
    """A set of networks that is asked again and again, mostly about the same few addresses.

    `::/0` is every IPv6 address and no IPv4 address.
    """

    __slots__ = ("_fours", "_known", "_sixes", "_texts")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Read each as `parse_network` does.

        Raises:
            ValueError: one of them is no network.
        """
        networks = [parse_network(text) for text in texts]
        self._texts = tuple(str(network) for network in networks)
        self._fours = _ranges(network for network in networks if network.version == 4)
        self._sixes = _ranges(network for network in networks if network.version == 6)
        self._known: dict[str, bool] = {}

    def contains(self, address: str) -> bool:
        """Tell whether an address is in one of the networks; what is no address is in none."""
        known = self._known.get(address)
        if known is None:
            known = self._look_up(address)
            if len(address) <= _TEXT_MAX:
                if len(self._known) >= _MEMO_MAX:
                    self._known.clear()
                self._known[address] = known
        return known

    def __bool__(self) -> bool:
        return bool(self._texts)

    def __repr__(self) -> str:
        return f"Networks({list(self._texts)})"

    def _look_up(self, text: str) -> bool:
        try:
            address = parse_address(text)
        except ValueError:
            return False
        value = int(address)
        return any(first <= value <= last for first, last in (self._fours if address.version == 4 else self._sixes))


def client_address(peer: str, forwarded: Sequence[bytes], trusted: Networks) -> str:
    """Return the address of who made a request, in its usual spelling.

    `peer` is the other end of the connection, `forwarded` the values of X-Forwarded-For as they came. They are believed
    only from a trusted proxy, and from the right: each trusted proxy vouches for the entry that it added, so the first
    one that is not a trusted proxy is the client. What stands left of it the client may have written. An entry that is
    no address ends the search at the last hop that was good.
    """
    hop = _spelled(peer)
    if not forwarded or not trusted.contains(hop):
        return hop
    for entry in reversed(b",".join(forwarded).rsplit(b",", HOPS_MAX)):
        before = _entry_address(entry)  # beyond HOPS_MAX the rest is one piece, and no address
        if before is None:
            break
        hop = before
        if not trusted.contains(hop):
            break
    return hop


def _ranges(networks: Iterable[Network]) -> tuple[tuple[int, int], ...]:
    return tuple((int(network.network_address), int(network.broadcast_address)) for network in networks)


def _spelled(peer: str) -> str:
    """Return an address in its usual spelling; what is none as it is, such as the empty name of a Unix socket's end."""
    return (_usual_spelling(peer) if len(peer) <= _TEXT_MAX else None) or peer


def _entry_address(entry: bytes) -> str | None:
    """Read an entry: an address, with a port or without; IPv6 also in brackets."""
    text = entry.strip(b" \t")
    return _usual_spelling(text.decode("latin-1")) if len(text) <= _TEXT_MAX else None


@lru_cache(maxsize=1024)  # of short texts: the same few proxies and clients come again and again
def _usual_spelling(text: str) -> str | None:
    found = _WITH_PORT.fullmatch(text)
    try:
        return str(parse_address((found["six"] or found["four"]) if found else text))
    except ValueError:
        return None
