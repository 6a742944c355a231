"""A destroyed leaf is gone for good; every other one is as it was."""

from __future__ import annotations

import hashlib
import itertools

from hypothesis import given
from hypothesis import strategies as st

from sazon.policy.keys import erasable
from sazon.policy.keys.erasable import DEPTH, Erasable

LEAVES = st.integers(0, 2**DEPTH - 1)
ROOT = Erasable({bytes(9): bytes(range(32))})


def children(seed: bytes) -> tuple[bytes, bytes]:
    both = hashlib.sha512(b"sazon erasable tree\0" + seed).digest()
    return both[:32], both[32:]


def by_hand(leaf: int) -> bytes:
    """The definition: from the root, one SHA-512 a bit."""
    seed = bytes(range(32))
    for bit in f"{leaf:064b}":
        seed = children(seed)[int(bit)]
    return seed


@given(st.lists(LEAVES, max_size=6), LEAVES)
def test_destroying_takes_those_leaves_and_no_other(gone: list[int], other: int) -> None:
    tree = ROOT
    for leaf in gone:
        tree = tree.without(leaf)
    assert all(tree.key(leaf) is None for leaf in gone)
    assert tree.key(other) == (None if other in gone else by_hand(other))
    for leaf in gone:
        neighbour = leaf ^ 1
        assert tree.key(neighbour) == (None if neighbour in gone else by_hand(neighbour))


@given(st.lists(LEAVES, min_size=1, max_size=5, unique=True))
def test_no_seed_that_leads_to_a_destroyed_leaf_is_kept(gone: list[int]) -> None:
    tree = ROOT
    for leaf in gone:
        tree = tree.without(leaf)
    kept = tree.to_bytes()
    for leaf in gone:
        seed = bytes(range(32))
        assert seed not in kept
        for bit in f"{leaf:064b}":
            seed = children(seed)[int(bit)]
            assert seed not in kept


@given(st.lists(LEAVES, max_size=5), LEAVES)
def test_written_and_read_back_it_is_the_same(gone: list[int], leaf: int) -> None:
    tree = ROOT
    for one in gone:
        tree = tree.without(one)
    again = Erasable.from_bytes(tree.to_bytes())
    assert again.to_bytes() == tree.to_bytes()
    assert again.key(leaf) == tree.key(leaf)


@given(st.permutations([3, 2**63, 2**64 - 1, 77]))
def test_the_order_of_erasures_does_not_matter(order: list[int]) -> None:
    tree = ROOT
    for leaf in [*order, *order]:
        tree = tree.without(leaf)
    in_order = ROOT
    for leaf in (3, 77, 2**63, 2**64 - 1):
        in_order = in_order.without(leaf)
    assert tree.to_bytes() == in_order.to_bytes()


def test_an_erasure_costs_at_most_one_seed_a_level_and_neighbours_cost_none() -> None:
    assert len(ROOT.without(5)) == DEPTH
    assert len(ROOT.without(5).without(4)) == DEPTH - 1
    tree = ROOT
    for leaf in range(64):
        tree = tree.without(leaf)
    assert len(tree) == DEPTH - 6


def test_a_destroyed_tree_is_not_changed_in_place() -> None:
    ROOT.without(9)
    assert ROOT.key(9) == by_hand(9)


def test_keys_of_fresh_trees_differ_and_are_not_shown() -> None:
    trees = [Erasable.fresh() for _ in range(3)]
    keys = [tree.key(leaf) for tree, leaf in itertools.product(trees, (0, 1, 2**63))]
    assert len(set(keys)) == len(keys)
    assert erasable.KEY_BYTES == 32
    assert "seeds" not in repr(trees[0])
