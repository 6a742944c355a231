"""A text of a data set leaves exactly as the passage would let it leave in a live request."""

import base64
import hashlib
import json
import re

import pytest

from sazon.core.errors import PolicyRefused
from sazon.policy.covering import Covering
from sazon.policy.detect.inspector import Inspector
from sazon.policy.detect.patterns import find as patterns
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import gatehouse

CODE = re.compile(r"(?<=_)[0-9A-Z]{4,}(?=⟧)")
TEXTS = (
    "Mi DNI es 12345678Z y mi correo es ana.lopez@correo.es",
    "otra vez: ana.lopez@correo.es, ANA.LOPEZ@correo.es",
    "Un marcador ajeno ⟦NIF_7K2QX9⟧ y nada más",
    '{"dni": "12345678Z", "n": 3}',
    "nada que tapar",
    "1 2 3 4 5 6 7 8 Z",
)
OPAQUE = base64.b64encode(hashlib.sha512(b"x").digest() * 4).decode()


@pytest.fixture(scope="module")
def inspector():
    return Inspector({"patterns": patterns}, timeout_s=30.0, size_limit=100_000)


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_what_the_passage_sends(text, inspector, tmp_path):
    with (
        FakeProvider(lambda said: said) as provider,
        gatehouse(tmp_path, provider, inspector=inspector) as house,
    ):
        house.consent("ana")
        house.ask({"messages": [{"role": "user", "content": text}]}, subjects=["ana"])
        live = provider.requests[0]["messages"][0]["content"]
    covered = Covering(inspector=inspector).cover([text])
    assert CODE.sub("…", covered.texts[0]) == CODE.sub("…", live)
    answer = json.dumps({"choices": [{"message": {"content": f"Sí: {covered.texts[0]}"}}]}).encode()
    said = json.loads(covered.restored(answer))["choices"][0]["message"]["content"]
    assert said.casefold() == f"Sí: {text}".casefold()  # a value comes back as it was first written


@pytest.mark.parametrize("text", [OPAQUE, "\ud800 half", "x" * 200_000])
def test_what_the_passage_blocks_is_blocked(text, inspector, tmp_path):
    with (
        FakeProvider(lambda said: said) as provider,
        gatehouse(tmp_path, provider, inspector=inspector) as house,
    ):
        house.consent("ana")
        with pytest.raises(PolicyRefused):
            house.ask({"messages": [{"role": "user", "content": text}]}, subjects=["ana"])
        assert provider.received == b""
    covered = Covering(inspector=inspector).cover([text])
    assert covered.blocked is not None
    assert covered.texts == ()


def test_markers_are_nobody_else_s_and_answers_that_are_no_json_stay(inspector):
    covering = Covering(inspector=inspector)
    one, two = (covering.cover([TEXTS[0]]) for _ in range(2))
    assert one.texts != two.texts
    for body in (b"<html>", b"[1]", b'{"choices": 3}'):
        assert json.loads(one.restored(body)) == json.loads(body) if body != b"<html>" else True
    assert one.restored(b"<html>") == b"<html>"
    foreign = json.dumps({"choices": [{"message": {"content": two.texts[0]}}]}).encode()
    assert "12345678Z" not in one.restored(foreign).decode()


def test_a_value_is_covered_in_every_text_that_goes_with_it(inspector):
    covered = Covering(inspector=inspector).cover([TEXTS[0], "Escribe a ANA.LOPEZ@correo.es"])
    assert len(covered.texts) == 2
    assert "lopez" not in "".join(covered.texts).lower()
