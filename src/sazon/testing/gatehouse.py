"""A whole gatehouse in a folder, for tests: real keys, register, log, vault, detectors and sockets.

with FakeProvider(lambda text: text) as provider, gatehouse(tmp_path, provider) as house:
house.consent("ana")
house.ask({"messages": [{"role": "user", "content": "Soy Ana"}]}, subjects=["ana"])
provider.received                   every byte that left
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sazon.core.dataset import DataClass
from sazon.policy.config import PolicyConfig, Purpose
from sazon.policy.consent import Record
from sazon.policy.destination import Destination
from sazon.policy.detect.inspector import Inspector, default_inspector
from sazon.policy.egress import Egress, Lookup, system_lookup
from sazon.policy.gate import Gate
from sazon.policy.keys.keyring import Keyring
from sazon.policy.keys.source import create_source
from sazon.policy.locks import Locks, exist
from sazon.policy.passage import Asked, Passage, Passed
from sazon.policy.permit import Opening
from sazon.policy.register import new_id
from sazon.policy.ruling import Disclosure
from sazon.policy.spending import Limits
from sazon.policy.transport import Trust
from sazon.testing.fake_provider import FakeProvider

PROVIDER = "frontier"
KEY_VARIABLE, KEY = "CANARY_KEY", "sk-canary-0f3d9a71"


@dataclass
class Clock:
    """A clock that goes where it is told."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now


@dataclass(frozen=True, kw_only=True)
class Gatehouse:
    """Everything between a client and a provider."""

    locks: Locks
    gate: Gate
    passage: Passage
    opening: Opening
    clock: Clock

    def consent(
        self,
        subject: str,
        *,
        classes: Iterable[DataClass] = (DataClass.PERSONAL,),
        purpose: Purpose = "infer.external",
        recipient: str = PROVIDER,
        days: float = 30.0,
    ) -> Record:
        """A person opts in."""
        [record] = self.locks.give(
            [
                Record(
                    id=new_id(),
                    subject=subject,
                    purpose=purpose,
                    recipient=recipient,
                    classes=frozenset(classes),
                    basis="consent",
                    notice="0" * 64,
                    given_at=self.clock.now,
                    expires_at=self.clock.now + days * 86_400,
                )
            ]
        )
        return record

    def ask(
        self,
        content: Mapping[str, Any],
        *,
        subjects: Sequence[str | None] = (),
        data_class: DataClass | None = DataClass.PERSONAL,
        conversation: str | None = None,
    ) -> Passed:
        """Send a chat request the way the gateway does, and wait for the answer."""
        return asyncio.run(self.passage.ask(self.asked(content, subjects, data_class, conversation)))

    def stream(self, content: Mapping[str, Any], *, subjects: Sequence[str | None] = ()) -> bytes:
        """The same, as a stream; all of its bytes."""

        async def whole() -> bytes:
            wanted = self.asked({**content, "stream": True}, subjects, DataClass.PERSONAL, None)
            async with self.passage.stream(wanted) as coming:
                return b"".join([event async for event in coming.events])

        return asyncio.run(whole())

    def asked(
        self,
        content: Mapping[str, Any],
        subjects: Sequence[str | None],
        data_class: DataClass | None,
        conversation: str | None = None,
    ) -> Asked:
        """A request and what its sender says of it."""
        return Asked(
            provider=PROVIDER,
            content={"model": PROVIDER, **content},
            disclosures=tuple(Disclosure(subject=s, data_class=data_class) for s in subjects),
            conversation=conversation,
        )


@contextlib.contextmanager
def gatehouse(
    folder: Path,
    provider: FakeProvider,
    *,
    inspector: Inspector | None = None,
    policy: PolicyConfig | None = None,
    url: str | None = None,
    lookup: Lookup = system_lookup,
    clock: Clock | None = None,
    limits: Limits | None = None,
    trust: Trust | None = None,
    environment: Mapping[str, str] | None = None,
    dress: Callable[[Gate, Egress], Egress] = lambda gate, egress: egress,
) -> Iterator[Gatehouse]:
    """Make keys in a folder, or use those that are there, and open everything with them.

    Args:
        folder: of the recipe.
        provider: who answers.
        inspector: looks into texts; by default the shipped detectors.
        policy: the recipe's section.
        url: another address than the provider's own.
        lookup: another resolver.
        clock: another clock.
        limits: caps of the provider.
        trust: how the provider proves itself.
        environment: where the provider's key stands.
        dress: wraps the way out, to meddle with it.
    """
    clock = clock or Clock()
    policy = policy or PolicyConfig(consents="consents.jsonl", opt_in=["infer.external"])
    if not exist(policy, folder):
        Keyring.create(folder / policy.folder, create_source(policy.key, root=folder), tenant=policy.tenant)
    opening = Opening(
        provider=PROVIDER,
        to=Destination.parse(url or provider.url),
        model="big-1",
        key=KEY_VARIABLE,
        max_tokens=256,
        limits=limits or Limits(tokens=100_000_000),
        trust=trust or Trust(),
    )
    with contextlib.closing(Locks.open(policy, root=folder, clock=clock)) as locks:
        gate = locks.gate([opening])
        held = {KEY_VARIABLE: KEY} if environment is None else environment
        egress = dress(gate, Egress(gate, lookup=lookup, environment=held))
        passage = Passage(
            {PROVIDER: opening},
            gate=gate,
            egress=egress,
            inspector=inspector or default_inspector(policy.detectors),
            vault=locks.vault,
            live_class=policy.live_class,
        )
        yield Gatehouse(locks=locks, gate=gate, passage=passage, opening=opening, clock=clock)
