"""The static student: its scores are the formula however they are added up, and its file is whole."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sazon import models
from sazon.core.errors import IntegrityError
from sazon.models import static
from sazon.models.folder import read_arrays, write_arrays
from sazon.models.static import StaticPredictor, Vocabulary, ngrams, plain

CLASSES = ("a\nb", "¿cuál?", "c")
KNOWN = "the card the cards close my account canción"
WORDS = st.sampled_from(["the", "card", "cards", "carding", "closed", "canción", "Ärger", "zz", "a", "_x1"])


def _static(seed: int = 0) -> StaticPredictor:
    rng = np.random.default_rng(seed)
    words, pieces = (sorted(set(grams)) for grams in ngrams(KNOWN))
    size = len(words) + len(pieces)
    return StaticPredictor(
        classes=CLASSES,
        vocabulary=Vocabulary(words, pieces),
        idf=rng.uniform(1, 3, size).astype(np.float32),
        table=rng.normal(size=(size, 3)).astype(np.float32),
        bias=rng.normal(size=3).astype(np.float32),
        temperature=0.7,
    )


MADE = _static()


def _formula(text: str) -> np.ndarray:
    """The scores, n-gram by n-gram."""
    scores = MADE.bias.astype(float)
    for rows in MADE.vocabulary.rows(text):
        idf = MADE.idf[rows].astype(float)
        if rows:
            scores = scores + (idf[:, None] * MADE.table[rows]).sum(0) / np.sqrt((idf**2).sum())
    return scores


@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_scores_are_the_formula(text):
    assert np.allclose(MADE.scores([text])[0], _formula(text), atol=1e-4)


def test_a_view_counts_words_once_and_their_pieces_as_often_as_they_stand():
    words, pieces = ngrams("The CARD, the card!")

    assert words == ["the", "card", "the card", "card the"]
    assert sorted(pieces) == sorted(
        "<th the he> <the the> <the> <ca car ard rd> <car card ard> <card card>".split()
    )


def test_scores_do_not_depend_on_the_company(monkeypatch):
    texts = ["the card", "", "zz zz", "close my account", "the cards closing " * 30, "card"]
    together = MADE.scores(texts)

    monkeypatch.setattr(static, "ROWS_AT_ONCE", 5)

    assert np.array_equal(together, MADE.scores(texts))
    assert np.array_equal(together, np.concatenate([MADE.scores([text]) for text in texts]))
    assert np.allclose(together[1], MADE.bias)


def test_accents_and_case_make_no_difference():
    assert plain("CANCIÓN") == "cancion"
    assert np.array_equal(MADE.scores(["CANCIÓN"]), MADE.scores(["cancion"]))


@given(st.text(max_size=200))
def test_answers_any_text(text):
    answers = MADE.predict([text])

    assert answers.probabilities is not None
    assert np.isclose(answers.probabilities.sum(), 1)


def test_no_text_no_answer():
    assert MADE.predict([]).labels == ()
    assert MADE.scores([]).shape == (0, 3)


def test_nothing_known_is_the_bias():
    empty = StaticPredictor(
        classes=CLASSES,
        vocabulary=Vocabulary([], []),
        idf=np.zeros(0, np.float32),
        table=np.zeros((0, 3), np.float32),
        bias=np.array([1, 2, 3], np.float32),
        temperature=1.0,
    )

    assert np.allclose(empty.scores(["the card"]), [[1, 2, 3]])


def test_comes_back_from_one_file_bit_for_bit(tmp_path):
    MADE.save(tmp_path)

    back = models.load_folder(tmp_path)

    assert {p.name for p in tmp_path.iterdir()} == {"predictor.json", "static.npz"}
    assert back.classes == CLASSES
    texts = ["the card", "canción", "", "closed"]
    assert np.array_equal(back.predict(texts).probabilities, MADE.predict(texts).probabilities)


def test_equal_numbers_make_equal_bytes(tmp_path):
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _static().save(tmp_path / name)
        digests.append(hashlib.sha256((tmp_path / name / "static.npz").read_bytes()).hexdigest())

    assert digests[0] == digests[1]


def test_a_file_whose_parts_do_not_fit_is_refused(tmp_path):
    MADE.save(tmp_path)
    arrays = read_arrays(tmp_path / "static.npz")
    broken = {
        "short": arrays | {"idf": arrays["idf"][:-1]},
        "narrow": arrays | {"table": arrays["table"][:, :2]},
        "words": arrays | {"words": np.array([255, 10], dtype=np.uint8)},
        "lacking": {k: v for k, v in arrays.items() if k != "bias"},
    }
    for parts in broken.values():
        write_arrays(tmp_path / "static.npz", parts)
        with pytest.raises(IntegrityError, match="not whole"):
            models.load_folder(tmp_path)
