"""Before anything is asked about people: keys to keep the answers under, and everybody's consent.

The gate rules on every request by itself. What is here spares a recording that would break off halfway,
and says in words and numbers what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from sazon.core.dataset import DataClass
from sazon.core.errors import PolicyRefused
from sazon.core.types import Dataset, Phrase
from sazon.core.words import Value
from sazon.evaluate.consented import Consented
from sazon.pipeline.asking import WORDS, Asking
from sazon.pipeline.opting_in import Allowed
from sazon.policy import safe
from sazon.policy.config import Purpose
from sazon.policy.consent import Missing
from sazon.policy.covering import Covering
from sazon.policy.detect.inspector import default_inspector
from sazon.policy.opted_in import LeftOut, opted_in, whose

PURPOSES: tuple[Purpose, ...] = ("evaluate", "infer.external")
"""What asking a provider in order to measure it is for; everybody must have opted in to both."""


def showable(fit: Dataset, provider: str, may: Allowed) -> Dataset:
    """The rows that may stand as examples in a prompt for a provider, in their order.

    A text that somebody else, who has not consented, said as well is not shown either.
    """
    if fit.public or may.root is None:
        return fit  # public, or nothing will be sent
    allowed = _ids_allowed(fit, provider, may)
    refused = {row.input for row in fit.examples if row.id not in allowed}
    return fit.select(i for i, row in enumerate(fit.examples) if row.input not in refused)


def refuse_unkept(asking: Asking) -> None:
    """See that answers about people can be kept under keys.

    Raises:
        PolicyRefused: the data is not public, and there are no keys.
    """
    if not asking.rows.public and asking.may.root is None:
        raise _refusal(asking, "no_keys", "make_keys")


def refuse_unconsented(asking: Asking, rows: Dataset) -> None:
    """See that everybody whose data would leave has opted in to all of it.

    Args:
        asking: what would be asked.
        rows: what has no answer yet.

    Raises:
        PolicyRefused: the policy does not open it, or a consent is missing; says how many, of what.
    """
    refuse_unkept(asking)
    if rows.public:
        return
    if "infer.external" not in asking.may.policy.opt_in:
        raise _refusal(asking, "not_opened", "open")
    if (found := lacking(asking, rows)) is not None:
        raise _refusal(asking, found.key.rpartition(".")[2], "list", **found.values)
    wanted, shots = getattr(asking.options, "shots", 0), len(asking.prompt.shots)
    if shots < wanted:
        raise _refusal(asking, "few_shots", "list_or_fewer", shots=shots, wanted=wanted)


def lacking(asking: Asking, rows: Dataset) -> Phrase | None:
    """How many rows would leave without everybody's consent; None where none would."""
    whole = asking.with_texts_of(rows)
    left: dict[str, LeftOut] = {
        purpose: opted_in(
            whole,
            purpose,
            asking.may.consents,
            asking.may.policy,
            now=asking.may.now,
            recipient=lambda row: asking.provider,
        )[1]
        for purpose in PURPOSES
    }
    allowed = _ids_allowed(whole, asking.provider, asking.may)
    out = [row for row in whole.examples if row.id not in allowed]
    if not out:
        return None
    values: dict[str, Value] = {
        "rows": len(out),
        "of": len(whole),
        "people": len({row.subject for row in out if row.subject}),
        "to": asking.provider,
        "evaluate_rows": left["evaluate"].rows,
        "external_rows": left["infer.external"].rows,
        "nobodys": sum(row.subject is None for row in out),
    }
    return Phrase(package=WORDS, key="people.lacking", values=values)


def missing_consents(asking: Asking) -> tuple[Missing, ...]:
    """Every consent that asking lacks, once each: of the rows to ask about, then of possible examples."""
    return tuple(dict.fromkeys(_missing(asking)))


def consented(asking: Asking, rows: Dataset) -> Consented | None:
    """What asking about people takes; None where the data is public.

    Raises:
        SazonError: a detector is not there, or an example cannot be looked into.
    """
    keys, policy = safe.in_hand(), asking.may.policy
    if rows.public or keys is None:
        return None
    inspector = default_inspector(policy.detectors, timeout_s=policy.detect_timeout_s)
    return Consented.of(
        asking.prompt,
        asking.with_texts_of(rows),
        asking.examples,
        covering=Covering(inspector=inspector),
        safe=keys,
    )


def _ids_allowed(rows: Dataset, provider: str, may: Allowed) -> set[str]:
    """Rows whose people have opted in to everything."""
    for purpose in PURPOSES:
        rows, _ = opted_in(
            rows, purpose, may.consents, may.policy, now=may.now, recipient=lambda row: provider
        )
    return set(rows.ids)


def _missing(asking: Asking) -> Iterator[Missing]:
    may = asking.may
    if asking.rows.public:
        return
    shown = asking.trains.examples if getattr(asking.options, "shots", 0) else ()
    for row in (*asking.rows.examples, *shown):
        subject, data_class = whose(row, may.policy)
        if subject is None or data_class is DataClass.PUBLIC:
            continue
        for purpose in PURPOSES:
            found = may.consents.covering(subject, purpose, asking.provider, data_class, may.now)
            if isinstance(found, Missing):
                yield found


def _refusal(asking: Asking, what: str, mend: str, **values: Value) -> PolicyRefused:
    known: dict[str, Value] = {"name": asking.name, "to": asking.provider, **values}
    return PolicyRefused(
        Phrase(package=WORDS, key=f"people.{what}", values=known).words("en"),
        where=asking.where,
        mend=Phrase(package=WORDS, key=f"people.{mend}", values=known).words("en"),
    )
