"""Contrastive tuning: its loss by hand, its choices, what it hands over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sazon import models
from sazon.adapt.contrastive import paired_batches, supervised_contrastive
from sazon.adapt.interpolation import set_between, weights_of
from sazon.adapt.self_training import self_train, surest
from sazon.adapt.softmax_regression import fit_head, labelled
from sazon.core import digest
from sazon.core.errors import DataError
from sazon.core.events import Event
from sazon.core.seams import Base
from sazon.core.types import Dataset, Example, TrainingData
from sazon.data.plain import plain
from sazon.models.transformer import Encoder

from .conftest import Make

torch = pytest.importorskip("torch")


def slow_loss(z: np.ndarray, truth: list[int], temperature: float) -> float:
    """Equation 2 of Khosla et al. 2020 as it stands, in loops."""
    terms = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        same = [p for p in others if truth[p] == truth[i]]
        norm = sum(np.exp(z[i] @ z[a] / temperature) for a in others)
        if same:
            terms.append(-np.mean([np.log(np.exp(z[i] @ z[p] / temperature) / norm) for p in same]))
    return float(np.mean(terms)) if terms else 0.0


@settings(max_examples=40, deadline=None)
@given(
    truth=st.lists(st.integers(0, 3), min_size=2, max_size=12),
    temperature=st.floats(0.05, 2.0),
    seed=st.integers(0, 99),
)
def test_the_loss_is_the_equation(truth: list[int], temperature: float, seed: int) -> None:
    z = np.random.default_rng(seed).normal(size=(len(truth), 5))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    vectors = torch.tensor(z, requires_grad=True)
    found = supervised_contrastive(temperature)(vectors, torch.zeros(0), torch.tensor(truth))
    assert float(found.detach()) == pytest.approx(slow_loss(z, truth, temperature), rel=1e-9, abs=1e-12)
    found.backward()
    assert torch.isfinite(vectors.grad).all()


def test_a_batch_without_any_pair_teaches_nothing_and_breaks_nothing() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(3, 4), dim=1).requires_grad_()
    loss = supervised_contrastive(0.1)(vectors, torch.zeros(0), torch.tensor([0, 1, 2]))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert float(vectors.grad.abs().max()) == 0.0


def test_interpolation_ends_are_exact_and_the_middle_is_the_middle(base: Base) -> None:
    encoder = Encoder.load(base.path)
    frozen = weights_of(encoder)
    tuned = {name: p + 1.0 for name, p in frozen.items()}
    for alpha in (0.0, 1.0):
        set_between(encoder, frozen, tuned, alpha=alpha)
        wanted = tuned if alpha else frozen
        assert all(torch.equal(p, wanted[n]) for n, p in weights_of(encoder).items())
    set_between(encoder, frozen, tuned, alpha=0.5)
    assert all(torch.allclose(p, frozen[n] + 0.5, atol=1e-5) for n, p in weights_of(encoder).items())


@given(seed=st.integers(0, 200), per_class=st.integers(1, 6))
def test_the_surest_are_taken_class_by_class(seed: int, per_class: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(3), size=20)
    taken = surest(shares, per_class=per_class)
    answered, sure = shares.argmax(axis=1), shares.max(axis=1)
    assert sorted(set(taken.rows.tolist())) == taken.rows.tolist()
    for column in range(3):
        mine = taken.rows[taken.truth == column]
        all_mine = np.flatnonzero(answered == column)
        assert len(mine) == min(per_class, len(all_mine))
        left = np.setdiff1d(all_mine, mine)
        assert not len(left) or sure[mine].min() >= sure[left].max()


def test_self_training_learns_from_the_shape_of_the_pool() -> None:
    # Four clouds and one noisy label each: the pool shows where the middles of the clouds are.
    rng = np.random.default_rng(0)
    middles = 2.0 * np.eye(4, 20)
    belongs = np.repeat(np.arange(4), 150)
    pool = (middles[belongs] + rng.normal(scale=0.7, size=(600, 20))).astype(np.float32)
    truth = np.arange(4)
    X = (middles + rng.normal(scale=0.7, size=(4, 20))).astype(np.float32)
    alone = fit_head(X, labelled(truth, 4), C=1.0)
    grown = self_train(X, truth, pool, head=alone, classes=4, per_class=100, rounds=4, C=1.0)
    before = float((alone.scores(pool).argmax(axis=1) == belongs).mean())
    after = float((grown.scores(pool).argmax(axis=1) == belongs).mean())
    assert before < 0.85
    assert after > before + 0.1


@given(
    truth=st.lists(st.integers(0, 6), min_size=2, max_size=60),
    rows=st.integers(2, 16),
    seed=st.integers(0, 99),
)
def test_every_row_once_and_hardly_one_alone(truth: list[int], rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 30, size=len(truth)).tolist()
    columns = np.array(truth)
    batches = list(paired_batches(columns)(lengths, rows=rows, rng=rng))
    assert sorted(r for batch, _ in batches for r in batch) == list(range(len(truth)))
    alone = 0
    for batch, length in batches:
        assert len(batch) <= rows
        assert length >= max(lengths[r] for r in batch)
        _, counts = np.unique(columns[batch], return_counts=True)
        alone += int((counts == 1).sum())
    # Of each class at most its first and its last row have no partner in their batch.
    assert alone <= 2 * len(set(truth))


OPTIONS = {"epochs": 8, "rate": 3e-3, "batch_size": 32}


@pytest.mark.slow
def test_it_tunes_where_tuning_helps_and_answers_as_it_says(make: Make, data: TrainingData) -> None:
    candidate = make("contrastive", **OPTIONS)
    facts = candidate.facts
    assert facts["reach"] in (0.5, 0.75, 1.0)
    losses = {k: v for k, v in facts.items() if k.startswith("log_loss.")}
    assert min(losses, key=losses.__getitem__) == f"log_loss.reach {facts['reach']:g}"
    assert candidate.validation["accuracy"].value >= 0.9
    answers = models.load(candidate).predict(data.validation.inputs)
    right = np.mean([a == t for a, t in zip(answers.labels, data.validation.targets, strict=True)])
    assert right >= 0.9


@pytest.mark.slow
def test_the_same_seed_makes_the_same_artifact(make: Make) -> None:
    options = OPTIONS | {"epochs": 2}
    first = make("contrastive", cache="one", **options)
    second = make("contrastive", cache="two", **options)
    assert first.artifact is not None
    assert second.artifact is not None
    assert first.artifact.digest == second.artifact.digest


@pytest.mark.slow
def test_the_base_stays_where_tuning_harms(make: Make, data: TrainingData) -> None:
    probe = make("transfer")
    ruined = make("contrastive", epochs=2, rate=0.1, batch_size=16)
    assert ruined.facts["reach"] == 0.0
    assert [n.key for n in ruined.notes] == ["note.not_tuned"]
    told = models.load(ruined).predict(data.validation.inputs)
    plain = models.load(probe).predict(data.validation.inputs)
    assert told.labels == plain.labels
    np.testing.assert_allclose(told.probabilities, plain.probabilities, atol=1e-5)


@pytest.mark.slow
def test_unlabelled_texts_are_used_as_told(make: Make, data: TrainingData, events: list[Event]) -> None:
    pool = Dataset(
        name="pool",
        split="all",
        examples=tuple(Example(id=f"u{i}", input=t, target="") for i, t in enumerate(data.validation.inputs)),
    )
    with_pool = replace(data, unlabelled=pool)
    options = OPTIONS | {"epochs": 2, "reach": [1.0]}
    never = make("contrastive", data=with_pool, self_training=False, **options)
    always = make("contrastive", data=with_pool, self_training=True, **options)
    assert never.facts["self_trained"] is False
    assert always.facts["self_trained"] is True
    assert any("self-trained" in e.message for e in events)


@pytest.mark.slow
def test_texts_kept_for_judging_are_not_learnt_from(make: Make, data: TrainingData) -> None:
    texts = ["refund please", "MY card"]
    pool = tuple(Example(id=f"u{i}", input=t, target="") for i, t in enumerate(texts))
    apart = replace(
        data,
        unlabelled=Dataset(name="pool", split="all", examples=pool),
        held_out=frozenset({digest.of_text(plain("my card"))}),
    )
    made = make("contrastive", data=apart, **(OPTIONS | {"epochs": 1}))
    [said] = [n for n in made.notes if n.key == "note.left_out"]
    assert said.values == {"excluded": 1}


def test_without_validation_rows_it_refuses(make: Make, data: TrainingData) -> None:
    bare = replace(data, validation=replace(data.validation, examples=()))
    with pytest.raises(DataError, match="no validation rows"):
        make("contrastive", data=bare)
