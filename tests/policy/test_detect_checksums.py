"""Identifiers: published examples pass, and a changed digit is caught where the scheme promises it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.policy.detect import checksums, checksums_america
from sazon.policy.detect.checksums import luhn

PUBLISHED = {
    "nif": ["12345678Z", "00000000T", "K1234567L"],
    "nie": ["X1234567L", "Y1234567X", "Z1234567R"],
    "cif": ["A58818501", "B82846825", "Q2826000H", "P2807900B"],
    "nss": ["281234567840"],
    "ccc": ["21000418450200051332"],
    "iban": ["ES9121000418450200051332", "GB82WEST12345698765432", "DE89370400440532013000",
             "FR1420041010050500013M02606", "CR05015202001026284066", "NO9386011117947"],
    "card": ["4111111111111111", "4222222222222", "5555555555554444", "2223003122003222", "378282246310005",
             "30569309025904", "3530111333300000", "6011111111111117"],
    "nhs": ["9434765919"],
    "ssn": ["078051120"],
    "nino": ["AB123456C"],
    "rut_chile": ["123456785", "306869574", "10000013K"],
    "cuit_argentina": ["20055361682", "20267565393"],
    "nit_colombia": ["2131234321", "8600029644"],
    "curp_mexico": ["BOXW310820HNERXN09", "HEGG560427MVZRRL04"],
    "rfc_mexico": ["GODE561231GR8", "SAT970701NN3"],
    "cpf_brazil": ["39053344705", "11144477735"],
    "cnpj_brazil": ["16727230000197", "12ABC34501DE35"],
    "cedula_ecuador": ["1714307103", "1710034065001"],
    "ci_uruguay": ["12345672"],
    "rut_uruguay": ["211003420017"],
    "ruc_peru": ["20512333797"],
    "ruc_paraguay": ["800280610"],
    "rif_venezuela": ["V114702834"],
    "cedula_dominicana": ["00113918205"],
    "rnc_dominicana": ["101850043"],
    "nit_guatemala": ["576937K"],
}  # fmt: skip
RULES_ONLY = {"ssn", "nino"}
"""They have no check digit."""
FOLDED_REST = {
    "nss", "nit_colombia", "cpf_brazil", "cnpj_brazil", "rif_venezuela", "ruc_peru", "ruc_paraguay", "ccc",
    "rnc_dominicana", "ci_uruguay", "curp_mexico",
}  # fmt: skip
"""Two rests share a digit, or weights share a factor with ten: nearly every change is caught, not each."""
CHECKED = sorted(set(PUBLISHED) - RULES_ONLY - FOLDED_REST)


def check(name: str, text: str) -> bool:
    module = checksums if hasattr(checksums, name) else checksums_america
    return bool(getattr(module, name)(text))


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in PUBLISHED.items() for t in texts])
def test_published_examples_pass(name: str, text: str) -> None:
    assert check(name, text)
    assert not check(name, text + "0" * 20)
    assert not check(name, text[:-1])
    assert not check(name, "")


@given(data=st.data())
@pytest.mark.parametrize("name", CHECKED)
def test_a_changed_digit_is_caught(name: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(PUBLISHED[name]))
    places = [i for i, c in enumerate(text) if c.isdigit() and not (name == "cedula_ecuador" and i > 9)]
    place = data.draw(st.sampled_from(places))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != text[place]]))
    assert not check(name, text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize("name", sorted(FOLDED_REST))
def test_nearly_every_changed_digit_is_caught(name: str) -> None:
    caught = [
        not check(name, text[:i] + d + text[i + 1 :])
        for text in PUBLISHED[name]
        for i, old in enumerate(text)
        for d in "0123456789"
        if old.isdigit() and d != old
    ]
    assert sum(caught) >= 0.85 * len(caught)


@given(st.text(max_size=24))
def test_no_text_makes_a_check_raise(text: str) -> None:
    for name in PUBLISHED:
        check(name, text)
        check(name, text.upper())


@given(st.text("0123456789", min_size=2, max_size=19), st.data())
def test_luhn_catches_a_digit_and_most_swaps(digits: str, data: st.DataObject) -> None:
    whole = next(digits + d for d in "0123456789" if luhn(digits + d))
    place = data.draw(st.integers(0, len(whole) - 2))
    first, second = whole[place], whole[place + 1]
    swapped = whole[:place] + second + first + whole[place + 2 :]
    # The one blind spot of the scheme: 09 and 90.
    assert luhn(swapped) == (first == second or {first, second} == {"0", "9"})


def test_every_iban_country_has_a_length_of_the_registry() -> None:
    assert all(15 <= n <= 33 for n in checksums.IBAN_LENGTHS.values())
    assert checksums.IBAN_LENGTHS["ES"] == 24


@pytest.mark.parametrize("wrong", ["000121234", "666121234", "900121234", "123001234", "123120000"])
def test_numbers_never_given_out_are_none(wrong: str) -> None:
    assert not checksums.ssn(wrong)
