"""Receipts: a consent as JSON-LD for the person who gave it, and what proves that it is the register's.

The fields are those of ISO/IEC TS 27560:2023 in the terms of the W3C Data Privacy Vocabulary (DPV), after
the vocabulary's own guide for that standard: header, processing, parties, events. Beside them stand the
signed lines of the register, the key that signed them, and the place of the consent in the audit log.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sazon.core import digest
from sazon.core.dataset import DataClass
from sazon.core.errors import DataError, IntegrityError
from sazon.policy.audit.claims import INCLUSION, verify_entry
from sazon.policy.config import Basis, Purpose
from sazon.policy.consent import INSIDE, Record, moment, written
from sazon.policy.keys.keyring import verify
from sazon.policy.locks import Locks
from sazon.policy.register import ROLE, record_of, signed_bytes

PROFILE = "https://w3id.org/dpv/guides/consent-27560"
CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "dct": "http://purl.org/dc/terms/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "sazon": "urn:sazon:",
}
PURPOSES: dict[Purpose, str] = {
    "adapt": "dpv:ServiceOptimisation",
    "evaluate": "dpv:ServiceOptimisation",
    "federate": "dpv:ServiceOptimisation",
    "infer.external": "dpv:ServiceProvision",
    "ledger": "dpv:RecordManagement",
}
"""The nearest purpose of the vocabulary; the exact one stands beside it."""
PROCESSING: dict[Purpose, str] = {
    "adapt": "dpv:Analyse",
    "evaluate": "dpv:Assess",
    "federate": "dpv:Share",
    "infer.external": "dpv:Disclose",
    "ledger": "dpv:Store",
}
BASES: dict[Basis, str] = {
    "consent": "eu-gdpr:A6-1-a",
    "contract": "eu-gdpr:A6-1-b",
    "legal_obligation": "eu-gdpr:A6-1-c",
    "vital_interests": "eu-gdpr:A6-1-d",
    "public_task": "eu-gdpr:A6-1-e",
    "legitimate_interests": "eu-gdpr:A6-1-f",
}
DATA: dict[DataClass, str] = {
    DataClass.PUBLIC: "dpv:NonPersonalData",
    DataClass.INTERNAL: "dpv:ConfidentialData",
    DataClass.PERSONAL: "dpv:PersonalData",
    DataClass.SPECIAL: "dpv:SpecialCategoryPersonalData",
}
STATES = {
    None: "dpv:ConsentGiven",
    "withdrawn": "dpv:ConsentWithdrawn",
    "terminated": "dpv:ConsentRevoked",
    "invalidated": "dpv:ConsentInvalidated",
}


def receipt(locks: Locks, id_: str) -> dict[str, Any]:
    """The receipt of one consent.

    Args:
        locks: of the organisation.
        id_: of the consent.

    Raises:
        DataError: the register holds no such consent.
        SazonError: the register or the log cannot be read or trusted.
    """
    record = locks.consents().records.get(id_)
    if record is None or locks.register is None:
        raise DataError(f"no consent {id_!r} in the register", mend="List them: sazon consent list RECIPE")
    lines = locks.register.lines_of(id_)
    return _described(record, tenant=locks.keyring.tenant) | {
        "sazon:proof": {
            "sazon:signedLines": list(lines),
            "sazon:publicKey": base64.b64encode(locks.keyring.public("consent")).decode(),
            "sazon:log": _logged(locks, id_),
        }
    }


def verify_receipt(document: Mapping[str, Any], *, consent_key: bytes, log_key: bytes) -> Record:
    """Check a receipt by itself: its signed lines, that it says what they say, its place in the log.

    Args:
        document: the receipt, as `json.loads` gives it.
        consent_key: Ed25519 key of the register, had from the controller beforehand.
        log_key: that of the audit log.

    Returns:
        The consent as the signed lines have it: as it stood when the receipt was made.

    Raises:
        IntegrityError: anything does not fit.
    """
    try:
        proof = document["sazon:proof"]
        tenant = document["dpv:hasDataController"]["dct:title"]
        lines = [json.loads(line) for line in proof["sazon:signedLines"]]
        record = _signed_record(lines, tenant, consent_key)
        kinds = [line["event"]["type"] for line in lines]
        logged = {_logged_event(one, log_key) for one in proof["sazon:log"]}
    except (LookupError, TypeError, ValueError, AttributeError, DataError):
        raise IntegrityError("the receipt is not in its form") from None
    told = {key: value for key, value in document.items() if key != "sazon:proof"}
    if told != json.loads(json.dumps(_described(record, tenant=tenant))):
        raise IntegrityError("the receipt says something else than its signed lines")
    if logged != {("consent" if kind == "given" else kind, record.id) for kind in kinds}:
        raise IntegrityError("the log tells something else of this consent")
    return record


def _signed_record(lines: Sequence[Mapping[str, Any]], tenant: str, key: bytes) -> Record:
    """The consent that signed lines of the register tell of: given, and perhaps ended."""
    for line in lines:
        signed = signed_bytes(tenant, line["number"], line["previous"], line["event"])
        verify(key, ROLE, signed, base64.b64decode(line["signature"], validate=True))
    given, *ends = (line["event"] for line in lines)
    record = record_of(given["record"])
    for end in ends:
        record = replace(record, ended=end["type"], ended_at=moment(end["at"], where=record.id))
    return record


def _logged_event(shown: Mapping[str, Any], key: bytes) -> tuple[str, str]:
    """What an entry of the log says happened, and to which consent; its inclusion is proved."""
    parts = {"checkpoint": "checkpoint", "index": "index", "entry": "entry", "proof": "inclusion"}
    proof = {name: shown[f"sazon:{said}"] for name, said in parts.items()}
    opened = verify_entry({"format": INCLUSION, **proof}, key)
    [consent] = opened["consents"]
    return opened["event"], consent


def _described(record: Record, *, tenant: str) -> dict[str, Any]:
    """Header, processing, parties and events."""
    process = {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {
            "@type": "dpv:Purpose",
            "skos:broader": PURPOSES[record.purpose],
            "dct:title": record.purpose,
        },
        "dpv:hasProcessing": PROCESSING[record.purpose],
        "dpv:hasPersonalData": [
            {"@type": DATA[one], "dct:title": one} for one in sorted(record.classes, key=lambda c: c.rank)
        ],
        "dpv:hasLegalBasis": BASES[record.basis],
        "dpv:hasRecipient": []
        if record.recipient == INSIDE
        else [{"@type": "dpv:ThirdParty", "dct:title": record.recipient}],
    }
    return {
        "@context": CONTEXT,
        "@id": f"urn:sazon:receipt:{digest.of_text(tenant, record.id)[:32]}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": PROFILE,
        "dct:identifier": record.id,
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": record.subject},
        "dpv:hasDataController": {"@type": "dpv:DataController", "dct:title": tenant},
        "dpv:hasNotice": {"@type": "dpv:ConsentNotice", "sazon:sha256": record.notice},
        "dpv:hasProcess": process,
        "dpv:hasConsentStatus": _events(record),
        "dct:valid": _time(record.expires_at),
    }


def _events(record: Record) -> Sequence[dict[str, Any]]:
    events = [{"@type": STATES[None], "dct:date": _time(record.given_at)}]
    if record.ended_at is not None:
        events.append({"@type": STATES[record.ended], "dct:date": _time(record.ended_at)})
    return events


def _time(at: float) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": written(at)}


def _logged(locks: Locks, id_: str) -> list[dict[str, Any]]:
    """Where the log speaks of this consent: each entry opened where it does, and its inclusion proof."""
    latest = locks.log.latest()
    shown = ("event", "at", "consents", "purposes", "provider", "classes", "notice", "until")
    return [
        {
            "sazon:index": entry.index,
            "sazon:entry": entry.opening(shown),
            "sazon:inclusion": [h.hex() for h in locks.log.prove(entry.index, size=latest.size)],
            "sazon:checkpoint": latest.text,
        }
        for entry in locks.log.entries(0, latest.size)
        if id_ in (entry.fields.get("consents") or ())  # type: ignore[operator]
        and entry.fields["event"] in ("consent", "withdrawn", "terminated", "invalidated")
    ]
