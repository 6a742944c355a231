"""The gate: default deny, every part of a request bound, and a seal nobody else can make."""

import dataclasses
import math
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core.errors import PolicyRefused
from sazon.core.words import LANGUAGES, catalogue
from sazon.policy.gate import Gate, Sealed
from sazon.policy.grant import RunGrant, propose
from sazon.policy.message import Message
from sazon.policy.ruling import PUBLIC, Request, Ruling, rule
from sazon.policy.spending import Account, Limits, Price

URL = "https://api.example.com/v1"
NOW = 1_000_000.0


def make_grant(*, now=NOW, **changes):
    facts = {
        "purposes": ("evaluate", "infer.external"),
        "provider": "frontier",
        "data_name": "demo",
        "data_digest": "d1",
        "people": None,
        "texts": ["hola", "adiós"],
        "url": URL,
        "model": "big-1",
        "instruction": "Classify.",
        "limits": Limits(money=0.5),
        "price": Price(input_per_mtok=1.0, output_per_mtok=2.0),
        "key": "env:CANARY_KEY",
    }
    return propose(**facts | changes).confirm(now=now)


def make_request(*, message=None, **changes):
    said = {"model": "big-1", "instruction": "Classify.", "text": "hola"} | (message or {})
    facts = {
        "purposes": ("evaluate", "infer.external"),
        "provider": "frontier",
        "disclosures": PUBLIC,
        "url": f"{URL}/chat/completions",
        "data_digest": "d1",
        "message": Message(**said),
    }
    return Request(**facts | changes)


def rule_now(request, permits, now=NOW, **more):
    return rule(request, permits, now=now, **more)


def test_a_granted_request_passes():
    grant = make_grant()
    assert rule_now(make_request(), [grant]) == Ruling(
        allow=True,
        reason="granted",
        permit=grant.id,
        policy=ANY,
        values={"purpose": "evaluate, infer.external", "provider": "frontier"},
    )


def test_without_a_grant_nothing_passes():
    assert rule_now(make_request(), []).reason == "no_permit"
    with pytest.raises(PolicyRefused, match="Nothing opens this address"):
        Gate().seal(make_request())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"purposes": ("infer.external",)}, "other_purpose"),
        ({"purposes": ("federate",)}, "other_purpose"),
        ({"purposes": ()}, "other_purpose"),
        ({"provider": "another"}, "other_provider"),
        ({"disclosures": ()}, "unknown_subject"),
        ({"url": "https://api.example.com/v2/chat"}, "other_url"),
        ({"url": "https://api.example.com:8443/v1/chat"}, "other_url"),
        ({"url": "https://evil.test/v1/chat"}, "other_url"),
        ({"url": "http://api.example.com/v1/chat"}, "other_url"),
        ({"url": ""}, "other_url"),
        ({"data_digest": "d2"}, "other_data"),
        ({"data_digest": ""}, "other_data"),
        ({"message": {"model": "big-2"}}, "other_model"),
        ({"message": {"instruction": "Repeat all you know."}}, "other_instruction"),
        ({"message": {"text": "hola "}}, "other_text"),
        ({"message": {"text": "12345678Z"}}, "other_text"),
        ({"message": {"max_tokens": 65}}, "longer_answer"),
        ({"message": {"max_tokens": 0}}, "longer_answer"),
    ],
)
def test_every_part_of_a_request_is_bound(changes, reason):
    ruling = rule_now(make_request(**changes), [make_grant()])
    assert not ruling.allow
    assert ruling.reason == reason
    for language in LANGUAGES:
        assert "12345678Z" not in ruling.words(language)


@pytest.mark.parametrize(
    ("now", "allow"),
    [
        (NOW, True),
        (NOW + 3599.9, True),
        (NOW + 3600, False),
        (NOW + 3601, False),
        (NOW - 1, False),
        (math.nan, False),
        (math.inf, False),
        (-math.inf, False),
    ],
)
def test_a_grant_holds_from_when_it_was_given_until_it_lapses(now, allow):
    assert rule_now(make_request(), [make_grant()], now).allow is allow
    assert Gate([make_grant()], clock=lambda: now).rule(make_request()).allow is allow


def test_setting_the_clock_back_revives_nothing():
    clock = iter([NOW, NOW + 4000, NOW + 10])
    gate = Gate([make_grant()], clock=lambda: next(clock))
    assert [gate.rule(make_request()).allow for _ in range(3)] == [True, False, False]


def test_only_the_gate_seals():
    gate = Gate([make_grant()], clock=lambda: NOW)
    sealed = gate.seal(make_request())
    assert gate.recheck(sealed).allow
    parts = {f.name: getattr(sealed, f.name) for f in dataclasses.fields(sealed)}
    with pytest.raises(TypeError):
        Sealed(**parts)
    with pytest.raises(TypeError):
        Sealed(**parts, made=object())
    with pytest.raises(ValueError, match="made"):
        dataclasses.replace(sealed, body=b"other")


def test_a_forged_seal_is_found_at_the_socket():
    gate = Gate([make_grant()], clock=lambda: NOW)
    for name, value in (
        ("body", b"12345678Z"),
        ("request", make_request(message={"text": "adiós"})),
        ("destination", dataclasses.replace(gate.seal(make_request()).destination, host="evil.test")),
        ("permit", make_grant()),
        ("mac", bytes(32)),
    ):
        forged = gate.seal(make_request())
        object.__setattr__(forged, name, value)
        assert gate.recheck(forged).reason == "broken_seal", name


def test_a_seal_of_another_gate_is_worth_nothing():
    grant = make_grant()
    here, there = (Gate([grant], clock=lambda: NOW) for _ in range(2))
    assert here.recheck(there.seal(make_request())).reason == "broken_seal"


def test_revoking_stops_what_is_already_sealed():
    grant = make_grant()
    gate = Gate([grant], clock=lambda: NOW)
    sealed = gate.seal(make_request())
    gate.revoke(grant)
    assert not gate.recheck(sealed).allow
    with pytest.raises(PolicyRefused):
        gate.seal(make_request())


def test_a_grant_needs_a_confirmation_and_cannot_be_copied():
    grant = make_grant()
    with pytest.raises(ValueError, match="confirmed"):
        dataclasses.replace(grant, expires_at=math.inf)
    with pytest.raises(TypeError):
        RunGrant(
            proposal=grant.proposal,
            id="x",
            given_at=0,
            expires_at=9e9,
            account=Account(Limits(money=1), None),
            confirmed=True,
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"people": 0},
        {"url": "http://api.example.com/v1"},
        {"price": None},
        {"limits": Limits(requests=10)},
        {"price": Price.free("hope")},
        {"valid_s": math.inf},
        {"valid_s": 0.0},
        {"max_tokens": 0},
    ],
)
def test_what_no_grant_can_cover_is_not_even_proposed(changes):
    with pytest.raises(PolicyRefused):
        make_grant(**changes)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_proposal_says_what_leaves_where_to_and_at_what_price(language):
    words = make_grant().proposal.words(language)
    for part in (URL, "big-1", "CANARY_KEY", "0,50" if language == "es" else "0.50", "USD", "demo"):
        assert part in words
    assert "hola" not in words


def test_reprs_hold_no_text():
    gate = Gate([make_grant()], clock=lambda: NOW)
    sealed = gate.seal(make_request())
    assert "hola" not in repr(sealed) + repr(gate) + repr(sealed.permit)


def test_both_languages_have_the_same_phrases():
    es, en = (catalogue("sazon.policy", language) for language in ("es", "en"))
    assert es.keys() == en.keys()
    for key in es:
        assert {p.split("}")[0] for p in es[key].split("{")[1:]} == {
            p.split("}")[0] for p in en[key].split("{")[1:]
        }, key


@given(
    cap=st.floats(0, 1),
    bookings=st.lists(
        st.tuples(st.integers(1, 200_000), st.integers(1, 100_000), st.floats(0, 1)), max_size=30
    ),
)
def test_the_cap_is_never_passed(cap, bookings):
    price = Price(input_per_mtok=1.0, output_per_mtok=3.0)
    account = Account(Limits(money=cap), price)
    for tokens_in, tokens_out, share in bookings:
        if account.reserve(tokens_in, tokens_out):
            account.settle((tokens_in, tokens_out), (int(tokens_in * share), int(tokens_out * share)))
        assert account.spent.money <= cap + 1e-12


def test_a_money_cap_without_a_price_lets_nothing_through():
    assert not Account(Limits(money=1.0), None).reserve(1, 1)
    assert Account(Limits(tokens=2), None).reserve(1, 1)
    assert not Account(Limits(tokens=1), None).reserve(1, 1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_limits_and_prices_are_finite(bad):
    with pytest.raises(ValueError, match="limit"):
        Limits(money=bad)
    with pytest.raises(ValueError, match="price"):
        Price(input_per_mtok=bad, output_per_mtok=1)
