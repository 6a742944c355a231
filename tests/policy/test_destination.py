"""Addresses: one spelling, exact cover, and no way into private networks."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core.errors import PolicyRefused
from sazon.policy.destination import Destination, public, reachable

REFUSED = [
    "",
    "ftp://example.com",
    "file:///etc/passwd",
    "example.com/v1",
    "https:example.com",
    "https:///v1",
    "http://example.com/v1",
    "http://127.0.0.2/v1",
    "http://localhost.example.com/v1",
    "http://127.0.0.1.nip.io/v1",
    "https://user@example.com/",
    "https://example.com@evil.test/",
    "https://example.com\\@evil.test/",
    "https://example.com/v1?key=1",
    "https://example.com/v1#x",
    "https://example.com/%2e%2e/",
    "https://example.com/a/../b",
    "https://example.com//v1",
    "https://example.com:0/v1",
    "https://example.com:99999/v1",
    "https://example.com:abc/v1",
    "https://exämple.com/",
    "https://example.com./v1",
    "https://example.com /v1",
    "https://exa\tmple.com/v1",
    "https://example.com\r\nX: y",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://0177.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "http://169.254.169.254/latest/meta-data",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:7f00:1::]/",
    "https://10.0.0.1/",
    "https://192.168.1.1/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://0.0.0.0/",
    "http://0.0.0.0/",
    "https://[::]/",
    "https://224.0.0.1/",
]


@pytest.mark.parametrize("url", REFUSED)
def test_what_could_mean_something_else_is_refused(url):
    with pytest.raises(PolicyRefused) as refused:
        Destination.parse(url)
    assert "key=1" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("https://API.Example.com/v1/", "https://api.example.com/v1"),
        ("https://api.example.com:443/v1", "https://api.example.com/v1"),
        ("HTTPS://api.example.com", "https://api.example.com"),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://localhost/v1", "http://localhost/v1"),
        ("https://8.8.8.8/v1", "https://8.8.8.8/v1"),
    ],
)
def test_one_spelling(url, spelled):
    assert str(Destination.parse(url)) == spelled
    assert Destination.parse(spelled) == Destination.parse(url)


def test_cover_is_by_whole_segments_of_the_same_place():
    root = Destination.parse("https://api.example.com/v1")
    assert root.covers(Destination.parse("https://api.example.com/v1/chat/completions"))
    for other in (
        "https://api.example.com/v10/chat",
        "https://api.example.com/",
        "https://api.example.com:444/v1/chat",
        "https://api.example.com.evil.test/v1/chat",
        "https://evil.test/v1/chat",
    ):
        assert not root.covers(Destination.parse(other)), other


def test_one_private_address_spoils_a_name():
    there = Destination.parse("https://api.example.com/v1")
    assert reachable(there, ["8.8.8.8", "2001:4860:4860::8888"])
    assert not reachable(there, ["8.8.8.8", "10.0.0.1"])
    assert not reachable(there, [])
    assert not reachable(there, ["not an address"])
    here = Destination.parse("http://localhost/v1")
    assert reachable(here, ["127.0.0.1", "::1"])
    assert not reachable(here, ["127.0.0.1", "8.8.8.8"])


@given(st.ip_addresses(v=4))
def test_an_address_inside_ipv6_is_as_public_as_itself_at_most(address):
    for wrapped in (f"::ffff:{address}", str(ipaddress.IPv6Address((0x64FF9B << 96) + int(address)))):
        assert public(wrapped) == public(str(address))
    assert not public(f"::{address}") or not address.is_private


@given(st.ip_addresses())
def test_nothing_private_is_public(address):
    if address.is_private or address.is_link_local or address.is_loopback or address.is_multicast:
        mapped = getattr(address, "ipv4_mapped", None)
        assert not public(str(address)) or (mapped is not None and mapped.is_global)
