"""Softmax regression, choice of C, label names, folds, temperature, and the federated step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from sazon import models
from sazon.adapt.head import label_rows, wants_label_names
from sazon.adapt.measure import codes, fit_temperature, validation_metrics
from sazon.adapt.softmax_regression import Goal, deal_folds, fit_head, labelled, one_hot
from sazon.adapt.transfer import Transfer, TransferConfig
from sazon.models.softmax import softmax


def _blobs(n: int = 90, features: int = 5, seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    X = (rng.normal(size=(n, features)) + 0.8 * np.eye(3, features)[truth]).astype(np.float64)
    return X, truth


@pytest.mark.parametrize("C", [0.1, 1.0, 30.0])
def test_agrees_with_scikit_learn(C):
    X, truth = _blobs()
    theirs = LogisticRegression(C=C, tol=1e-8, max_iter=5000).fit(X, truth)

    ours = fit_head(X, labelled(truth, 3), C=C, steps=2000)

    assert np.allclose(softmax(ours.scores(X)), theirs.predict_proba(X), atol=2e-3)


def test_sparse_rows_give_the_same_head():
    from scipy.sparse import csr_matrix

    X, truth = _blobs()
    dense = fit_head(X, labelled(truth, 3), C=1.0)

    assert np.allclose(fit_head(csr_matrix(X), labelled(truth, 3), C=1.0).weight, dense.weight, atol=1e-6)


def test_a_soft_goal_brings_back_the_teacher():
    X, truth = _blobs(n=400)
    teacher = fit_head(X, labelled(truth, 3), C=1.0)
    taught = softmax(teacher.scores(X), temperature=2.0)

    student = fit_head(X, Goal(targets=taught, temperature=2.0), C=1e6, steps=2000)

    assert np.allclose(softmax(student.scores(X)), softmax(teacher.scores(X)), atol=1e-3)


@given(st.integers(0, 1000), st.floats(0.3, 5))
@settings(max_examples=20, deadline=None)
def test_gradient_of_a_goal(seed, temperature):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(4, 3))
    goal = Goal(targets=rng.dirichlet(np.ones(3), 4), weights=rng.uniform(0, 2, 4), temperature=temperature)
    step = 1e-6 * rng.normal(size=scores.shape)

    ahead, behind = goal.loss(scores + step)[0], goal.loss(scores - step)[0]

    assert ahead - behind == pytest.approx(
        2 * float((goal.loss(scores)[1] * step).sum()), rel=1e-3, abs=1e-10
    )


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=4, max_size=60), st.integers(2, 5))
def test_folds_never_split_a_group(pairs, k):
    groups = [str(g) for g, _ in pairs]
    folds = deal_folds(groups, [str(t) for _, t in pairs], k, np.random.default_rng(0))

    assert set(folds) <= set(range(k))
    for group in set(groups):
        assert len({f for f, g in zip(folds, groups, strict=True) if g == group}) == 1


def test_label_names_where_rows_are_few(data):
    few = replace(data, fit=data.fit.select(range(30)))
    described = replace(few, descriptions={"refund": "money back"})

    assert wants_label_names(few, "auto")
    assert not wants_label_names(data, "auto")
    assert wants_label_names(data, True)
    texts, targets = label_rows(described)
    assert ("close account", "close_account") in zip(texts, targets, strict=True)
    assert ("money back", "refund") in zip(texts, targets, strict=True)


def test_a_class_can_be_learnt_from_its_name_alone(make, data):
    keep = [i for i, t in enumerate(data.fit.targets) if t != "refund"][:20]
    made = make("transfer", data=replace(data, fit=data.fit.select(keep)), label_names=True, refit=False)

    assert made.facts["label_names"] is True


def test_temperature_is_found_again():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20_000, 4)) * 2
    probabilities = softmax(scores, temperature=1.7)
    truth = np.array([rng.choice(4, p=p) for p in probabilities])

    assert fit_temperature(scores, truth) == pytest.approx(1.7, rel=0.05)


def test_a_small_perfect_validation_set_does_not_make_it_certain():
    scores = 3.0 * np.eye(3)[[0, 1, 2, 0, 1]]

    assert fit_temperature(scores, np.array([0, 1, 2, 0, 1])) > 0.2
    assert fit_temperature(scores[:0], np.array([], dtype=int)) == 1.0


def test_metrics_of_known_probabilities():
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]])

    found = validation_metrics(probabilities, np.array([0, 1, 1]))

    assert found["accuracy"].value == pytest.approx(2 / 3)
    # Wilson's interval for 2 of 3 at 95 % (Newcombe 1998, formula 3).
    assert found["accuracy"].low == pytest.approx(0.2077, abs=1e-4)
    assert found["accuracy"].high == pytest.approx(0.9385, abs=1e-4)
    assert found["log_loss"].value == pytest.approx(-np.log([0.5, 0.75, 0.1]).mean())


def test_local_steps_approach_the_pooled_head(base, data, tmp_path):
    technique, config = Transfer(), TransferConfig(base="tiny", local_epochs=20)
    state = technique.initial_state(config, base=base, labels=data.labels)
    assert state["weight"].shape == (3, 32)
    more = {"base": base, "labels": data.labels, "cache": tmp_path / "site"}

    rng = np.random.default_rng(0)
    for _ in range(10):
        state = technique.local_step(state, data.fit, config, rng=rng, **more)
    technique.save_state(state, config, base=base, labels=data.labels, directory=tmp_path / "probe")

    answers = models.load_folder(tmp_path / "probe").predict(data.validation.inputs)
    assert np.mean(np.array(answers.labels) == np.array(data.validation.targets)) >= 0.7


def test_a_local_step_leaves_its_input_alone_and_repeats(base, data, tmp_path):
    technique, config = Transfer(), TransferConfig(base="tiny")
    zero = technique.initial_state(config, base=base, labels=data.labels)
    more = {"base": base, "labels": data.labels, "cache": tmp_path}

    one = technique.local_step(zero, data.fit, config, rng=np.random.default_rng(0), **more)
    two = technique.local_step(zero, data.fit, config, rng=np.random.default_rng(0), **more)

    assert not zero["weight"].any()
    assert np.array_equal(one["weight"], two["weight"])
    assert one["weight"].any()


def test_codes_and_one_hot():
    assert codes(["b", "a"], ["a", "b"]).tolist() == [1, 0]
    assert one_hot(np.array([1]), 3).tolist() == [[0, 1, 0]]
