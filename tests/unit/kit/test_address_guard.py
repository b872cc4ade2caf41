"""Which addresses organizations may reach, with and without networks that the operator has opened."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.kit.address_guard import AddressGuard
from tollkeeper.kit.networks import Networks

PUBLIC = AddressGuard()
EVERYTHING = AddressGuard(Networks(["0.0.0.0/0", "::/0"]))
NEVER = [
    *("0.0.0.0", "0.255.255.255", "169.254.169.254", "169.254.170.2", "169.254.0.1", "100.100.100.200"),
    *("168.63.129.16", "192.0.0.192", "224.0.0.1", "239.255.255.255", "255.255.255.255"),
    *("::", "::2", "::127.0.0.1", "2001:0:a9fe:a9fe::1", "2002:7f00:1::", "2002:808:808::1"),
    *("fd00:ec2::254", "fd20:ce::254", "fe80::1", "febf::1", "ff02::1", "ff0e::1"),
    *("::ffff:169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::169.254.169.254", "64:ff9b::0.0.0.0"),
    *("", "localhost", "fe80::1%eth0", "127.1", "2130706433", "0x7f000001", "[::1]", "8.8.8.8:80", "8.8.8.8 "),
]
OPENED = ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "172.16.9.9", "100.64.0.1", "fc00::1", "64:ff9b::10.0.0.1"]


@pytest.mark.parametrize("address", NEVER)
def test_what_is_never_allowed_no_setting_opens(address: str) -> None:
    assert not EVERYTHING.allows(address)
    assert not PUBLIC.allows(address)


@pytest.mark.parametrize("address", OPENED)
def test_private_addresses_are_open_only_when_the_operator_says_so(address: str) -> None:
    assert EVERYTHING.allows(address)
    assert not PUBLIC.allows(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2a00::1"])
def test_public_addresses_are_open(address: str) -> None:
    assert PUBLIC.allows(address)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_is_open_that_the_library_calls_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if PUBLIC.allows(str(address)):
        inner = getattr(address, "ipv4_mapped", None) or address
        if inner in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(inner) & 0xFFFF_FFFF)
        assert inner.is_global
        assert not inner.is_multicast
        assert not inner.is_reserved


@given(st.ip_addresses(v=4))
def test_every_spelling_of_an_ipv4_address_gets_the_same_answer(address: ipaddress.IPv4Address) -> None:
    answers = {PUBLIC.allows(text) for text in (str(address), f"::ffff:{address}", f"64:ff9b::{address}")}
    assert len(answers) == 1


def test_edges_of_the_private_networks_are_exact() -> None:
    assert [
        PUBLIC.allows(each)
        for each in ("9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0")
    ] == [True, False, False, True, True, True]
