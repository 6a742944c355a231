"""The desk of consents: what the commands `sazon consent …` do with a recipe's register."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from sazon.core import digest, registry
from sazon.core.dataset import DataClass
from sazon.core.errors import DataError, RecipeError, SazonError
from sazon.core.run import readable_disk_errors
from sazon.pipeline.asking_people import missing_consents as lacks_of
from sazon.pipeline.live import askable, askings
from sazon.pipeline.openings import opening_of
from sazon.policy.config import Basis, Purpose
from sazon.policy.consent import LEAVING, Missing, Record, written
from sazon.policy.lineage import Lineage
from sazon.policy.locks import Locks
from sazon.policy.message import ChatRequest
from sazon.policy.receipts import receipt
from sazon.policy.register import new_id, record_of
from sazon.policy.ruling import Disclosure, Request, Ruling
from sazon.recipe import Recipe

DAY_S = 86_400.0
_LONGEST_DAYS, _LONGEST_SUBJECT = 36_525, 256


@contextlib.contextmanager
def locks_of(wanted: Recipe) -> Iterator[Locks]:
    """The locks of a recipe, closed again afterwards.

    Raises:
        SazonError: there are no keys, or something of theirs cannot be opened or trusted.
    """
    locks = Locks.open(wanted.config.policy, root=wanted.root)
    try:
        yield locks
    finally:
        locks.close()


def grant_consent(
    wanted: Recipe,
    *,
    subject: str,
    purposes: Sequence[str],
    recipient: str,
    classes: Sequence[str],
    notice: Path,
    days: float,
    basis: str = "consent",
) -> tuple[Record, ...]:
    """Record that a person opted in, one signed record a purpose; all or none.

    Raises:
        SazonError: an unknown purpose, class, basis or recipient, no notice, or no register.
    """
    _known("purpose", purposes, get_args(Purpose))
    _known("class of data", classes, [one.value for one in DataClass])
    _known("basis", [basis], get_args(Basis))
    _sayable(subject)
    if not 0 < days <= _LONGEST_DAYS:
        raise RecipeError("a consent holds for a number of days", mend=f"Up to {_LONGEST_DAYS:,}.")
    if recipient:
        _recipient(wanted, recipient)
    elif outward := [one for one in purposes if one in LEAVING]:
        raise RecipeError(
            f"{outward[0]} leaves the house, so it needs to be said where to", mend="Name it: --to PROVIDER."
        )
    with readable_disk_errors(notice):
        shown = digest.of_file(notice)
    if shown == digest.of_bytes(b""):
        raise DataError("the notice is empty", where=str(notice), mend="Give the text the person was shown.")
    with locks_of(wanted) as locks:
        now = locks.now
        return locks.give(
            record_of(
                {
                    "id": new_id(),
                    "subject": subject,
                    "purpose": purpose,
                    "recipient": recipient,
                    "classes": list(classes),
                    "basis": basis,
                    "notice": shown,
                    "given": written(now),
                    "expires": written(now + days * DAY_S),
                }
            )
            for purpose in purposes
        )


def withdraw_consent(
    wanted: Recipe, *, id_: str | None, subject: str | None
) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """End one consent, or all of a person, and tell what had been made with that person's data.

    Returns:
        The consents as they stand now, and the artifacts that the person's rows entered.

    Raises:
        SazonError: no such consent, or the register cannot be trusted or written.
    """
    if (id_ is None) == (subject is None):
        raise RecipeError("name one consent or one person", mend="Use --id ID or --subject NAME.")
    with locks_of(wanted) as locks:
        held = locks.consents().records
        ids = [id_] if id_ is not None else [r.id for r in held.values() if r.subject == subject]
        if not ids:
            raise DataError("the register holds no consent of this person", mend="See: sazon consent list.")
        ended = tuple(locks.end(one) for one in ids)
        people = sorted({record.subject for record in ended})
        lineage = Lineage(locks.store, name_of=locks.name_of)
        return ended, tuple(line for person in people for line in lineage.made_with(person))


def consents_of(wanted: Recipe, *, subject: str | None = None) -> tuple[Record, ...]:
    """The register as it stands, of one person or of all."""
    with locks_of(wanted) as locks:
        records = locks.consents().records.values()
        return tuple(r for r in records if subject is None or r.subject == subject)


def import_consents(wanted: Recipe, file: Path) -> tuple[Record, ...]:
    """Take consents collected elsewhere into the register, all or none; every problem is told at once.

    Raises:
        DataError: with every line that is not a consent.
        SazonError: the register cannot be trusted or written.
    """
    with readable_disk_errors(file):
        content = file.read_bytes()
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError("the file is not UTF-8", where=str(file), mend="Save it as UTF-8.") from None
    records: list[Record] = []
    problems: list[SazonError] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{file}:{number}"
        try:
            records.append(_imported(wanted, json.loads(line, object_pairs_hook=_each_once)))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            problems.append(DataError("not a JSON object with the fields of a consent", where=where))
        except SazonError as error:
            problems.append(DataError(error.what, where=where, mend=error.mend))
    if problems:
        raise DataError(f"{len(problems)} lines are no consents", where=str(file), problems=problems)
    if not records:
        raise DataError("the file holds no consent", where=str(file), mend="One JSON object a line.")
    with locks_of(wanted) as locks:
        return locks.give(records)


def receipt_of(wanted: Recipe, id_: str) -> dict[str, Any]:
    """The receipt of a consent, as JSON-LD."""
    with locks_of(wanted) as locks:
        return receipt(locks, id_)


def explain_consent(wanted: Recipe, *, subject: str, data_class: str, provider: str) -> Ruling:
    """What the gate would say to a live request with this person's data; nothing is sent or logged.

    Raises:
        SazonError: an unknown class or provider, or no keys.
    """
    _known("class of data", [data_class], [one.value for one in DataClass])
    opening = opening_of(wanted, provider)
    request = Request(
        purposes=("infer.external",),
        provider=provider,
        url=f"{opening.to}/chat/completions",
        data_digest="",
        message=ChatRequest(content={"model": opening.model}, max_tokens=1),
        disclosures=(Disclosure(subject=subject or None, data_class=DataClass(data_class)),),
    )
    with locks_of(wanted) as locks:
        return locks.gate([opening]).rule(request)


def missing_consents(wanted: Recipe, name: str, *, offline: bool = False) -> tuple[Missing, ...]:
    """Every consent that asking a candidate's provider lacks, once each; nothing is sent or logged.

    Raises:
        SazonError: no such candidate, no keys, or the data or the register cannot be read.
    """
    plans = [askable(wanted, name)]
    with locks_of(wanted):
        return tuple(one for found in askings(wanted, plans, offline=offline) for one in lacks_of(found))


def _imported(wanted: Recipe, held: dict[str, Any]) -> Record:
    record = record_of({"id": new_id(), **held})
    _sayable(record.subject)
    if record.recipient:
        _recipient(wanted, record.recipient)
    return record


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose fields stand in it once: of two subjects nobody can say which was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DataError("a field stands in it twice", mend="Say each once.")
    return found


def _sayable(subject: str) -> None:
    """See that a subject can be named in a header and a table, as the gateway and `list` do."""
    if not subject.isprintable() or len(subject) > _LONGEST_SUBJECT or "," in subject:
        raise DataError(
            f"a subject is at most {_LONGEST_SUBJECT} characters that can be printed, without commas",
            mend="Use the name that the data has for them, such as a customer's number.",
        )


def _recipient(wanted: Recipe, name: str) -> None:
    """A recipient is a provider of the recipe, or a site: those are named by the data alone."""
    federates = any(plan.stage == "federate" for plan in wanted.plans)
    if name not in wanted.config.providers and not federates:
        raise registry.unknown("provider", name, list(wanted.config.providers))


def _known(kind: str, given: Sequence[str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise registry.unknown(kind, name, list(known))
