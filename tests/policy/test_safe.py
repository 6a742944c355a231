"""The safe: what is kept of people in files opens with their keys, in its place, until one is erased."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.core.store import Store
from sazon.policy import safe
from sazon.policy.keys.keyring import Keyring
from sazon.policy.keys.source import LocalKey
from sazon.policy.safe import Safe, held
from sazon.policy.vault import Vault

KEY, NEW = LocalKey(b"k" * 32), LocalKey(b"n" * 32)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A keyring, its store, and a safe of them."""
    folder = tmp_path_factory.mktemp("safe")
    ring = Keyring.create(folder / "keys", KEY, tenant="clinic")
    with contextlib.closing(Store.open(f"sqlite:///{folder / 'policy.db'}")) as store:
        yield ring, Vault(store, ring)


@pytest.fixture
def made(house):
    ring, vault = house
    return Safe(vault, ring)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=200),
    people=st.lists(st.text(min_size=1, max_size=8), max_size=3),
    place=st.lists(st.text(max_size=8), max_size=3),
    other=st.lists(st.text(max_size=8), max_size=3),
)
def test_it_opens_in_its_own_place_alone(made, content, people, place, other):
    sealed = made.seal(people, content, *place)
    assert made.open(sealed, *place) == content
    if other != place:
        with pytest.raises(IntegrityError):
            made.open(sealed, *other)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_every_flipped_bit_is_found(made, position, bit):
    from sazon.policy.keys.sealing import from_text, to_text

    raw = bytearray(from_text(made.seal(["ana"], b"a secret", "x")))
    raw[position % len(raw)] ^= 1 << bit
    with pytest.raises(IntegrityError):
        made.open(to_text(bytes(raw)), "x")


def test_rubbish_is_no_sealed_value(made):
    for rubbish in ("", "no base64!", "AAAA", "A" * 64):
        with pytest.raises(IntegrityError):
            made.open(rubbish, "x")


def test_erasing_one_of_several_destroys_what_was_theirs(house, made):
    ring, vault = house
    both, one = made.seal(["luis", "eva"], b"both", "x"), made.seal(["luis"], b"one", "x")
    vault.erase("eva")
    fresh = Safe(vault, ring)
    assert fresh.open(both, "x") is None
    assert fresh.open(one, "x") == b"one"
    again = fresh.seal(["eva"], b"anew", "x")  # comes back under another key
    assert fresh.open(again, "x") == b"anew"
    assert fresh.open(both, "x") is None


def test_a_key_is_made_once_and_outlives_a_rotation(tmp_path):
    ring = Keyring.create(tmp_path / "keys", KEY)
    with contextlib.closing(Store.open(f"sqlite:///{tmp_path / 'policy.db'}")) as store:
        vault = Vault(store, ring)
        assert vault.file_key("ana") is None
        first = vault.file_key("ana", make=True)
        assert first == vault.file_key("ana", make=True) == vault.file_key("ana")
        assert first.key.hex() not in repr(first) + repr(first.key is None)
        sealed = Safe(vault, ring).seal(["ana"], b"kept", "x")
        vault.rotate(NEW)
        assert Safe(vault, Keyring.open(tmp_path / "keys", NEW)).open(sealed, "x") == b"kept"


def test_names_are_keyed_and_other_keys_are_told_apart(house, made, tmp_path):
    ring = Keyring.create(tmp_path / "keys", KEY, tenant="clinic")
    with contextlib.closing(Store.open(f"sqlite:///{tmp_path / 'policy.db'}")) as store:
        other = Safe(Vault(store, ring), ring)
        assert made.name("a short text") != other.name("a short text")
        assert made.name("a", "bc") != made.name("ab", "c")
        with pytest.raises(EnvironmentLacks, match="no keys here"):
            safe.expected(made.id, what="this is", where="file")
        with held(other), pytest.raises(IntegrityError, match=made.id):
            safe.expected(made.id, what="this is", where="file")
        with held(made):
            assert safe.expected(made.id, what="this is", where="file") is made
        assert safe.in_hand() is None
