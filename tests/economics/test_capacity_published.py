"""The capacity model against published throughput.

Sources: TensorRT-LLM v1.0, docs/source/performance/perf-overview.md (PyTorch backend, FP8,
H100, output tokens per second); NVIDIA NIM benchmarking guide 1.0.0 (Llama-3.3-70B on two
H100, 5000 tokens in, 500 out).
"""

import numpy as np
import pytest

from sazon.core.errors import RecipeError
from sazon.economics.capacity import best_replica, estimate_capacity, replica_of

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


def predicted(model, gpus, tokens_in, tokens_out):
    replica = replica_of(model, "h100", gpus)
    lengths = np.array([float(tokens_in)]), np.array([float(tokens_out)])
    return float(replica.tokens_per_s(replica.batch_limit(*lengths), *lengths)[0])


@pytest.mark.parametrize(("model", "gpus", "tokens_in", "tokens_out", "published"), TENSORRT_LLM)
def test_throughput_is_within_a_fifth_of_every_published_row(model, gpus, tokens_in, tokens_out, published):
    assert predicted(model, gpus, tokens_in, tokens_out) == pytest.approx(published, rel=0.20)


def test_mean_error_over_the_published_rows_is_small():
    errors = [abs(predicted(*row[:4]) / row[4] - 1) for row in TENSORRT_LLM]
    assert np.mean(errors) < 0.06


@pytest.mark.parametrize(
    ("concurrency", "itl_ms", "tokens_per_s"), [(1, 18.58, 51.67), (25, 38.75, 623.4), (100, 92.91, 917.26)]
)
def test_latency_follows_the_published_sweep(concurrency, itl_ms, tokens_per_s):
    replica = replica_of("llama-3.3-70b", "h100", 2)
    arrays = np.array([float(concurrency)]), np.array([5000.0]), np.array([500.0])
    assert replica.itl_s(*arrays)[0] * 1e3 == pytest.approx(itl_ms, rel=0.20)
    assert replica.tokens_per_s(*arrays)[0] == pytest.approx(tokens_per_s, rel=0.10)


def test_more_demand_needs_more_gpus_and_keeps_one_spare():
    def gpus(rate):
        return estimate_capacity(
            "llama-3.3-70b", "h100", requests_per_s=rate, tokens_in=1000, tokens_out=300
        ).gpus

    few, many = gpus(0.01), gpus(50)
    one = best_replica("llama-3.3-70b", "h100", tokens_in=1000, tokens_out=300, itl_s=0.05, ttft_s=2).gpus
    assert few == 2 * one
    assert many > few


def test_the_limits_are_kept_and_cost_throughput():
    replica = replica_of("llama-3.3-70b", "h100", 2)
    lengths = np.array([1000.0]), np.array([300.0])
    tight = replica.requests_per_s(*lengths, itl_s=0.025, ttft_s=1.0)[0]
    loose = replica.requests_per_s(*lengths, itl_s=0.2, ttft_s=10.0)[0]
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
        ("mixtral-8x7b", "h100", "mixture of experts"),
        ("llama-3.3-70", "h100", "Did you mean 'llama-3.3-70b'"),
        ("llama-3.3-70b", "h1000", "Did you mean 'h100'"),
        ("llama-3.1-405b", "rtx4090", "does not fit on 8 × rtx4090. It would take"),
    ],
)
def test_what_cannot_be_told_is_refused(model, gpu, says):
    with pytest.raises(RecipeError, match=says.replace(".", r"\.")):
        estimate_capacity(model, gpu, requests_per_s=1, tokens_in=500, tokens_out=100)


def test_a_limit_below_the_hardware_is_refused_with_what_it_can_do():
    with pytest.raises(RecipeError, match="On 8 GPUs alone it takes"):
        estimate_capacity(
            "llama-3.3-70b", "h100", requests_per_s=1, tokens_in=500, tokens_out=100, itl_s=0.001
        )
