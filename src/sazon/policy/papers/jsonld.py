"""A paper as JSON-LD in the terms of the W3C Data Privacy Vocabulary (DPV 2), for other systems to read.

What the vocabulary has no term for, counts above all, stands under `sazon:`. Likelihood and severity of a
risk are absent: a person has not given them yet, and `sazon:toBeFilledIn` asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from sazon.core import digest
from sazon.core.dataset import DataClass
from sazon.core.words import Language, Phrase
from sazon.policy.config import LocalPurpose
from sazon.policy.consent import INSIDE, written
from sazon.policy.papers.facts import ConsentCount, Facts, Provider, State
from sazon.policy.papers.history import Sent
from sazon.policy.papers.measures import WORDS, Measure, measures
from sazon.policy.papers.paper import Paper, Statement
from sazon.policy.papers.risks import Risk, risks
from sazon.policy.receipts import BASES, CONTEXT, DATA, PROCESSING, PURPOSES

GUIDES = {kind: f"https://w3id.org/dpv/guides/gdpr-{kind}" for kind in ("ropa", "dpia")}
KINDS = {"ropa": "dpv:ROPA", "dpia": "dpv:DPIA"}
LOCAL: dict[LocalPurpose, tuple[str, str]] = {
    "adapt": (PURPOSES["adapt"], PROCESSING["adapt"]),
    "evaluate": (PURPOSES["evaluate"], PROCESSING["evaluate"]),
    "serve": ("dpv:ServiceProvision", "dpv:Use"),
}
STATUS: dict[State, str] = {
    "standing": "dpv:ConsentGiven",
    "lapsed": "dpv:ConsentExpired",
    "not_begun": "dpv:ConsentStatusInvalidForProcessing",
    "withdrawn": "dpv:ConsentWithdrawn",
    "terminated": "dpv:ConsentRevoked",
    "invalidated": "dpv:ConsentInvalidated",
}


def jsonld(paper: Paper, language: Language) -> dict[str, Any]:
    """The whole paper as one document; its words are in one language, its terms in none."""
    facts = paper.facts

    def said(phrase: Phrase) -> dict[str, str]:
        return {"@language": language, "@value": phrase.words(language)}

    def word(key: str, **values: str) -> dict[str, str]:
        return said(Phrase(package=WORDS, key=key, values=values))

    untold = next((s.blocks for s in paper.sections if s.key == "untold"), ())
    document: dict[str, Any] = {
        "@context": CONTEXT,
        "@id": _id(paper.kind, facts, str(facts.at)),
        "@type": KINDS[paper.kind],
        "dct:title": word(f"title.{paper.kind}"),
        "dct:description": word("draft", date=written(facts.at)),
        "dct:conformsTo": {"@id": GUIDES[paper.kind]},
        "dct:created": _time(written(facts.at)),
        "sazon:task": facts.task,
        "dpv:hasDataController": {"@type": "dpv:DataController", "dct:title": facts.controller},
        "dpv:hasProcess": _processes(facts),
        "dpv:hasRecipient": _recipients(facts),
        "dpv:hasTechnicalMeasure": [_measure(m, said) for m in measures(facts) if m.kind == "technical"],
        "dpv:hasOrganisationalMeasure": [
            _measure(m, said) for m in measures(facts) if m.kind == "organisational"
        ],
        "sazon:log": _log(facts),
        "sazon:toBeFilledIn": [said(phrase) for phrase in paper.gaps],
        "sazon:couldNotBeTold": [said(block.says) for block in untold if isinstance(block, Statement)],
    }
    if facts.rows is not None:
        by_class = dict(sorted(facts.rows.by_class.items()))
        document["sazon:rows"] = {"sazon:byClass": _counts(by_class), "sazon:people": facts.rows.people}
    if paper.kind == "dpia":
        document["dpv:hasRisk"] = [_risk(one, said) for one in risks(facts)]
    return document


def _processes(facts: Facts) -> list[dict[str, Any]]:
    """One process for each purpose on this machine, and for each that people are asked about."""
    found: list[dict[str, Any]] = [
        {
            "@type": "dpv:Process",
            "dpv:hasPurpose": _purpose(purpose, LOCAL[purpose][0]),
            "dpv:hasProcessing": {"@id": LOCAL[purpose][1]},
            "dpv:hasDataSubject": {"@type": "dpv:DataSubject"},
        }
        | (
            {"dpv:hasLegalBasis": {"@id": BASES[facts.local_bases[purpose]]}}
            if purpose in facts.local_bases
            else {}
        )
        for purpose in get_args(LocalPurpose)
        if purpose not in facts.opened
    ]
    for purpose in facts.asked:
        counted = [one for one in facts.consents if one.purpose == purpose]
        found.append(
            {
                "@type": "dpv:Process",
                "dpv:hasPurpose": _purpose(purpose, PURPOSES[purpose]),
                "dpv:hasProcessing": {"@id": PROCESSING[purpose]},
                "dpv:hasLegalBasis": [
                    {"@id": term} for term in sorted({BASES[one.basis] for one in counted})
                ],
                "dpv:hasDataSubject": {"@type": "dpv:DataSubject"},
                "dpv:hasPersonalData": [
                    {"@type": DATA[one], "dct:title": str(one)}
                    for one in DataClass
                    if any(count.classes.get(one) for count in counted)
                ],
                "dpv:hasRecipient": [_ref(facts, name) for name in _names(counted)],
                "sazon:consents": [_consents(one, facts) for one in counted],
            }
        )
    return found


def _names(counted: list[ConsentCount]) -> list[str]:
    return sorted({one.recipient for one in counted} - {INSIDE})


def _purpose(name: str, broader: str) -> dict[str, Any]:
    return {"@type": "dpv:Purpose", "skos:broader": {"@id": broader}, "dct:title": name}


def _consents(one: ConsentCount, facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = {
        "sazon:people": one.people,
        "sazon:given": one.given,
        "dpv:hasLegalBasis": {"@id": BASES[one.basis]},
        "dpv:hasConsentStatus": [
            {"@type": STATUS[state], "dct:title": state, "sazon:count": n} for state, n in one.states.items()
        ],
    }
    if one.recipient != INSIDE:
        found["dpv:hasRecipient"] = _ref(facts, one.recipient)
    if one.expires is not None:
        found["dpv:hasStorageCondition"] = {
            "@type": "dpv:StorageDuration",
            "sazon:firstEnd": _time(written(one.expires[0])),
            "sazon:lastEnd": _time(written(one.expires[1])),
        }
    return found


def _recipients(facts: Facts) -> list[dict[str, Any]]:
    """Providers, recipients of the past and sites; in which role under the law, a person says."""
    found = [_provider(one, facts) for one in facts.providers]
    for name in (*facts.former, *facts.sites):
        about = _ref(facts, name) | {"@type": "dpv:Recipient", "dct:title": name}
        if name in facts.history.sent:
            about["sazon:sent"] = _sent(facts.history.sent[name])
        found.append(about)
    return found


def _provider(one: Provider, facts: Facts) -> dict[str, Any]:
    found = _ref(facts, one.name) | {
        "@type": "dpv:Recipient",
        "dct:title": one.name,
        "sazon:host": one.host,
        "sazon:model": one.model,
        "sazon:pinned": one.pinned,
        "sazon:sent": _sent(facts.history.sent.get(one.name, Sent())),
    }
    if one.region:
        third = {"@type": "dpv:ThirdCountry", "dct:title": one.region}
        place = {"@type": "dpv:Location", "dct:title": one.region}
        found |= {"dpv:hasThirdCountry": third} if one.place == "outside" else {"dpv:hasLocation": place}
    return found


def _sent(sent: Sent) -> dict[str, Any]:
    found: dict[str, Any] = {"sazon:requests": sent.requests, "sazon:byClass": _counts(sent.by_class)}
    if sent.requests:
        found |= {
            "sazon:people": len(sent.people),
            "sazon:found": _counts(sent.found),
            "sazon:first": _time(sent.first),
            "sazon:last": _time(sent.last),
        }
    return found


def _log(facts: Facts) -> dict[str, Any]:
    history = facts.history
    found: dict[str, Any] = {
        "sazon:entries": facts.log.size,
        "sazon:erasures": history.events["erased"],
        "sazon:refused": [
            {"dct:title": code, "sazon:recipient": name, "sazon:purposes": purposes, "sazon:count": n}
            for (name, purposes, code), n in sorted(history.refused.items())
        ],
    }
    return found | ({"sazon:checkpoint": _time(facts.log.checkpoint)} if facts.log.checkpoint else {})


def _measure(one: Measure, said: Any) -> dict[str, Any]:
    return {
        "@id": _measure_id(one.key),
        "@type": one.term,
        "dct:title": one.key,
        "dct:description": said(one.says),
    }


def _risk(one: Risk, said: Any) -> dict[str, Any]:
    return {
        "@type": "dpv:Risk",
        "dct:title": one.key,
        "dct:description": said(one.says),
        "sazon:evidence": said(one.evidence),
        "dpv:isMitigatedByMeasure": [{"@id": _measure_id(key)} for key in one.against],
    }


def _measure_id(key: str) -> str:
    return f"urn:sazon:measure:{key}"


def _ref(facts: Facts, name: str) -> dict[str, Any]:
    return {"@id": _id("recipient", facts, name)}


def _id(kind: str, facts: Facts, what: str) -> str:
    return f"urn:sazon:{kind}:{digest.of_text(facts.controller, facts.task, what)[:32]}"


def _counts(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"dct:title": name, "sazon:count": n} for name, n in sorted(counts.items())]


def _time(at: str) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": at}
