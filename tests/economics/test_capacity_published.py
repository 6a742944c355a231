"""The capacity model against published throughput.

Sources: TensorRT-LLM v1.0, docs/source/performance/perf-overview.md at 00f37686 (PyTorch
backend, FP8 unless told, output tokens per second); NVIDIA NIM benchmarking guide 1.0.0
(Llama-3.3-70B on two H100, 5000 tokens in, 500 out); MLPerf Inference v4.1, results of
NVIDIA, Dell and HPE at 4a0c8741.
"""

import re

import numpy as np
import pytest

from sazon.core.errors import RecipeError
from sazon.economics.capacity import (
    Constants,
    architecture_named,
    best_replica,
    constants_for,
    estimate_capacity,
    gpu_named,
    replica_of,
)
from sazon.economics.capacity.calibration import DENSE, MIXTURE, Measured, fitted

TENSORRT_LLM = [
    ("llama-3.1-8b", 1, 128, 128, 28312),
    ("llama-3.1-8b", 1, 128, 2048, 22714),
    ("llama-3.1-8b", 1, 500, 2000, 17660),
    ("llama-3.1-8b", 1, 1000, 1000, 15220),
    ("llama-3.1-8b", 1, 2048, 128, 3450),
    ("llama-3.1-8b", 1, 5000, 500, 3459),
    ("llama-3.1-8b", 1, 20000, 2000, 1351),
    ("llama-3.3-70b", 2, 128, 128, 6378),
    ("llama-3.3-70b", 2, 128, 4096, 4199),
    ("llama-3.3-70b", 2, 500, 2000, 5222),
    ("llama-3.3-70b", 2, 1000, 1000, 4205),
    ("llama-3.3-70b", 2, 2048, 128, 762),
    ("llama-3.3-70b", 2, 5000, 500, 898),
    ("llama-3.3-70b", 2, 20000, 2000, 437),
]


MIXTURES = [
    ("qwen3-235b-a22b", "h100", 8, 128, 4096, 12447),
    ("qwen3-235b-a22b", "h100", 8, 1000, 1000, 14898),
    ("qwen3-235b-a22b", "h100", 8, 5000, 500, 3225),
    ("llama-4-scout", "h100", 4, 128, 2048, 15130),
    ("llama-4-scout", "h100", 4, 1000, 1000, 12129),
    ("llama-4-scout", "h200", 4, 128, 2048, 34316),
    ("llama-4-scout", "h200", 4, 5000, 500, 4605),
]
FURTHER = [
    ("llama-3.1-405b", "h100", 8, 1000, 1000, 2919),
    ("llama-3.1-405b", "h100", 8, 5000, 500, 610),
    ("llama-3.1-405b", "h200", 8, 128, 2048, 5348),
    ("llama-3.1-8b", "h200", 1, 1000, 1000, 17744),
    ("llama-3.3-70b", "h200", 1, 1000, 1000, 2909),
    ("llama-3.3-70b", "h200", 1, 20000, 2000, 283),
]
"""Rows that nothing was fitted to or chosen by."""
CALIBRATION = [
    ("llama-3.1-8b", "h100", 1, 128, 128, 28312, None),
    ("llama-3.3-70b", "h100", 2, 2048, 128, 762, None),
    ("llama-3.3-70b", "h100", 2, 1000, 1000, 4205, None),
    ("llama-3.3-70b", "h100", 2, 5000, 500, 51.67, 1),
    ("qwen3-235b-a22b", "h100", 8, 128, 2048, 19658, None),
    ("llama-4-scout", "h100", 4, 5000, 500, 3342, None),
]


def replica(model, gpu, gpus):
    return replica_of(architecture_named(model), gpu_named(gpu), gpus)


def predicted(model, gpu, gpus, tokens_in, tokens_out):
    lengths = np.array([float(tokens_in)]), np.array([float(tokens_out)])
    return float(replica(model, gpu, gpus).full_rate(*lengths)[0]) * tokens_out


def test_the_shipped_constants_are_those_that_the_published_rows_give():
    points = [
        Measured(replica=replica(m, g, n), tokens_in=i, tokens_out=o, tokens_per_s=rate, concurrency=at)
        for m, g, n, i, o, rate, at in CALIBRATION
    ]
    start = Constants(
        compute_efficiency=0.4,
        seconds_per_layer=5e-5,
        seconds_per_sequence=1e-6,
        seconds_per_expert_layer=1e-4,
        gather_bytes_per_s=3e11,
    )
    found = fitted([p for p in points if p.replica.model.experts is None], DENSE, start)
    found = fitted([p for p in points if p.replica.model.experts is not None], MIXTURE, found)
    for name in (*DENSE, *MIXTURE):
        assert getattr(Constants(), name) == pytest.approx(getattr(found, name), rel=0.005)


@pytest.mark.parametrize(
    ("stack", "model", "gpu", "gpus", "tokens", "published"),
    [
        ("vllm-0.4-rocm", "llama-2-70b", "mi300x", 1, (294, 294), 22677.6),
        ("tensorrt-llm-2024", "mixtral-8x7b", "h100", 1, (300, 145), 52415.9),
    ],
)
def test_the_pace_of_other_stacks_is_what_mlperf_gives(stack, model, gpu, gpus, tokens, published):
    pace = published / 8 / predicted(model, gpu, gpus, *tokens)
    assert constants_for(stack, mixture=False).pace == pytest.approx(pace, rel=0.02)


@pytest.mark.parametrize(("model", "gpus", "tokens_in", "tokens_out", "published"), TENSORRT_LLM)
def test_throughput_is_within_a_sixth_of_every_published_row(model, gpus, tokens_in, tokens_out, published):
    assert predicted(model, "h100", gpus, tokens_in, tokens_out) == pytest.approx(published, rel=0.16)


def test_mean_error_over_the_published_rows_is_small():
    errors = [abs(predicted(m, "h100", n, i, o) / rate - 1) for m, n, i, o, rate in TENSORRT_LLM]
    assert np.mean(errors) < 0.05


def test_mixtures_of_experts_and_models_never_looked_at_stay_within_their_bands():
    for rows, mixture, largest in ((MIXTURES, True, 0.20), (FURTHER, False, 0.12)):
        errors = [abs(predicted(*row[:5]) / row[5] - 1) for row in rows]
        assert max(errors) < largest
        assert 1.25 * np.mean(errors) < constants_for("tensorrt-llm", mixture=mixture).log_error


@pytest.mark.parametrize(
    ("concurrency", "itl_ms", "tokens_per_s"), [(1, 18.58, 51.67), (25, 38.75, 623.4), (100, 92.91, 917.26)]
)
def test_latency_follows_the_published_sweep(concurrency, itl_ms, tokens_per_s):
    one = replica("llama-3.3-70b", "h100", 2)
    lengths = np.array([5000.0]), np.array([500.0])
    batch = np.minimum(one.batch_limit(*lengths), concurrency)  # of 100, about 80 find room
    assert one.itl_s(batch, *lengths)[0] * 1e3 == pytest.approx(itl_ms, rel=0.06)
    assert one.tokens_per_s(batch, *lengths)[0] == pytest.approx(tokens_per_s, rel=0.06)


def test_more_demand_needs_more_gpus_and_keeps_one_spare():
    def gpus(rate):
        return estimate_capacity(
            "llama-3.3-70b", "h100", requests_per_s=rate, tokens_in=1000, tokens_out=300
        ).gpus

    few, many = gpus(0.01), gpus(50)
    limits = {"tokens_in": 1000, "tokens_out": 300, "itl_s": 0.05, "ttft_s": 2}
    assert few == 2 * best_replica("llama-3.3-70b", "h100", requests_per_s=0.01, **limits).gpus
    assert many > few


@pytest.mark.parametrize("rate", [0.06, 1.0, 12.0, 60.0])
@pytest.mark.parametrize("spares", [0, 1])
def test_no_other_number_of_gpus_a_replica_needs_fewer_in_all(rate, spares):
    def sized(gpus):
        try:
            return estimate_capacity(
                "llama-3.3-70b",
                "h100",
                requests_per_s=rate,
                tokens_in=1500,
                tokens_out=24,
                spares=spares,
                gpus=gpus,
            ).gpus
        except RecipeError:  # it does not fit
            return np.inf

    assert sized(None) == min(map(sized, (1, 2, 4, 8)))


def test_the_limits_are_kept_and_cost_throughput():
    one = replica("llama-3.3-70b", "h100", 2)
    lengths = np.array([1000.0]), np.array([300.0])
    tight = one.requests_per_s(*lengths, itl_s=0.025, ttft_s=1.0)[0]
    loose = one.requests_per_s(*lengths, itl_s=0.2, ttft_s=10.0)[0]
    assert 0 < tight < loose
    found = estimate_capacity(
        "llama-3.3-70b", "h100", requests_per_s=12, tokens_in=1000, tokens_out=300, itl_s=0.04
    )
    assert found.itl_s.value <= 0.04
    assert found.ttft_p95_s.value <= 2.0
    assert found.itl_s.low < found.itl_s.value < found.itl_s.high


@pytest.mark.parametrize(
    ("model", "gpu", "says"),
    [
        ("deepseek-v3", "h100", "compressed (latent) attention"),
        ("llama-3.3-70", "h100", "Did you mean 'llama-3.3-70b'"),
        ("llama-3.3-70b", "h1000", "Did you mean 'h100'"),
        ("llama-3.1-405b", "rtx4090", "does not fit on 8 × rtx4090. It would take"),
    ],
)
def test_what_cannot_be_told_is_refused(model, gpu, says):
    with pytest.raises(RecipeError, match=re.escape(says)):
        estimate_capacity(model, gpu, requests_per_s=1, tokens_in=500, tokens_out=100)
