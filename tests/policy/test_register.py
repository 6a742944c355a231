"""The register of consents: it only grows, and every way of tampering with it shuts the gate."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sazon.core.errors import DataError, EnvironmentLacks, IntegrityError
from sazon.policy.register import Register, json_of, record_of

from .conftest import OneKey, consent


@pytest.fixture
def register(tmp_path, signer, store) -> Register:
    return Register(tmp_path / "consents.jsonl", tenant="clinic", signer=signer, store=store)


def again(register: Register, **changes) -> Register:
    """The same register as another process sees it."""
    facts = {"tenant": "clinic", "signer": register._signer, "store": register._store}
    return Register(register.path, **facts | changes)


def test_what_was_given_is_read_back_until_it_ends(register):
    register.give([consent(), consent(id="c2", subject="Zoë ⟦x⟧ \u2028")])
    assert again(register).current().records["c1"] == consent()
    register.end("c1", how="withdrawn", at=1600.0)
    ended = again(register).current().records["c1"]
    assert ended == replace(consent(), ended="withdrawn", ended_at=1600.0)
    assert register.end("c1", how="terminated", at=1700.0) == ended
    assert len(register.path.read_text().splitlines()) == 3
    assert len(register.lines_of("c1")) == 2


def test_another_process_sees_a_withdrawal_at_once(register):
    register.give([consent()])
    watching = again(register)
    assert watching.current().records["c1"].ended is None
    register.end("c1", how="withdrawn", at=1600.0)
    assert watching.current().records["c1"].ended == "withdrawn"


def test_threads_that_look_at_once_see_the_same(register):
    register.give([consent(id=f"c{i}") for i in range(40)])
    for _ in range(10):
        together = again(register)
        start = threading.Barrier(4)

        def look(together=together, start=start) -> int:
            start.wait()
            return len(together.current().records)

        with ThreadPoolExecutor(4) as pool:
            assert {found.result() for found in [pool.submit(look) for _ in range(4)]} == {40}


def test_an_empty_register_holds_nothing(register):
    assert register.current().records == {}


def test_an_id_is_given_once(register):
    register.give([consent()])
    with pytest.raises(DataError, match="already"):
        register.give([consent()])
    with pytest.raises(DataError, match="already"):
        register.give([consent(id="x"), consent(id="x")])
    with pytest.raises(DataError, match="no consent"):
        register.end("c9", how="withdrawn", at=1.0)


def lines(register) -> list[str]:
    return register.path.read_text().splitlines()


def edited(text: str) -> str:
    held = json.loads(text)
    held["event"]["record"]["subject"] = "somebody else"
    return json.dumps(held, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (lambda ls: [edited(ls[0]), *ls[1:]], "signature|not a line"),
        (lambda ls: [ls[0].replace("personal", "special "), *ls[1:]], "signature|not a line"),
        (lambda ls: [ls[0] + " ", *ls[1:]], "follow|not a line"),
        (lambda ls: ls[1:], "follow"),
        (lambda ls: [ls[0], *ls[2:]], "follow"),
        (lambda ls: [ls[1], ls[0], *ls[2:]], "follow"),
        (lambda ls: [*ls, ls[0]], "follow"),
        (lambda ls: ls[:-1], "older copy"),
        (lambda ls: [], "older copy"),
        (lambda ls: ["{}", *ls], "not a line"),
        (lambda ls: ["[" * 30_000, *ls], "not a line"),
        (lambda ls: ["", *ls], "not a line"),
    ],
)
def test_tampering_is_found(register, tamper, why):
    register.give([consent(), consent(id="c2")])
    register.end("c1", how="withdrawn", at=1600.0)
    changed = tamper(lines(register))
    register.path.write_text("".join(f"{line}\n" for line in changed))
    for reader in (register, again(register)):
        with pytest.raises(IntegrityError, match=why):
            reader.current()
        with pytest.raises(IntegrityError):
            reader.give([consent(id="c3")])
    assert lines(register) == changed


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_every_flipped_bit_is_found(register, position, bit):
    if not register.path.exists():
        register.give([consent(), consent(id="c2")])
    whole = register.path.read_bytes()
    changed = bytearray(whole)
    changed[position % len(whole)] ^= 1 << bit
    register.path.write_bytes(bytes(changed))
    with pytest.raises(IntegrityError):
        again(register).current()
    register.path.write_bytes(whole)
    assert len(again(register).current().records) == 2


def test_another_organisation_signs_nothing_here(register, store):
    register.give([consent()])
    with pytest.raises(IntegrityError, match="signature"):
        again(register, signer=OneKey()).current()
    with pytest.raises(IntegrityError, match="signature"):
        again(register, tenant="hospital").current()


def test_a_line_torn_by_a_crash_is_no_line_and_is_cut_off(register):
    register.give([consent()])
    with register.path.open("ab") as file:
        file.write(b'{"event": {"type": "giv')
    assert list(again(register).current().records) == ["c1"]
    again(register).give([consent(id="c2")])
    assert list(again(register).current().records) == ["c1", "c2"]


def test_an_older_copy_of_the_file_is_refused(register, tmp_path):
    register.give([consent()])
    shutil.copy(register.path, tmp_path / "old")
    register.end("c1", how="withdrawn", at=1600.0)
    shutil.copy(tmp_path / "old", register.path)
    with pytest.raises(IntegrityError, match="older copy"):
        again(register).current()


def test_a_register_that_cannot_be_written_says_so(register):
    register.path.mkdir()
    with pytest.raises(EnvironmentLacks, match="cannot be"):
        register.give([consent()])


def test_records_are_read_strictly():
    assert record_of(json_of(consent())) == consent()
    for changes in (
        {"purpose": "everything"},
        {"basis": "because"},
        {"classes": ["secret"]},
        {"classes": 3},
        {"subject": 7},
        {"given": "2026-01-01"},
        {"more": "x"},
    ):
        with pytest.raises(DataError):
            record_of(json_of(consent()) | changes)
    lacking = json_of(consent())
    del lacking["notice"]
    with pytest.raises(DataError, match="missing field notice"):
        record_of(lacking)
