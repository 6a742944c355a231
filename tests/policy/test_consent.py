"""Consent: only a given, begun, unexpired, unended record of the very question allows anything."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core.dataset import DataClass
from sazon.core.errors import DataError
from sazon.core.words import LANGUAGES
from sazon.policy.config import PolicyConfig
from sazon.policy.consent import ENDINGS, Consents, Missing, Record, moment, written
from sazon.policy.destination import Destination
from sazon.policy.message import ChatRequest
from sazon.policy.permit import Opening
from sazon.policy.ruling import PUBLIC, Disclosure, Request, rule
from sazon.policy.spending import Limits

from .conftest import consent

NOW = 1500.0
OPEN = PolicyConfig(opt_in=["infer.external", "federate", "ledger"])


def opening(**changes) -> Opening:
    facts = {
        "provider": "frontier",
        "to": Destination.parse("https://api.example.com/v1"),
        "model": "big-1",
        "key": None,
        "max_tokens": 256,
        "limits": Limits(tokens=1_000_000),
    }
    return Opening(**facts | changes)


def live(*disclosures: Disclosure, **changes) -> Request:
    facts = {
        "purposes": ("infer.external",),
        "provider": "frontier",
        "url": "https://api.example.com/v1/chat/completions",
        "data_digest": "",
        "message": ChatRequest(content={"model": "big-1", "messages": []}, max_tokens=64),
        "disclosures": disclosures,
    }
    return Request(**facts | changes)


def of(subject="cliente-118", data_class=DataClass.PERSONAL) -> Disclosure:
    return Disclosure(subject=subject, data_class=data_class)


def asks(request, *records, policy=OPEN, now=NOW, permits=None):
    return rule(request, [opening()] if permits is None else permits, Consents.of(records), policy, now)


def test_consent_and_an_open_address_allow():
    ruling = asks(live(of()), consent())
    assert (ruling.allow, ruling.reason, ruling.consents) == (True, "consented", ("c1",))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subject": "cliente-119"}, "missing"),
        ({"purpose": "evaluate"}, "missing"),
        ({"purpose": "ledger"}, "missing"),
        ({"recipient": "another"}, "missing"),
        ({"classes": frozenset({DataClass.SPECIAL})}, "other_class"),
        ({"classes": frozenset({DataClass.INTERNAL})}, "other_class"),
        ({"given_at": NOW + 1}, "not_begun"),
        ({"expires_at": NOW}, "lapsed"),
        ({"expires_at": NOW - 1}, "lapsed"),
        *(({"ended": how, "ended_at": NOW + 100}, how) for how in ENDINGS),
    ],
)
def test_every_part_of_a_consent_is_bound(changes, reason):
    ruling = asks(live(of()), consent(**changes))
    assert (ruling.allow, ruling.reason) == (False, "no_consent")
    [missing] = ruling.missing
    assert missing.reason == reason
    for language in LANGUAGES:
        head, told = ruling.explained(language)
        assert "cliente-118" in told
        assert "frontier" in told
        assert "infer.external" in told
        assert "cliente-118" not in head


def test_what_is_missing_is_told_in_words():
    ruling = asks(live(of()))
    assert ruling.explained("es")[1] == (
        "Falta el consentimiento infer.external de cliente-118 para frontier, clase personal."
    )


@pytest.mark.parametrize("offset", [-1.0, -1e-6, 0.0, 1e-6, 1.0])
def test_expiry_is_exact(offset):
    assert asks(live(of()), consent(), now=2000.0 + offset).allow is (offset < 0)
    assert asks(live(of()), consent(), now=1000.0 + offset).allow is (offset >= 0)


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf])
def test_a_clock_that_tells_no_time_allows_nothing(now):
    assert not asks(live(of()), consent(), now=now).allow


def test_all_people_must_have_consented():
    both = live(of(), of("cliente-119"))
    assert not asks(both, consent()).allow
    assert asks(both, consent(), consent(id="c2", subject="cliente-119")).allow


def test_evaluating_at_a_provider_needs_both_purposes():
    request = live(of(), purposes=("evaluate", "infer.external"))

    class Everywhere:
        id, account, key, trust, to = "p", None, None, None, opening().to

        def objection(self, request, now):
            return 0, None

    one = consent()
    assert not asks(request, one, permits=[Everywhere()]).allow
    assert not asks(request, consent(id="c2", purpose="evaluate"), permits=[Everywhere()]).allow
    inside = consent(id="c3", purpose="evaluate", recipient="")
    assert not asks(request, one, inside, permits=[Everywhere()]).allow
    assert asks(request, one, consent(id="c2", purpose="evaluate"), permits=[Everywhere()]).allow


def test_unknown_means_denied():
    assert asks(live(), consent()).reason == "unknown_subject"
    assert asks(live(of(subject=None)), consent()).reason == "unknown_subject"
    unknown_class = asks(live(of(data_class=None)), consent())
    assert unknown_class.missing[0].data_class is DataClass.SPECIAL
    assert asks(live(*PUBLIC)).allow


def test_what_the_policy_does_not_open_stays_shut_whatever_people_say():
    assert asks(live(of()), consent(), policy=PolicyConfig()).reason == "not_opened"
    assert asks(live(of()), consent(), permits=[]).reason == "no_permit"


def test_what_is_the_organisations_own_needs_its_own_word():
    request = live(of(subject=None, data_class=DataClass.INTERNAL))
    assert not asks(request, consent()).allow
    own = consent(id="o", subject="organisation", classes=frozenset({DataClass.INTERNAL}))
    assert asks(request, own).allow


questions = st.tuples(
    st.sampled_from(["ana", "luis"]),
    st.sampled_from(["adapt", "evaluate", "federate", "infer.external", "ledger"]),
    st.sampled_from(["frontier", "site-1"]),
    st.sampled_from(list(DataClass)),
    st.floats(0, 3000),
)


@given(given_=st.lists(st.tuples(questions, st.sampled_from([None, *ENDINGS])), max_size=8), asked=questions)
def test_one_consent_never_implies_another(given_, asked):
    """Against the plain meaning: some record answers the very question, and holds at that moment."""
    records = [
        consent(
            id=str(i),
            subject=subject,
            purpose=purpose,
            recipient=recipient,
            classes=frozenset({data_class}),
            given_at=begin,
            expires_at=begin + 500,
            ended=ended,
            ended_at=None if ended is None else begin + 1,
        )
        for i, ((subject, purpose, recipient, data_class, begin), ended) in enumerate(given_)
    ]
    subject, purpose, recipient, data_class, now = asked
    expected = any(
        (r.subject, r.purpose, r.recipient) == (subject, purpose, recipient)
        and data_class in r.classes
        and r.ended is None
        and r.given_at <= now < r.expires_at
        for r in records
    )
    found = Consents.of(records).covering(subject, purpose, recipient, data_class, now)
    assert isinstance(found, Missing) is not expected
    if expected:
        assert isinstance(found, Record)
        assert data_class in found.classes


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": " "},
        {"classes": frozenset()},
        {"notice": "a notice"},
        {"notice": "AB" * 32},
        {"expires_at": 1000.0},
        {"expires_at": math.inf},
        {"given_at": math.nan},
        {"recipient": ""},
    ],
)
def test_a_record_that_says_nothing_is_refused(changes):
    with pytest.raises(DataError):
        consent(**changes)


@given(st.floats(0, 4e9))
def test_a_written_moment_is_never_later_than_the_moment(at):
    assert at - 2e-6 <= moment(written(at), where="x") <= at


def test_times_need_their_offset():
    spring = datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=1)))
    assert moment(spring.isoformat(), where="x") == spring.timestamp()
    assert moment(written(1234.5), where="x") == 1234.5
    assert datetime.fromisoformat(written(0.0)) == datetime(1970, 1, 1, tzinfo=UTC)
    for text in ("2026-03-29T02:30:00", "yesterday", "", "1700000000"):
        with pytest.raises(DataError, match="offset"):
            moment(text, where="x")
