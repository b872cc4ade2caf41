"""Networks in settings and allow lists, and the client's address behind proxies that may or may not be believed."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tollkeeper.kit.networks import HOPS_MAX, Networks, client_address, parse_address, parse_network

PROXIES = Networks(["10.0.0.0/8", "fd00::/8"])
outside = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str).filter(lambda each: not PROXIES.contains(each))
inside = st.sampled_from(["10.0.0.1", "10.255.0.9", "fd00::1"])
piece = st.one_of(
    st.binary(max_size=40).filter(lambda each: b"\n" not in each and b"\r" not in each),
    st.ip_addresses().map(lambda each: str(each).encode()),
    st.sampled_from([b"unknown", b"", b",", b"127.0.0.1", b"10.0.0.1", b"10.0.0.1, 10.0.0.2", b"[::1]:80", b"_hidden"]),
)
lines = st.lists(st.lists(piece, max_size=4).map(b", ".join), max_size=4)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8:0:0::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ],
)
def test_addresses_and_networks_are_read(text: str, network: str) -> None:
    assert str(parse_network(text)) == network


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/8",
        "example.com",
        "192.0.2",
        "192.0.2.256",
        "0300.0.0.1",
        "010.0.0.1",
        "3221226119",
        "0xc0000207",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/24/8",
        "192.0.2.0/255.255.255.0",
        "192.0.2.0/0.0.0.255",
        "192.0.2.0/²4",
        " 192.0.2.0/24",
        "192.0.2.0/24\n",
        "2001:db8::/129",
        "fe80::1%eth0",
        "fe80::%eth0/10",
        "::ffff:0:0/90",
        "[2001:db8::1]",
        "192.0.2.7:80",
        "1" * 5_000,
        "192.0.2.0/" + "0" * 5_000 + "24",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_network(text)
    assert len(str(raised.value)) < 200


def test_bits_beyond_the_prefix_are_refused_with_both_meanings() -> None:
    with pytest.raises(ValueError, match=r"write 192\.0\.0\.0/8 or 192\.0\.2\.7"):
        parse_network("192.0.2.7/8")


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_an_ipv4_network_holds_what_the_library_says(address: ipaddress.IPv4Address, prefix: int) -> None:
    network = ipaddress.ip_network((address, prefix), strict=False)
    networks = Networks([str(network)])
    first, last = int(network.network_address), int(network.broadcast_address)
    for value in {first - 1, first, int(address), last, last + 1}:
        if 0 <= value < 2**32:
            probe = ipaddress.IPv4Address(value)
            assert networks.contains(str(probe)) == (probe in network)
            assert networks.contains(f"::ffff:{probe}") == (probe in network)


@given(st.ip_addresses(v=6), st.integers(0, 128))
def test_an_ipv6_network_holds_what_the_library_says(address: ipaddress.IPv6Address, prefix: int) -> None:
    assume(address.ipv4_mapped is None)
    network = ipaddress.ip_network((address, prefix), strict=False)
    assume(network.network_address.ipv4_mapped is None)
    networks = Networks([str(network)])
    first, last = int(network.network_address), int(network.broadcast_address)
    for value in {first - 1, first, int(address), last, last + 1}:
        if 0 <= value < 2**128 and (probe := ipaddress.IPv6Address(value)).ipv4_mapped is None:
            assert networks.contains(probe.exploded) == (probe in network)


def test_the_widest_networks_do_not_reach_into_the_other_family() -> None:
    assert not Networks(["::/0"]).contains("192.0.2.7")
    assert not Networks(["::/0"]).contains("::ffff:192.0.2.7")
    assert not Networks(["0.0.0.0/0"]).contains("::1")


def test_what_is_no_address_is_in_no_network() -> None:
    everything = Networks(["0.0.0.0/0", "::/0"])
    for text in ("", "localhost", "unix:", "fe80::1%eth0", "1" * 10_000, "127.1", "٣.0.0.1"):
        assert not everything.contains(text)


def test_an_answer_is_the_same_when_asked_again_and_the_memory_stays_small() -> None:
    networks = Networks(["10.0.0.0/8"])
    for _ in range(2):
        for number in range(2_000):
            assert networks.contains(f"{10 + number % 2}.0.{number // 256}.{number % 256}") == (number % 2 == 0)
    networks.contains("x" * 100_000)
    assert len(networks._known) <= 256
    assert all(len(each) < 100 for each in networks._known)


def test_no_networks_are_false_and_hold_nothing() -> None:
    assert not Networks()
    assert Networks(["10.0.0.0/8"])
    assert not Networks().contains("10.0.0.1")


@given(outside, lines)
def test_an_untrusted_peer_is_the_client_whatever_it_writes(peer: str, forwarded: list[bytes]) -> None:
    assert client_address(peer, forwarded, PROXIES) == str(parse_address(peer))
    assert client_address(peer, forwarded, Networks()) == str(parse_address(peer))


@given(outside, lines, st.lists(inside, max_size=3), inside, st.booleans())
def test_behind_trusted_proxies_a_client_cannot_choose_its_address(
    client: str, written: list[bytes], hops: list[str], peer: str, is_one_line: bool
) -> None:
    added = [each.encode() for each in (client, *hops)]
    forwarded = [b", ".join([*written, *added])] if is_one_line else [*written, *added]
    assert client_address(peer, forwarded, PROXIES) == str(parse_address(client))


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([], "10.0.0.1"),
        ([b""], "10.0.0.1"),
        ([b"192.0.2.7"], "192.0.2.7"),
        ([b" 192.0.2.7\t"], "192.0.2.7"),
        ([b"192.0.2.7:4711"], "192.0.2.7"),
        ([b"2001:DB8::7"], "2001:db8::7"),
        ([b"[2001:db8::7]"], "2001:db8::7"),
        ([b"[2001:db8::7]:4711"], "2001:db8::7"),
        ([b"::ffff:192.0.2.7"], "192.0.2.7"),
        ([b"::ffff:10.0.0.9"], "10.0.0.9"),
        ([b"198.51.100.1, 192.0.2.7"], "192.0.2.7"),
        ([b"198.51.100.1", b"192.0.2.7", b"10.0.0.2"], "192.0.2.7"),
        ([b"198.51.100.1, 192.0.2.7", b"10.0.0.3, 10.0.0.2"], "192.0.2.7"),
        ([b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ([b"192.0.2.7, unknown, 10.0.0.2"], "10.0.0.2"),
        ([b"192.0.2.7, unknown"], "10.0.0.1"),
        ([b"192.0.2.7,"], "10.0.0.1"),
        ([b"192.0.2.7, 010.0.0.2"], "10.0.0.1"),
        ([b"192.0.2.7, 192.0.2.8:http"], "10.0.0.1"),
        ([b"192.0.2.7, fe80::1%eth0"], "10.0.0.1"),
        ([b"192.0.2.7, [2001:db8::7"], "10.0.0.1"),
        ([b"192.0.2.7, 192.0.2.8 192.0.2.9"], "10.0.0.1"),
        ([b"192.0.2.7, \xff\xfe"], "10.0.0.1"),
        ([b"192.0.2.7, " + b"1" * 60_000], "10.0.0.1"),
    ],
)
def test_the_right_most_entry_that_is_no_trusted_proxy_is_the_client(forwarded: list[bytes], client: str) -> None:
    assert client_address("10.0.0.1", forwarded, PROXIES) == client
    assert client_address("::ffff:10.0.0.1", forwarded, PROXIES) == client


def test_an_endless_chain_ends_at_the_last_hop_that_was_looked_at() -> None:
    assert client_address("10.0.0.1", [b"192.0.2.7" + b", 10.0.0.2" * (HOPS_MAX - 1)], PROXIES) == "192.0.2.7"
    assert client_address("10.0.0.1", [b"192.0.2.7, 192.0.2.8" + b", 10.0.0.2" * HOPS_MAX], PROXIES) == "10.0.0.2"


def test_a_peer_without_an_address_is_never_trusted() -> None:
    assert client_address("", [b"192.0.2.7"], Networks(["0.0.0.0/0", "::/0"])) == ""


def test_a_peer_is_spelled_the_usual_way() -> None:
    for peer, usual in (("2001:DB8:0::1", "2001:db8::1"), ("::ffff:192.0.2.7", "192.0.2.7"), ("x" * 100, "x" * 100)):
        assert client_address(peer, [], Networks()) == usual


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("somewhere", "'somewhere' is not an IP address"),
        ("", "'' is not an IP address"),
        ("10.0.0.256", "'10.0.0.256' is not an IP address"),
        ("10.0.0.0/33", "'10.0.0.0/33' is not a network such as 192.0.2.0/24"),
    ],
)
def test_what_is_no_network_is_refused_in_our_own_words(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_network(text)
