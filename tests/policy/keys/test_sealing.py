"""What is sealed opens with the same key and context, and with nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon.core.errors import IntegrityError
from sazon.policy.keys.sealing import frame, from_text, seal, to_text, unframe, unseal

KEY = bytes(range(32))


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_sealed_and_opened(plaintext: bytes, context: bytes) -> None:
    sealed = seal(KEY, plaintext, context)
    assert unseal(KEY, sealed, context, what="changed") == plaintext
    assert len(sealed) == 12 + len(plaintext) + 16


def test_equal_texts_are_sealed_differently() -> None:
    assert len({seal(KEY, b"same", b"") for _ in range(50)}) == 50


SEALED = seal(KEY, b"contents", b"context")


def test_any_flipped_bit_is_noticed() -> None:
    for bit in range(8 * len(SEALED)):
        changed = bytearray(SEALED)
        changed[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(IntegrityError):
            unseal(KEY, bytes(changed), b"context", what="changed")


def test_any_cut_and_any_addition_is_noticed() -> None:
    for length in range(len(SEALED)):
        for cut in (SEALED[:length], SEALED[length + 1 :], SEALED[: length + 1] + SEALED):
            with pytest.raises(IntegrityError):
                unseal(KEY, cut, b"context", what="changed")


@pytest.mark.parametrize(
    ("key", "context"), [(bytes(range(1, 33)), b"context"), (KEY, b"Context"), (KEY, b"")]
)
def test_another_key_or_context_opens_nothing(key: bytes, context: bytes) -> None:
    with pytest.raises(IntegrityError, match="changed"):
        unseal(key, SEALED, context, what="changed")


# Test case 16 of McGrew and Viega, The Galois/Counter Mode of Operation (2005), appendix B.
NIST = {
    "key": "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
    "nonce": "cafebabefacedbaddecaf888",
    "plain": "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    "aad": "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    "cipher": "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
    "tag": "76fc6ece0f4e1768cddf8853bb2d551b",
}


def test_published_vector_opens() -> None:
    raw = {name: bytes.fromhex(text) for name, text in NIST.items()}
    sealed = raw["nonce"] + raw["cipher"] + raw["tag"]
    assert unseal(raw["key"], sealed, raw["aad"], what="changed") == raw["plain"]


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_no_two_lists_are_framed_alike(one: list[str], other: list[str]) -> None:
    assert (frame(*one) == frame(*other)) == (one == other)


@given(st.lists(st.binary(max_size=5), max_size=4))
def test_frames_can_be_taken_apart(parts: list[bytes]) -> None:
    assert unframe(frame(*parts)) == parts


@pytest.mark.parametrize("text", ["a", "AAAA\n", "ÑÑÑÑ", "AA=A", "AAA==", "!!!!"])
def test_text_that_is_no_base64_is_none(text: str) -> None:
    assert from_text(text) is None


@given(st.binary(max_size=40))
def test_bytes_survive_as_text(raw: bytes) -> None:
    assert from_text(to_text(raw)) == raw
    assert from_text(to_text(raw), length=len(raw) + 1) is None
