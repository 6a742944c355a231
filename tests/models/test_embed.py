"""Embeddings: kept by content, unit length, the same whatever company a text comes in."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sazon.core.errors import EnvironmentLacks
from sazon.models import transformer
from sazon.models.embed import Embedder
from sazon.models.transformer import Encoder, batches, can_bf16, readable_memory_errors
from sazon.testing.tiny import tiny_encoder

TEXTS = [f"the card {'please ' * (i % 9)}{i}" for i in range(70)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_encoder(tmp_path_factory.mktemp("embed"))


def test_vectors_are_unit_and_in_order(base, tmp_path):
    vectors = Embedder(base, cache=tmp_path).embed(TEXTS)

    assert vectors.shape == (70, 32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[5], Encoder.load(base.path).encode([TEXTS[5]])[0], atol=1e-5)


def test_what_the_cache_held_changes_no_bit(base, tmp_path):
    whole = Embedder(base, cache=tmp_path / "one").embed(TEXTS)

    Embedder(base, cache=tmp_path / "two").embed(TEXTS[10:13])
    again = Embedder(base, cache=tmp_path / "two")

    assert np.array_equal(again.embed(TEXTS), whole)


def test_a_second_embedder_encodes_nothing(base, tmp_path):
    first = Embedder(base, cache=tmp_path)
    first.embed(TEXTS + TEXTS)
    second = Embedder(base, cache=tmp_path)
    second.embed(TEXTS)

    assert first.tokens > 0
    assert second.tokens == 0


def test_texts_that_are_cut_are_counted(base, tmp_path):
    embedder = Embedder(base, cache=tmp_path)
    embedder.embed(["card", "card " * 200])

    assert embedder.cut == 1


def test_pooling_takes_what_the_folder_says(tmp_path):
    base = tiny_encoder(tmp_path)
    mean = Encoder.load(base.path).encode(["the card"])
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))

    assert not np.allclose(Encoder.load(base.path).encode(["the card"]), mean)


def test_mean_pooling_is_the_mean_over_real_tokens(base):
    import torch

    encoder = Encoder.load(base.path)
    ids = encoder.tokenise(["the card"])
    with torch.inference_mode():
        hidden = encoder.backbone(input_ids=torch.tensor(ids)).last_hidden_state[0].numpy()
    mean = hidden.mean(axis=0)

    assert np.allclose(encoder.encode(["the card"])[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_batches_hold_every_row_once_and_fit():
    lengths = [int(n) for n in np.random.default_rng(0).integers(1, 60, 200)]
    seen = []
    for rows, length in batches(lengths, rows=16):
        assert len(rows) <= 16
        assert all(length - 8 < lengths[r] <= length for r in rows)
        seen += rows

    assert sorted(seen) == list(range(200))


def test_isa_limit_turns_bf16_off(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setattr(transformer.Path, "read_text", lambda *_: "amx_bf16")

    assert not can_bf16()


def test_running_out_of_memory_is_said_in_words():
    with pytest.raises(EnvironmentLacks, match="batch_size: 16"), readable_memory_errors(32):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    with pytest.raises(RuntimeError, match="shape"), readable_memory_errors(32):
        raise RuntimeError("shape mismatch")
