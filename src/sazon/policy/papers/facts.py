"""What the papers are made from: figures of the recipe, the register, the log, the vault and the keys.

No name of a person, no key and no text ever stands here: people are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sazon.core.dataset import DataClass
from sazon.policy.config import Basis, LocalPurpose, Purpose
from sazon.policy.consent import Record
from sazon.policy.papers.history import History

Place = Literal["house", "inside", "outside", "unclear", "undeclared"]
"""Where a recipient works: on this machine, in the European Economic Area,
in a third country, somewhere its region's name does not tell, or not said."""
State = Literal["standing", "lapsed", "not_begun", "withdrawn", "terminated", "invalidated"]
STATES: tuple[State, ...] = ("standing", "lapsed", "not_begun", "withdrawn", "terminated", "invalidated")

_EEA = frozenset(
    "AT BE BG CY CZ DE DK EE EL ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split()
) | {"EU", "UE", "EEA", "EEE"}  # fmt: skip
"""Codes of the states of the European Economic Area (ISO 3166-1; `EL` as the Union writes Greece)."""
_THIRD_COUNTRIES = frozenset(
    {"US", "UK", "GB", "CH", "CA", "JP", "CN", "IN", "BR", "AU", "KR", "SG", "IL", "MX"}
)
"""Codes surely of third countries. Another word may be one of a cloud's own: `eu-west-2` lies in London."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Provider:
    """A provider of the recipe, and how it is reached."""

    name: str
    host: str
    model: str
    region: str | None
    """As the recipe declares it."""
    place: Place
    encrypted: bool
    """Whether it is reached over TLS; plain HTTP is for this machine only."""
    pinned: bool
    own_authorities: bool
    client_certificate: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsentCount:
    """Consents to one purpose with one recipient under one basis."""

    purpose: Purpose
    recipient: str
    """Empty: inside the organisation."""
    basis: Basis
    classes: Mapping[DataClass, int]
    """Standing consents by class; one consent may name several."""
    people: int
    """Distinct people who ever gave one; the organisation's own word is not a person."""
    states: Mapping[State, int]
    expires: tuple[float, float] | None
    """First and last moment at which a standing one ends, seconds since the epoch; None without any."""

    @property
    def given(self) -> int:
        """Consents ever given."""
        return sum(self.states.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """The rows that the recipe names."""

    by_class: Mapping[str, int]
    """Data class, or `unknown` where a row names none."""
    people: int
    """Distinct people; 0 where no row says whose it is."""
    nobody: int
    """Rows that do not say whose they are, public ones aside."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_class.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """How keys, vault and store stand."""

    source: Literal["file", "env", "command"]
    recovery: str
    """Kind of the offline recovery key; empty where there is none."""
    version: int
    erased: int
    """People whose keys were destroyed."""
    subjects: int
    records: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """The audit log as it was verified for these papers."""

    size: int
    checkpoint: str | None
    """Time of the last signature; None for an empty log."""
    anchored: int | None
    """Entries under the largest checkpoint kept elsewhere; None where none was shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything that the papers know."""

    controller: str
    task: str
    """Name of the recipe."""
    at: float
    """When this was gathered, seconds since the epoch."""
    opened: tuple[Purpose, ...]
    local_bases: Mapping[LocalPurpose, Basis]
    live_class: DataClass
    detectors: tuple[str, ...]
    detectors_fail: bool
    """Whether one of them cannot be used here: then every request is blocked."""
    register: bool
    """Whether the recipe names a register of consents."""
    providers: tuple[Provider, ...]
    sites: tuple[str, ...]
    """Recipients of federated work, by the rows and the consents."""
    federates: bool
    consents: tuple[ConsentCount, ...]
    history: History
    rows: Rows | None
    """None where the recipe names no data, or they could not be read."""
    has_data: bool
    keys: Keys
    log: Log
    loopback: bool
    """Whether the gateway listens on this machine only."""
    stale: tuple[str, ...] = field(default=())
    """Artifacts made with rows of people who have since withdrawn or were erased."""
    stale_people: int = 0

    @property
    def former(self) -> tuple[str, ...]:
        """Recipients in the log that the recipe no longer names."""
        return tuple(sorted(set(self.history.sent) - {one.name for one in self.providers}))

    @property
    def asked(self) -> tuple[Purpose, ...]:
        """Purposes in use that need a person's own word: those opened, and federating wherever it is done."""
        federates: tuple[Purpose, ...] = ("federate",) if self.federates else ()
        return tuple(dict.fromkeys((*self.opened, *federates)))

    @property
    def live(self) -> bool:
        """Whether live requests can go out."""
        return "infer.external" in self.opened and bool(self.providers)

    def consented(self, state: State) -> int:
        """Consents in a state, over all purposes and recipients."""
        return sum(one.states.get(state, 0) for one in self.consents)


def place_of(region: str | None, *, house: bool) -> Place:
    """Where a declared region lies, as far as its name surely tells.

    Args:
        region: as the recipe declares it.
        house: whether the address is this machine's own.
    """
    if house:
        return "house"
    if region is None or not region.strip():
        return "undeclared"
    code = region.strip().upper()
    return "inside" if code in _EEA else "outside" if code in _THIRD_COUNTRIES else "unclear"


def state_of(record: Record, now: float) -> State:
    """How a consent stands at a moment, whatever class of data is asked for."""
    objection = record.objection(min(record.classes), now)
    for state in STATES:
        if objection == state:
            return state
    return "standing"
