"""Gathers what the papers of data protection are made from: recipe, register, log, vault, keys and rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from sazon import data
from sazon.core.dataset import DataClass, Dataset, Example
from sazon.core.errors import IntegrityError, SazonError
from sazon.pipeline.consenting import locks_of
from sazon.pipeline.openings import networks
from sazon.pipeline.surroundings import cache_folder
from sazon.policy.audit.checkpoint import Checkpoint
from sazon.policy.audit.entry import Entry
from sazon.policy.consent import INSIDE, Record
from sazon.policy.destination import LOOPBACK_NAMES, Destination
from sazon.policy.detect.inspector import default_inspector
from sazon.policy.lineage import Lineage
from sazon.policy.locks import Locks
from sazon.policy.papers import Facts, Paper, dpia, ropa
from sazon.policy.papers.facts import ConsentCount, Keys, Log, Provider, Rows, State, place_of, state_of
from sazon.policy.papers.history import History, counted
from sazon.recipe import Recipe

BLOCK = 4096
"""Entries of the log read at a time."""


def paper_of(wanted: Recipe, kind: Literal["ropa", "dpia"], *, anchors: Sequence[Checkpoint] = ()) -> Paper:
    """The draft of a record of processing activities, or of an impact assessment; errors as `facts_of`."""
    return (ropa if kind == "ropa" else dpia)(facts_of(wanted, anchors=anchors))


def facts_of(wanted: Recipe, *, anchors: Sequence[Checkpoint] = ()) -> Facts:
    """Everything that the papers know.

    Args:
        wanted: the recipe.
        anchors: checkpoints kept elsewhere, which the log must continue.

    Raises:
        EnvironmentLacks: there are no keys, or the store is not there.
        IntegrityError: the log, the register or the keys cannot be trusted: no figure of theirs can then.
    """
    config = wanted.config.policy
    rows, sites = _rows(wanted)
    with locks_of(wanted) as locks:
        log, history = _log(locks, anchors)
        records, now = tuple(locks.consents().records.values()), locks.now
        stale, stale_people = _stale(locks, records, history, now)
        federates = any(plan.stage == "federate" for plan in wanted.plans)
        told = {r.recipient for r in records if r.purpose == "federate" and r.recipient != INSIDE}
        return Facts(
            controller=locks.keyring.tenant,
            task=wanted.name,
            at=now,
            opened=tuple(config.opt_in),
            local_bases=dict(config.local_basis),
            live_class=config.live_class,
            detectors=tuple(config.detectors),
            detectors_fail=not _usable(config.detectors),
            register=locks.register is not None,
            providers=tuple(_provider(wanted, name) for name in wanted.config.providers),
            sites=tuple(sorted({*sites, *told})) if federates else (),
            federates=federates,
            consents=_consents(records, tenant=locks.keyring.tenant, now=now),
            history=history,
            rows=rows,
            has_data=wanted.config.data is not None,
            keys=_keys(locks),
            log=log,
            loopback=wanted.config.gateway.host in LOOPBACK_NAMES,
            stale=stale,
            stale_people=stale_people,
        )


def _log(locks: Locks, anchors: Sequence[Checkpoint]) -> tuple[Log, History]:
    """The log, verified from its first entry to its last, and what it says."""
    found = locks.log.verify(*anchors)
    if not found.holds:
        raise IntegrityError(
            "the log does not hold, so no paper can be made from it",
            where=locks.store.where,
            mend="See what is wrong: sazon audit verify.",
        )

    def entries() -> Iterator[Entry]:
        for begin in range(0, found.size, BLOCK):
            yield from locks.log.entries(begin, min(begin + BLOCK, found.size))

    note = locks.log.latest().time if found.size else None
    return Log(size=found.size, checkpoint=note, anchored=found.anchored), counted(entries())


def _keys(locks: Locks) -> Keys:
    held, ring = locks.vault.holdings(), locks.keyring
    kind = locks.config.key.partition(":")[0]
    return Keys(
        source="command" if kind == "command" else "env" if kind == "env" else "file",
        recovery=ring.recovery.kem if ring.recovery else "",
        version=ring.version,
        erased=len(ring.erased),
        subjects=held.subjects,
        records=held.records,
    )


def _provider(wanted: Recipe, name: str) -> Provider:
    to = wanted.config.providers[name]
    address = Destination.parse(to.base_url, networks=networks(to))
    return Provider(
        name=name,
        host=address.origin,
        model=to.model,
        region=to.region,
        place=place_of(to.region, house=address.loopback),
        encrypted=address.scheme == "https",
        pinned=to.pin is not None,
        own_authorities=to.authorities is not None,
        client_certificate=to.client_certificate is not None,
    )


def _usable(detectors: Sequence[str]) -> bool:
    try:
        default_inspector(detectors)
    except SazonError:
        return False
    return True


# ------------------------------------------------------------------------------ consents


def _consents(records: Iterable[Record], *, tenant: str, now: float) -> tuple[ConsentCount, ...]:
    """The register by purpose, recipient and basis."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.purpose, record.recipient, record.basis), []).append(record)
    return tuple(_counted(groups[key], tenant=tenant, now=now) for key in sorted(groups))


def _counted(records: Sequence[Record], *, tenant: str, now: float) -> ConsentCount:
    states: Counter[State] = Counter(state_of(record, now) for record in records)
    standing = [record for record in records if state_of(record, now) == "standing"]
    ends = [record.expires_at for record in standing]
    return ConsentCount(
        purpose=records[0].purpose,
        recipient=records[0].recipient,
        basis=records[0].basis,
        classes=Counter(c for record in standing for c in record.classes),
        people=len({record.subject for record in records} - {tenant}),
        states=states,
        expires=(min(ends), max(ends)) if ends else None,
    )


def _stale(
    locks: Locks, records: Sequence[Record], history: History, now: float
) -> tuple[tuple[str, ...], int]:
    """Artifacts with rows of people who were erased, or whose consent to their purpose no longer stands.

    Only where the purpose needs a person's own word; work under another basis does not end with a consent.
    """
    held: dict[tuple[str, str], bool] = {}
    for record in records:
        key = (locks.name_of(record.subject), record.purpose)
        held[key] = held.get(key, False) or state_of(record, now) == "standing"
    ended = {key for key, stands in held.items() if not stands and key[1] in locks.config.asked_of_people}
    entered = Lineage(locks.store, name_of=locks.name_of).entered(
        {name for name, _ in ended} | history.erased
    )
    found = [one for one in entered if one.subject in history.erased or (one.subject, one.purpose) in ended]
    return tuple(dict.fromkeys(map(str, found))), len({one.subject for one in found})


# ---------------------------------------------------------------------------------- rows


def _rows(wanted: Recipe) -> tuple[Rows | None, tuple[str, ...]]:
    """The rows of the recipe, counted, and their sites; None where there are none to read."""
    if wanted.config.data is None:
        return None, ()
    try:
        loaded = data.load(wanted.data, root=wanted.root, offline=True, cache=cache_folder())
    except SazonError:
        return None, ()
    parts = [p for p in (loaded.train, loaded.validation, loaded.test, loaded.unlabelled) if p is not None]
    classes = Counter(_class(row, part) for part in parts for row in part.examples)
    examples = [row for part in parts for row in part.examples]
    private = [row for part in parts if not part.public for row in part.examples]
    counts = Rows(
        by_class=classes,
        people=len({row.subject for row in examples if row.subject}),
        nobody=sum(not row.subject for row in private if row.sensitivity is not DataClass.PUBLIC),
    )
    return counts, tuple(sorted({row.site for row in examples if row.site}))


def _class(row: Example, part: Dataset) -> str:
    """Class of a row; `unknown` where neither it nor its data set names one."""
    if part.public:
        return str(DataClass.PUBLIC)
    return "unknown" if row.sensitivity is None else str(row.sensitivity)
