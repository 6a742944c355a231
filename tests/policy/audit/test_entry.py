"""What may be recorded, how it is written, and what an opening shows."""

from __future__ import annotations

import hashlib
import json
import struct
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sazon.core.errors import DataError, IntegrityError
from sazon.policy.audit import entry
from sazon.policy.audit.entry import Entry

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    words,
    st.lists(words, max_size=4),
    st.dictionaries(st.from_regex(r"\A[A-Za-z0-9_.:-]{1,12}\Z"), st.integers(0, 99), max_size=4),
)
fields = st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9_]{0,9}\Z"), values, max_size=6)


@settings(max_examples=50)
@given(fields, st.data())
def test_an_opening_gives_the_leaf_and_shows_only_what_was_asked(given_fields, data) -> None:
    made = Entry(index=0, fields=given_fields | {"event": "sent"}, seed=entry.new_seed())
    names = data.draw(st.sets(st.sampled_from(sorted(made.fields))))
    travelled = json.loads(json.dumps(made.opening(names)))
    leaf, opened = entry.read_opening(travelled)
    assert leaf == made.leaf()
    assert opened == json.loads(json.dumps({name: made.fields[name] for name in names}))
    assert set(travelled) == set(made.fields)
    assert all(isinstance(travelled[name], str) == (name not in names) for name in travelled)


def test_a_leaf_is_what_the_documentation_says() -> None:
    made = Entry(index=0, fields={"event": "sent", "allow": True}, seed=b"s" * 32)

    def committed(name: str, text: str) -> bytes:
        shown = made.opening([name])[name]["salt"]
        packed = struct.pack(">I", len(name)) + name.encode()
        return packed + hashlib.sha256(bytes.fromhex(shown) + packed + text.encode()).digest()

    leaf = hashlib.sha256(b"\0" + committed("allow", "true") + committed("event", '"sent"')).digest()
    assert made.leaf() == leaf


@settings(max_examples=50)
@given(fields)
def test_any_change_changes_the_leaf(given_fields) -> None:
    made = Entry(index=0, fields=given_fields | {"event": "sent"}, seed=b"s" * 32)
    for name in made.fields:
        for other in ("other than any", 7_777_777, ["x", "y", "z", "v", "w"]):
            changed = Entry(index=0, fields={**made.fields, name: other}, seed=made.seed)
            assert changed.leaf() != made.leaf()
        renamed = {(f"{n}x" if n == name else n): v for n, v in made.fields.items()}
        assert Entry(index=0, fields=renamed, seed=made.seed).leaf() != made.leaf()
        rest = {n: v for n, v in made.fields.items() if n != name}
        assert Entry(index=0, fields=rest, seed=made.seed).leaf() != made.leaf()
    assert Entry(index=0, fields=made.fields, seed=b"t" * 32).leaf() != made.leaf()


def test_types_that_look_alike_are_told_apart() -> None:
    alike = [1, True, "1", "true", None, "null", ["1"], {"1": 1}]
    leaves = {Entry(index=0, fields={"event": "x", "a": v}, seed=b"s" * 32).leaf() for v in alike}
    assert len(leaves) == len(alike)


def test_a_closed_field_cannot_be_guessed_without_its_salt() -> None:
    one, other = (Entry(index=i, fields={"event": "sent"}, seed=entry.new_seed()) for i in (0, 1))
    assert one.opening([])["event"] != other.opening([])["event"]
    salts = [one.opening(["event", "a"])["event"]["salt"], entry.salt_of(one.seed, "a").hex()]
    assert len(set(salts)) == 2


FORGERIES = ["a\r\nevent=sent", "a\x1b[2J", "a\u2028b", "a\u0085b", "a\u202eb", "a\x00b", "a\x9bb"]


@pytest.mark.parametrize("text", FORGERIES)
def test_what_is_written_stays_on_one_line_of_plain_characters(text: str) -> None:
    written = entry.canonical({"event": text})
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written) == {"event": text}
    assert entry.visible(text).isprintable()
    assert len(entry.visible(text).splitlines()) == 1


def test_spanish_is_shown_as_it_is() -> None:
    assert entry.visible("atención médica, ñ") == "atención médica, ñ"


@given(fields)
def test_an_entry_written_field_by_field_is_the_canonical_text(given_fields) -> None:
    made = Entry(index=0, fields=given_fields, seed=b"s" * 32)
    assert entry.joined(made.texts()) == entry.canonical(given_fields)


SECRET = "canary 12345678Z"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"event": 3},
        {"event": "sent", "at": "2026-11-03T12:00:00.000000Z"},
        {"event": "sent", "share": 0.5},
        {"event": "sent", "Upper": SECRET},
        {"event": "sent", "a b": SECRET},
        {"event": "sent", "text": SECRET * 100},
        {"event": "sent", "half": f"\ud800{SECRET}"},
        {"event": "sent", "raw": SECRET.encode()},
        {"event": "sent", "many": [SECRET] * 65},
        {"event": "sent", "deep": [[SECRET]]},
        {"event": "sent", "counts": {SECRET: 1}},
        {"event": "sent", "counts": {"nif": 1.0}},
        {"event": "sent", "counts": {"nif": True}},
        {"event": "sent", "big": 2**53},
        {"event": "sent"} | {f"f{i}": SECRET for i in range(70)},
    ],
)
def test_what_is_not_small_is_refused_without_being_repeated(wrong) -> None:
    with pytest.raises(DataError) as told:
        entry.checked(wrong)
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"event": "00"},
        {"event": "zz" * 32},
        {"event": 3},
        {"event": None},
        {"event": {"value": "sent"}},
        {"event": {"salt": "00", "value": "sent"}},
        {"event": {"salt": 7, "value": "sent"}},
        {"event": ["a"]},
    ],
)
def test_what_is_no_opening_is_refused(wrong) -> None:
    with pytest.raises(IntegrityError):
        entry.read_opening(wrong)


def test_times_sort_as_text_and_say_their_zone() -> None:
    assert entry.moment(0) == "1970-01-01T00:00:00.000000Z"
    assert entry.moment(1_793_707_200.25) == "2026-11-03T12:00:00.250000Z"
    with pytest.raises(DataError):
        entry.moment_of(datetime(2026, 11, 3))
