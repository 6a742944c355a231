"""Technical and organisational measures that are really on, each with what shows it (GDPR article 32)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sazon.core.words import Phrase, Value
from sazon.policy.papers.facts import Facts

WORDS = "sazon.policy.papers"
MeasureKey = Literal[
    "default_deny",
    "consents",
    "tls",
    "pins",
    "authorities",
    "client_certificates",
    "detection",
    "pseudonyms",
    "vault",
    "erasure",
    "key_source",
    "recovery",
    "log",
    "anchor",
    "loopback",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One measure."""

    key: MeasureKey
    kind: Literal["technical", "organisational"]
    term: str
    """Nearest term of the Data Privacy Vocabulary."""
    says: Phrase
    """What it is here, with the evidence."""


_TERMS: dict[MeasureKey, tuple[Literal["technical", "organisational"], str]] = {
    "default_deny": ("technical", "dpv:InformationFlowControl"),
    "consents": ("organisational", "dpv:ConsentManagement"),
    "tls": ("technical", "dpv:EncryptionInTransfer"),
    "pins": ("technical", "dpv:CryptographicAuthentication"),
    "authorities": ("technical", "dpv:CryptographicAuthentication"),
    "client_certificates": ("technical", "dpv:CryptographicAuthentication"),
    "detection": ("technical", "dpv:DataSanitisationTechnique"),
    "pseudonyms": ("technical", "dpv:RNGPseudonymisation"),
    "vault": ("technical", "dpv:EncryptionAtRest"),
    "erasure": ("technical", "dpv:CryptographicKeyManagement"),
    "key_source": ("technical", "dpv:CryptographicKeyManagement"),
    "recovery": ("technical", "dpv:DataBackupProtocols"),
    "log": ("technical", "dpv:DigitalSignatures"),
    "anchor": ("organisational", "dpv:RecordsOfActivities"),
    "loopback": ("technical", "dpv:AccessControlMethod"),
}


def measures(facts: Facts) -> tuple[Measure, ...]:
    """The measures that are on; one that is not set up here is not among them."""
    return tuple(
        Measure(
            key=key,
            kind=_TERMS[key][0],
            term=_TERMS[key][1],
            says=Phrase(package=WORDS, key=f"measure.{key}", values=values),
        )
        for key, values in _present(facts)
    )


def _present(facts: Facts) -> Iterator[tuple[MeasureKey, dict[str, Value]]]:
    away = [one for one in facts.providers if one.encrypted]
    yield "default_deny", {"opened": ", ".join(facts.opened) or "–"}
    if facts.register:
        given = sum(one.given for one in facts.consents)
        yield "consents", {"given": given, "standing": facts.consented("standing")}
    if away:
        yield "tls", {"providers": len(away)}
    if pinned := [one.name for one in away if one.pinned]:
        yield "pins", {"names": ", ".join(pinned)}
    if chosen := [one.name for one in away if one.own_authorities]:
        yield "authorities", {"names": ", ".join(chosen)}
    if shown := [one.name for one in away if one.client_certificate]:
        yield "client_certificates", {"names": ", ".join(shown)}
    if facts.live and not facts.detectors_fail:
        yield "detection", {"detectors": ", ".join(facts.detectors)}
        covered = sum(sum(sent.found.values()) for sent in facts.history.sent.values())
        yield "pseudonyms", {"values": covered}
    yield "vault", {"subjects": facts.keys.subjects, "records": facts.keys.records}
    yield "erasure", {"erased": facts.keys.erased}
    yield "key_source", {"source_key": f"source.{facts.keys.source}", "version": facts.keys.version}
    if facts.keys.recovery:
        yield "recovery", {"kem": facts.keys.recovery}
    yield "log", {"size": facts.log.size, "time": facts.log.checkpoint or "–"}
    if facts.log.anchored is not None:
        yield "anchor", {"size": facts.log.anchored}
    if facts.loopback:
        yield "loopback", {}
