"""Predictors come back from their folders bit for bit, and changed folders are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon import models
from sazon.core import digest
from sazon.core.errors import IntegrityError, PluginError
from sazon.core.types import Artifact, Candidate
from sazon.models.encoder import EncoderPredictor
from sazon.models.folder import write_facts
from sazon.models.majority import MajorityPredictor
from sazon.models.probe import ProbePredictor, save_probe
from sazon.models.softmax import softmax
from sazon.models.static import StaticPredictor, Vocabulary, ngrams
from sazon.models.transformer import Encoder
from sazon.testing.tiny import tiny_encoder

CLASSES = ("a", "b", "c")
TEXTS = ["the card", "please close my account", "¿dónde está?", "", "a" * 4000]


def _candidate(folder):
    artifact = Artifact(path=folder, digest=digest.of_folder(folder))
    return Candidate(name="it", technique="test", artifact=artifact)


def _static() -> StaticPredictor:
    rng = np.random.default_rng(0)
    words, pieces = (sorted(set(grams)) for grams in ngrams("the card please close my account"))
    size = len(words) + len(pieces)
    return StaticPredictor(
        classes=CLASSES,
        vocabulary=Vocabulary(words, pieces),
        idf=rng.uniform(1, 3, size).astype(np.float32),
        table=rng.normal(size=(size, 3)).astype(np.float32),
        bias=rng.normal(size=3).astype(np.float32),
        temperature=0.7,
    )


def test_static_round_trip(tmp_path):
    made = _static()
    made.save(tmp_path)

    back = models.load(_candidate(tmp_path))

    assert np.array_equal(back.predict(TEXTS).probabilities, made.predict(TEXTS).probabilities)


def test_encoder_round_trip(tmp_path):
    base = tiny_encoder(tmp_path / "base")
    rng = np.random.default_rng(0)
    made = EncoderPredictor(
        classes=CLASSES,
        encoder=Encoder.load(base.path),
        weight=rng.normal(size=(3, 32)).astype(np.float32),
        bias=np.zeros(3, np.float32),
        temperature=1.3,
    )
    made.save(tmp_path / "saved")

    back = models.load(_candidate(tmp_path / "saved"))

    assert np.array_equal(back.predict(TEXTS).probabilities, made.predict(TEXTS).probabilities)
    assert back.encoder.max_length == 64


def test_probe_refuses_another_base(tmp_path):
    base = tiny_encoder(tmp_path / "base", seed=0)
    head = {"weight": np.ones((3, 32)), "bias": np.zeros(3)}
    more = {"temperature": 1.0, "precision": "fp32", "max_length": 64}
    save_probe(tmp_path / "probe", base=base, classes=CLASSES, **head, **more)
    assert isinstance(models.load_folder(tmp_path / "probe"), ProbePredictor)

    tiny_encoder(tmp_path / "base", seed=1)

    with pytest.raises(IntegrityError, match="not the one"):
        models.load_folder(tmp_path / "probe")


def test_changed_missing_and_strange_folders(tmp_path):
    MajorityPredictor(CLASSES, np.ones(3) / 3).save(tmp_path / "m")
    candidate = _candidate(tmp_path / "m")
    assert models.load(candidate).predict(["x"]).labels == ("a",)

    (tmp_path / "m" / "extra").touch()
    with pytest.raises(IntegrityError, match="changed"):
        models.load(candidate)
    with pytest.raises(IntegrityError, match="nothing that runs here"):
        models.load(replace(candidate, artifact=None))
    with pytest.raises(IntegrityError, match="no readable predictor"):
        models.load_folder(tmp_path / "nowhere")
    write_facts(tmp_path / "odd", "majorty", {})
    with pytest.raises(PluginError, match="majority"):
        models.load_folder(tmp_path / "odd")


def test_truncated_numbers_are_an_integrity_error(tmp_path):
    _static().save(tmp_path)
    raw = (tmp_path / "static.npz").read_bytes()
    (tmp_path / "static.npz").write_bytes(raw[: len(raw) // 2])

    with pytest.raises(IntegrityError):
        models.load_folder(tmp_path)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6),
    st.floats(-1e6, 1e6),
    st.floats(0.05, 20),
)
def test_softmax_is_a_distribution_and_ignores_a_shift(scores, shift, temperature):
    probabilities = softmax(np.array([scores]), temperature=temperature)

    assert np.isclose(probabilities.sum(), 1)
    assert probabilities.argmax() in np.flatnonzero(np.isclose(scores, max(scores)))
    shifted = softmax(np.array([scores]) + shift, temperature=temperature)
    assert np.allclose(shifted, probabilities, atol=1e-6)
