"""Trees and proofs against published vectors, and against the RFC's definitions written out naively.

The vectors are those of the reference tests of Certificate Transparency (transparency-dev/merkle,
proof/verify_test.go, Apache-2.0): eight leaves, their roots, five inclusion and five consistency proofs.
"""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sazon.core.errors import IntegrityError
from sazon.policy.audit import merkle

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A, B, C, D, E, F, G, H = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
)
# (index, size, proof), the index counted from 0.
INCLUSION = [(0, 1, []), (0, 8, [A, B, C]), (5, 8, [D, E, F]), (2, 3, [ROOTS[1]]), (1, 5, [ROOTS[0], B, D])]
CONSISTENCY = [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [G, E, F]), (2, 5, [B, D]), (6, 7, [G, H, F])]
SOME = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")

leaf_hashes = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
roots = [bytes.fromhex(root) for root in ROOTS]


def unhex(proof: list[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in proof]


def naive_root(hashes: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, over leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = max(2**i for i in range(20) if 2**i < len(hashes))
    return hashlib.sha256(b"\1" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


def naive_path(m: int, hashes: list[bytes]) -> list[bytes]:
    """PATH of section 2.1.3.1."""
    if len(hashes) == 1:
        return []
    k = max(2**i for i in range(20) if 2**i < len(hashes))
    if m < k:
        return [*naive_path(m, hashes[:k]), naive_root(hashes[k:])]
    return [*naive_path(m - k, hashes[k:]), naive_root(hashes[:k])]


def naive_subproof(m: int, hashes: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of section 2.1.4.1."""
    if m == len(hashes):
        return [] if whole else [naive_root(hashes)]
    k = max(2**i for i in range(20) if 2**i < len(hashes))
    if m <= k:
        return [*naive_subproof(m, hashes[:k], whole), naive_root(hashes[k:])]
    return [*naive_subproof(m - k, hashes[k:], False), naive_root(hashes[:k])]


def numbered(count: int) -> list[bytes]:
    return [merkle.leaf_hash(str(i).encode()) for i in range(count)]


def reader(hashes: list[bytes]) -> merkle.Subtree:
    return lambda begin, end: naive_root(hashes[begin:end])


# --------------------------------------------------------------------------- published


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert merkle.root_of(leaf_hashes[:size]) == roots[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.root_of([]) == merkle.EMPTY == hashlib.sha256(b"").digest()


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, proof: list[str]) -> None:
    assert list(merkle.inclusion_proof(index, size, reader(leaf_hashes))) == unhex(proof)
    merkle.verify_inclusion(leaf_hashes[index], index, size, unhex(proof), roots[size - 1])


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(old: int, new: int, proof: list[str]) -> None:
    assert list(merkle.consistency_proof(old, new, reader(leaf_hashes))) == unhex(proof)
    merkle.verify_consistency(old, new, unhex(proof), roots[old - 1], roots[new - 1])


@pytest.mark.parametrize(("index", "size", "hexes"), INCLUSION)
def test_wrong_inclusion_proofs_are_refused(index: int, size: int, hexes: list[str]) -> None:
    leaf, root, proof = leaf_hashes[index], roots[size - 1], unhex(hexes)
    wrong = [
        (leaf, index - 1, size, proof, root),
        (leaf, index + 1, size, proof, root),
        (leaf, index ^ 2, size, proof, root),
        (leaf, index, size * 2, proof, root),
        (leaf, index, size // 2, proof, root),
        (leaf, index, 0, proof, root),
        (b"WrongLeaf", index, size, proof, root),
        (leaf, index, size, proof, merkle.EMPTY),
        (leaf, index, size, proof, SOME),
        (b"", index, size, proof, root),
        (leaf, index, size, proof, b""),
        (b"", index, size, proof, b""),
        *((leaf, index, size, [*proof, extra], root) for extra in (b"", root)),
        *((leaf, index, size, [extra, *proof], root) for extra in (b"", root)),
    ]
    if proof:
        wrong.append((leaf, index, size, proof[:-1], root))
        wrong.append((leaf, index, size, [proof[0], SOME, *proof[1:]], root))
    for case in wrong:
        with pytest.raises(IntegrityError):
            merkle.verify_inclusion(*case)


@pytest.mark.parametrize(("old", "new", "hexes"), CONSISTENCY)
def test_wrong_consistency_proofs_are_refused(old: int, new: int, hexes: list[str]) -> None:
    before, after, proof = roots[old - 1], roots[new - 1], unhex(hexes)
    wrong = [
        (old - 1, new, proof, before, after),
        (old + 1, new, proof, before, after),
        (old ^ 2, new, proof, before, after),
        (old, new * 2, proof, before, after),
        (old, new // 2, proof, before, after),
        (old, new, proof, b"WrongRoot", after),
        (old, new, proof, before, b"WrongRoot"),
        (old, new, proof, SOME, after),
        (old, new, proof, before, SOME),
        *((old, new, [*proof, extra], before, after) for extra in (b"", before, after)),
        *((old, new, [extra, *proof], before, after) for extra in (b"", before, after)),
    ]
    if proof:
        wrong.append((old, new, proof, after, before))
        wrong.append((old, new, [], before, after))
        wrong.append((old, new, proof[:-1], before, after))
        wrong.append((old, new, [proof[0], *proof], before, after))
    for case in wrong:
        with pytest.raises(IntegrityError):
            merkle.verify_consistency(*case)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 1), (1, 0), (2, 1), (-1, 1)])
def test_sizes_that_say_nothing_are_refused(old: int, new: int) -> None:
    with pytest.raises(IntegrityError):
        merkle.verify_consistency(old, new, [], merkle.EMPTY, merkle.EMPTY)
    with pytest.raises(IntegrityError):
        merkle.consistency_proof(old, new, reader(leaf_hashes))


@pytest.mark.parametrize("odd", [True, 1.0, 1 << 80])
def test_a_forged_size_costs_no_work(odd: object) -> None:
    with pytest.raises(IntegrityError):
        merkle.verify_inclusion(SOME, 0, odd, [SOME], SOME)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------- properties


@settings(max_examples=30)
@given(st.integers(0, 300), st.integers(0, 300))
def test_the_edge_grows_as_the_definition_says(first: int, more: int) -> None:
    hashes = numbered(first + more)
    edge, nodes = merkle.Edge(), {}
    for each in hashes[:first]:
        nodes |= {(level, at): found for level, at, found in edge.push(each)}
    edge = merkle.Edge(edge.size, edge.hashes)  # stored and read again
    for each in hashes[first:]:
        nodes |= {(level, at): found for level, at, found in edge.push(each)}
    assert (edge.size, edge.root()) == (first + more, naive_root(hashes))
    assert len(edge.hashes) == (first + more).bit_count()
    expected = {
        (level, at): naive_root(hashes[at << level : (at + 1) << level])
        for level in range(1, 11)
        for at in range(len(hashes) >> level)
    }
    assert nodes == expected


@given(st.data())
def test_proofs_are_those_of_the_definitions_and_hold(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 200))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    hashes = numbered(size)
    root, read = naive_root(hashes), reader(hashes)
    path = merkle.inclusion_proof(index, size, read)
    assert list(path) == naive_path(index, hashes)
    merkle.verify_inclusion(hashes[index], index, size, path, root)
    grown = merkle.consistency_proof(old, size, read)
    assert list(grown) == naive_subproof(old, hashes, True)
    merkle.verify_consistency(old, size, grown, naive_root(hashes[:old]), root)
    begin, end = sorted((index, old if old != index else index + 1))
    beside = merkle.range_proof(begin, end, size, read)
    merkle.verify_range(hashes[begin:end], begin, size, beside, root)


@given(st.data())
def test_every_flipped_bit_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 60))
    begin = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(begin + 1, size))
    old = data.draw(st.integers(1, size - 1))
    hashes = numbered(size)
    root, read = naive_root(hashes), reader(hashes)
    path = [hashes[begin], root, *merkle.inclusion_proof(begin, size, read)]
    grown = [naive_root(hashes[:old]), root, *merkle.consistency_proof(old, size, read)]
    wide = [root, *hashes[begin:end], *merkle.range_proof(begin, end, size, read)]

    def flipped(given: list[bytes]) -> list[bytes]:
        at, bit = data.draw(st.integers(0, len(given) - 1)), data.draw(st.integers(0, 255))
        changed = bytearray(given[at])
        changed[bit // 8] ^= 1 << bit % 8
        return [*given[:at], bytes(changed), *given[at + 1 :]]

    leaf, other_root, *proof = flipped(path)
    with pytest.raises(IntegrityError):
        merkle.verify_inclusion(leaf, begin, size, proof, other_root)
    before, after, *proof = flipped(grown)
    with pytest.raises(IntegrityError):
        merkle.verify_consistency(old, size, proof, before, after)
    other_root, *rest = flipped(wide)
    with pytest.raises(IntegrityError):
        merkle.verify_range(rest[: end - begin], begin, size, rest[end - begin :], other_root)


@given(st.data())
def test_a_range_with_an_entry_left_out_moved_or_added_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(3, 60))
    begin = data.draw(st.integers(0, size - 2))
    end = data.draw(st.integers(begin + 2, size))
    hashes = numbered(size)
    root, leaves = naive_root(hashes), hashes[begin:end]
    proof = merkle.range_proof(begin, end, size, reader(hashes))
    out = data.draw(st.integers(0, len(leaves) - 1))
    wrong = [
        (leaves[:out] + leaves[out + 1 :], begin, size, proof),
        ([*leaves[:out], leaves[out], *leaves[out:]], begin, size, proof),
        (leaves[::-1], begin, size, proof),
        (leaves, begin + 1, size, proof),
        (leaves, begin, end - 1, proof),
        (leaves, begin, size, (*proof, SOME)),
        ([], begin, size, proof),
    ]
    for given_leaves, at, of, beside in wrong:
        with pytest.raises(IntegrityError):
            merkle.verify_range(given_leaves, at, of, beside, root)


@pytest.mark.parametrize(("size", "hashes"), [(1, []), (3, [SOME]), (2, [b"short"])])
def test_an_edge_that_does_not_fit_its_size_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(IntegrityError):
        merkle.Edge(size, hashes)
