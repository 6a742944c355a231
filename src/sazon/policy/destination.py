"""Where a request may go: an exact place, and the addresses behind its name."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from sazon.core.errors import PolicyRefused

LOOPBACK_NAMES = ("127.0.0.1", "::1", "localhost")
"""The only names under which plain HTTP and this machine itself can be reached."""

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")
# An address that routes to a cloud's own control plane although it counts as public.
_CONTROL_PLANES = frozenset({ipaddress.ip_address("168.63.129.16")})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PRIVATE = tuple(
    ipaddress.ip_network(name) for name in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """Scheme, host, port and path prefix, in one spelling only."""

    scheme: Literal["https", "http"]
    host: str
    """Lower-case ASCII; IPv6 without brackets."""
    port: int
    path: str
    """Prefix without a slash at its end; empty for the root."""
    networks: Networks = field(default=(), compare=False)
    """Private networks of the organisation's own in which the name may lie."""

    @classmethod
    def parse(cls, url: str, *, networks: Networks = ()) -> Destination:
        """Read an address strictly: what could be read in two ways is refused.

        Args:
            url: scheme, host, port and path.
            networks: private networks that are named, and so allowed.

        Raises:
            PolicyRefused: not http(s), plain HTTP to anything but a named loopback address, user
                data, query, fragment, escapes, odd spellings of an address, or a private address.
        """
        if not isinstance(url, str) or re.search(r"[\x00-\x20\x7f-\U0010ffff\\%@?#]", url):
            raise _wrong("holds user data, a query, a fragment, an escape or an unusual character")
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise _wrong("is not a valid address") from None
        if parts.scheme not in ("https", "http") or not url.lower().startswith(f"{parts.scheme}://"):
            raise _wrong("must start with https://")
        _check_host(host, networks)
        if parts.scheme == "http" and host not in LOOPBACK_NAMES:
            raise _wrong("uses plain HTTP, which is for this machine only", "Use https://.")
        if port == 0 or not _PATH.fullmatch(parts.path):
            raise _wrong("has a port or path that is not allowed")
        return cls(
            scheme="https" if parts.scheme == "https" else "http",
            host=host,
            port=port or (443 if parts.scheme == "https" else 80),
            path=parts.path.rstrip("/"),
            networks=networks,
        )

    @property
    def loopback(self) -> bool:
        """Whether this is this machine, named literally."""
        return self.host in LOOPBACK_NAMES

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.scheme == "https" else 80)
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")

    def __str__(self) -> str:
        """The address in its one spelling."""
        return self.origin + self.path

    def covers(self, other: Destination) -> bool:
        """Whether `other` is the same place or below it."""
        same = (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)
        return same and (other.path == self.path or other.path.startswith(f"{self.path}/"))


def _wrong(what: str, mend: str = "Write it as https://host/path.") -> PolicyRefused:
    return PolicyRefused(f"this address cannot be allowed: it {what}", mend=mend)


def _check_host(host: str, networks: Networks) -> None:
    """Refuse a host that could mean something else than it shows."""
    if host in LOOPBACK_NAMES:
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        last = host.rsplit(".", 1)[-1]
        # Systems read 127.1, 2130706433 and 0x7f.1 as addresses: only the dotted form is one here.
        if len(host) > 253 or not _HOST.fullmatch(host) or last.isdigit() or last.startswith("0x"):
            raise _wrong("has a host name that is not allowed") from None
        return
    if not (public(str(address)) or _named(str(address), networks)):
        raise _wrong("names a private, local or reserved network address")


def networks_of(names: Sequence[str]) -> Networks:
    """Private networks by name (`10.1.0.0/16`).

    Raises:
        PolicyRefused: not a network, or one that is not private: this machine and the links on which
            clouds answer for themselves (169.254.0.0/16) cannot be named.
    """
    found = []
    for name in names:
        try:
            network = ipaddress.ip_network(name)
        except ValueError:
            network = None
        if network is None or not any(
            network.version == private.version and network.subnet_of(private)  # type: ignore[arg-type]
            for private in _PRIVATE
        ):
            raise PolicyRefused(
                f"{name!r} is not a private network",
                mend="Name one inside 10/8, 172.16/12, 192.168/16, fc00::/7.",
            )
        found.append(network)
    return tuple(found)


def _named(address: str, networks: Networks) -> bool:
    """Whether an address lies in a network that was named; an IPv4 one inside IPv6 does not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found not in _CONTROL_PLANES and any(found in network for network in networks)


def public(address: str) -> bool:
    """Whether an IP address is one of the open internet.

    False for private, loopback, link-local (cloud metadata among them), shared, multicast and
    reserved addresses, also when an IPv4 one hides inside IPv6, and for whatever is not an address.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None or found.sixtofour or found.teredo:
            return False
        if found.ipv4_mapped:
            found = found.ipv4_mapped
        elif found in _NAT64:
            found = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
    if found in _CONTROL_PLANES:
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def reachable(destination: Destination, addresses: list[str]) -> bool:
    """Whether every address behind a name may be connected to; one bad address spoils all."""
    if not addresses:
        return False
    if not destination.loopback:
        return all(public(a) or _named(a, destination.networks) for a in addresses)
    try:
        return all(ipaddress.ip_address(address).is_loopback for address in addresses)
    except ValueError:
        return False
