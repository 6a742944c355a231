"""Providers of a recipe as the policy sees them: an address, a key's name, a price, caps, and proofs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sazon.core import registry
from sazon.pipeline.asking import price_for
from sazon.policy.destination import Destination, Networks, networks_of
from sazon.policy.detect.inspector import default_inspector
from sazon.policy.egress import Egress
from sazon.policy.locks import Locks
from sazon.policy.passage import Passage
from sazon.policy.permit import Opening
from sazon.policy.spending import Limits
from sazon.policy.transport import Trust
from sazon.recipe import ProviderConfig, Recipe


def opening_of(wanted: Recipe, name: str) -> Opening:
    """A provider opened for live requests, up to the caps of the gateway's section.

    Raises:
        SazonError: no such provider, or one whose address, pin or price cannot be.
    """
    providers, limits = wanted.config.providers, wanted.config.gateway
    if name not in providers:
        raise registry.unknown("provider", name, list(providers))
    to = providers[name]
    price = price_for(to, where=name)
    return Opening(
        provider=name,
        to=Destination.parse(to.base_url, networks=networks(to)),
        model=to.model,
        key=to.key.removeprefix("env:") if to.key else None,
        max_tokens=limits.external_max_tokens,
        trust=trust(wanted, to),
        limits=Limits(tokens=limits.external_tokens),
        price=price,
    )


@contextlib.contextmanager
def passage_of(wanted: Recipe) -> Iterator[Passage | None]:
    """The way out to a recipe's providers, for live requests; None where the recipe opens none.

    Raises:
        EnvironmentLacks: it opens some, and there are no keys, detectors or store.
        IntegrityError: a wrong key, or a damaged store.
    """
    config = wanted.config.policy
    if "infer.external" not in config.opt_in or not wanted.config.providers:
        yield None
        return
    openings = {name: opening_of(wanted, name) for name in wanted.config.providers}
    inspector = default_inspector(config.detectors, timeout_s=config.detect_timeout_s)
    with contextlib.closing(Locks.open(config, root=wanted.root)) as locks:
        gate = locks.gate(openings.values())
        yield Passage(
            openings,
            gate=gate,
            egress=Egress(gate),
            inspector=inspector,
            vault=locks.vault,
            live_class=config.live_class,
        )


def networks(to: ProviderConfig) -> Networks:
    """Private networks in which a provider may lie."""
    return networks_of(to.networks)


def trust(wanted: Recipe, to: ProviderConfig) -> Trust:
    """How the connection to a provider proves who is there."""
    return Trust(
        pin=to.pin,
        certificate=wanted.root / to.client_certificate if to.client_certificate else None,
        authorities=wanted.root / to.authorities if to.authorities else None,
    )
