"""Receipts: JSON-LD that proves itself with two public keys, and nothing that is changed still does."""

import copy
import json

import pytest

from sazon.core.errors import IntegrityError
from sazon.policy.receipts import receipt, verify_receipt
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import gatehouse


@pytest.fixture
def house(tmp_path):
    with FakeProvider(lambda text: text) as provider, gatehouse(tmp_path, provider) as opened:
        yield opened


def keys(house):
    ring = house.locks.keyring
    return {"consent_key": ring.public("consent"), "log_key": ring.public("audit")}


def handed_over(house, record):
    """The receipt as somebody else reads it."""
    return json.loads(json.dumps(receipt(house.locks, record.id)))


def test_a_receipt_proves_the_consent_and_its_end(house):
    record = house.consent("ana")
    house.consent("berta")
    given = handed_over(house, record)
    held = verify_receipt(given, **keys(house))
    assert (held.id, held.subject, held.ended) == (record.id, "ana", None)
    assert given["dpv:hasProcess"]["dpv:hasProcessing"] == "dpv:Disclose"
    house.locks.end(record.id)
    ended = handed_over(house, record)
    assert verify_receipt(ended, **keys(house)).ended == "withdrawn"
    assert [event["@type"] for event in ended["dpv:hasConsentStatus"]] == [
        "dpv:ConsentGiven",
        "dpv:ConsentWithdrawn",
    ]
    assert len(ended["sazon:proof"]["sazon:log"]) == 2


def _subject(document):
    document["dpv:hasDataSubject"]["dct:identifier"] = "berta"


def _recipient(document):
    document["dpv:hasProcess"]["dpv:hasRecipient"] = []


def _classes(document):
    lines = document["sazon:proof"]["sazon:signedLines"]
    lines[0] = lines[0].replace('"personal"', '"special"')


def _controller(document):
    document["dpv:hasDataController"]["dct:title"] = "somebody else"


def _no_log(document):
    document["sazon:proof"]["sazon:log"] = []


def _other_entry(document):
    document["sazon:proof"]["sazon:log"][0]["sazon:index"] += 1


def _no_proof(document):
    del document["sazon:proof"]


def _no_lines(document):
    document["sazon:proof"]["sazon:signedLines"] = []


@pytest.mark.parametrize(
    "change",
    [_subject, _recipient, _classes, _controller, _no_log, _other_entry, _no_proof, _no_lines],
    ids=lambda change: change.__name__,
)
def test_a_changed_receipt_is_refused(house, change):
    record = house.consent("ana")
    house.consent("berta")
    document = copy.deepcopy(handed_over(house, record))
    change(document)
    with pytest.raises(IntegrityError):
        verify_receipt(document, **keys(house))


def test_an_end_left_out_shows_against_the_log_that_tells_of_it(house):
    record = house.consent("ana")
    house.locks.end(record.id)
    document = handed_over(house, record)
    del document["sazon:proof"]["sazon:signedLines"][1]
    del document["dpv:hasConsentStatus"][1]
    with pytest.raises(IntegrityError, match="log"):
        verify_receipt(document, **keys(house))


def test_keys_of_another_organisation_prove_nothing(house, tmp_path):
    document = handed_over(house, house.consent("ana"))
    with FakeProvider(lambda text: text) as provider, gatehouse(tmp_path / "other", provider) as other:
        for one in ("consent_key", "log_key"):
            with pytest.raises(IntegrityError):
                verify_receipt(document, **keys(house) | {one: keys(other)[one]})
