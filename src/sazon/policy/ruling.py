"""The verdict on one request to leave: a pure function of the request, the permits, the consents, the
policy and the time.

Two things are needed, and neither replaces the other: a *permit* that opens the address, and for all data
that is not public the *consent* of everybody whose data it is, for every purpose, to that very provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sazon.core import digest
from sazon.core.dataset import DataClass
from sazon.core.errors import PolicyRefused
from sazon.core.words import Language, say
from sazon.policy.config import PolicyConfig, Purpose
from sazon.policy.consent import NOBODY, Consents, Missing, Record
from sazon.policy.destination import Destination
from sazon.policy.detect.span import Kind
from sazon.policy.message import ChatRequest, Message
from sazon.policy.permit import Permit

WORDS = "sazon.policy"
Blocked = Literal["detector_failed", "timeout", "too_large", "opaque", "shape"]
"""Why a request could not be looked into, and so stays here."""
SHUT_UNLESS_OPENED = frozenset({"federate", "infer.external", "ledger"})
"""Purposes that carry something out of the house or keep it for later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disclosure:
    """Whose data a request holds, and how sensitive it is."""

    subject: str | None
    """None means unknown, which is denied unless the data is public."""
    data_class: DataClass | None
    """None means unknown, which counts as special."""


PUBLIC = (Disclosure(subject=None, data_class=DataClass.PUBLIC),)
"""What its owner declared public is nobody's secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Where something sensitive stood, and what kind of thing; never the thing itself."""

    kind: Kind
    leaf: int
    """Number of the text in the request, counted from 0."""
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Something that would leave: what for, whose, where to, out of which data, and what exactly."""

    purposes: tuple[Purpose, ...]
    provider: str
    url: str
    data_digest: str
    """Digest of the data set the text belongs to; empty for live traffic."""
    message: Message | ChatRequest
    disclosures: tuple[Disclosure, ...] = ()
    """Of everybody whose data it holds, examples in the prompt included; none is unknown, and denied."""
    found: tuple[Found, ...] = ()
    """What was found in it and stands under pseudonyms now."""
    blocked: Blocked | None = None
    original: str = field(default="", repr=False)
    """Digest of the text before pseudonyms; empty where there was none to replace."""

    @property
    def digest(self) -> str:
        """Digest of every part."""
        people = [str((d.subject, d.data_class)) for d in self.disclosures]
        body = digest.of_bytes(self.message.body())
        return digest.of_text(*self.purposes, self.provider, self.url, self.data_digest, body, *people)

    @property
    def covers(self) -> str:
        """Digest of the text of a data set that it carries."""
        text = self.message.text if isinstance(self.message, Message) else ""
        return self.original or digest.of_text(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruling:
    """The verdict on one request, and why."""

    allow: bool
    reason: str
    """Key of a phrase in this package's words, under `ruling`."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What the phrase mentions; never the text itself."""
    permit: str | None = None
    """Id of the permit that opens the address."""
    consents: tuple[str, ...] = ()
    """Ids of the consents it stands on."""
    missing: tuple[Missing, ...] = ()
    """Consents that would be needed and are not there."""
    policy: str = ""
    """Digest of the policy it was made under: another one where the recipe was edited."""
    register: str = ""
    """Digest of the register of consents as it stood."""
    found: tuple[Found, ...] = ()
    """Types and places of what was found; never values."""

    def words(self, language: Language) -> str:
        """The reason as a sentence; names no person."""
        return say(WORDS, language, f"ruling.{self.reason}", **self.values)

    def explained(self, language: Language) -> tuple[str, ...]:
        """The reason and, one by one, the consents that are missing; for the operator's eyes."""
        return (self.words(language), *(missing_words(one, language) for one in self.missing))


def missing_words(one: Missing, language: Language) -> str:
    """What consent is missing, of whom and for whom."""
    recipient = one.recipient or say(WORDS, language, "consent.inside")
    return say(
        WORDS,
        language,
        f"missing.{one.reason}",
        purpose=one.purpose,
        subject=one.subject,
        recipient=recipient,
        data_class=say(WORDS, language, f"class.{one.data_class}"),
    )


def rule(
    request: Request,
    permits: Iterable[Permit],
    consents: Consents = NOBODY,
    policy: PolicyConfig | None = None,
    now: float = float("nan"),
) -> Ruling:
    """Allow a request only where a permit covers every part of it and everybody concerned has consented.

    Args:
        request: what would leave.
        permits: those that stand; the reason of a denial is the nearest miss.
        consents: those that stand.
        policy: the recipe's section; what it does not open stays shut.
        now: seconds since the epoch; not a number denies.
    """
    policy = policy or PolicyConfig()
    under = digest.of_text(policy.model_dump_json())
    nearest, missed, opened = -1, "no_permit", None
    for permit in permits:
        depth, objection = permit.objection(request, now)
        if objection is None:
            opened = permit
            break
        if depth > nearest:
            nearest, missed = depth, objection
    values = {"purpose": ", ".join(request.purposes), "provider": request.provider}

    def denied(reason: str, missing: tuple[Missing, ...] = ()) -> Ruling:
        return Ruling(
            allow=False,
            reason=reason,
            values=values,
            missing=missing,
            policy=under,
            register=consents.digest,
            found=request.found,
        )

    if request.blocked is not None:
        return denied(f"blocked.{request.blocked}")
    if opened is None:
        return denied(missed)
    answers = _asked(request, consents, policy, now)
    if isinstance(answers, str):
        return denied(answers)
    missing = tuple(dict.fromkeys(a for a in answers if isinstance(a, Missing)))
    if missing:
        return denied("no_consent", missing)
    held = tuple(dict.fromkeys(a.id for a in answers if isinstance(a, Record)))
    return Ruling(
        allow=True,
        reason="consented" if held else "granted",
        values=values,
        permit=opened.id,
        consents=held,
        policy=under,
        register=consents.digest,
        found=request.found,
    )


def _asked(
    request: Request, consents: Consents, policy: PolicyConfig, now: float
) -> list[Record | Missing] | str:
    """What everybody concerned says to every purpose; a word where that cannot even be asked."""
    answers: list[Record | Missing] = []
    for one in request.disclosures:
        data_class = one.data_class if one.data_class is not None else DataClass.SPECIAL
        if data_class is DataClass.PUBLIC:
            continue
        if SHUT_UNLESS_OPENED.intersection(request.purposes) - set(policy.opt_in):
            return "not_opened"
        subject = one.subject or (policy.tenant if data_class is DataClass.INTERNAL else None)
        if subject is None:
            return "unknown_subject"
        answers += [
            consents.covering(subject, purpose, request.provider, data_class, now)
            for purpose in request.purposes
        ]
    return answers if request.disclosures else "unknown_subject"


class Denied(PolicyRefused):
    """A ruling that was no; `ruling` says why, for those who may know."""

    def __init__(self, ruling: Ruling, *, where: str) -> None:
        """Keep the ruling beside the words."""
        self.ruling = ruling
        super().__init__(
            ruling.words("en"), where=where, mend="Nothing was sent. The local model can answer."
        )


def refusal(ruling: Ruling, request: Request) -> Denied:
    """The error for a denied request; it names the address, never the text or a person."""
    try:
        where = Destination.parse(request.url).origin
    except PolicyRefused:
        where = request.provider or "egress"
    return Denied(ruling, where=where)
