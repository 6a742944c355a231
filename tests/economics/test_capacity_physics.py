"""What must hold of the capacity model whatever the numbers: limits, units and directions."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sazon.core.errors import RecipeError
from sazon.economics.capacity import (
    architecture_from,
    architecture_named,
    curve,
    estimate_capacity,
    gpu_named,
    replica_of,
)
from sazon.economics.capacity.architecture import Experts
from sazon.stats.queues import TAIL, erlang_c, largest_load, tail_wait

MODELS = st.sampled_from(["llama-3.1-8b", "llama-3.3-70b", "mixtral-8x7b", "llama-4-scout", "gpt-oss-120b"])
GPUS = st.sampled_from(["h100", "h200", "a100", "l40s"])
TOKENS = st.integers(1, 20_000)


def replica(model, gpu, gpus):
    return replica_of(architecture_named(model), gpu_named(gpu), gpus)


def one(*values):
    return tuple(np.array([float(v)]) for v in values)


# ---------------------------------------------------------------------- queues


@pytest.mark.parametrize(("servers", "offered", "waits"), [(2, 1.0, 1 / 3), (1, 0.7, 0.7), (3, 3.0, 1.0)])
def test_erlang_c_known_values(servers, offered, waits):
    assert erlang_c(servers, offered) == pytest.approx(waits)


@given(st.integers(1, 60), st.floats(0.001, 0.999))
def test_erlang_c_is_the_sum_of_its_definition(servers, load):
    offered = load * servers
    terms = [offered**j / math.factorial(j) for j in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - load)
    assert erlang_c(servers, offered) == pytest.approx(last / (sum(terms) + last), rel=1e-9)


@given(st.integers(1, 40), st.floats(0.01, 0.99))
def test_one_queue_for_more_servers_never_makes_the_slowest_wait_longer(servers, load):
    assert tail_wait(load, servers=servers + 1) <= tail_wait(load, servers=servers) + 1e-12


@given(st.floats(0.0, 200.0))
def test_largest_load_and_tail_wait_are_inverse(slack):
    load = float(largest_load(np.array([slack]))[0])
    assert 0 < load < 1
    assert load >= TAIL - 1e-9
    assert tail_wait(load) <= slack + 1e-6
    assert tail_wait(min(load * 1.01, 0.99999)) >= min(slack, tail_wait(load))


def test_the_wait_grows_without_bound_at_full_load():
    assert tail_wait(TAIL / 2) == 0
    assert tail_wait(0.999) > 1000
    assert tail_wait(1.0) == math.inf
    assert largest_load(np.array([-1.0]))[0] == pytest.approx(TAIL, abs=0.01)


# --------------------------------------------------------------------- experts


@given(st.integers(1, 256), st.data())
def test_experts_touched_run_from_the_chosen_to_all(count, data):
    chosen = data.draw(st.integers(1, count))
    experts = Experts(count=count, chosen=chosen, layers=1, parameters=1.0)
    assert count * experts.touched(np.array(1.0)) == pytest.approx(chosen)
    assert experts.touched(np.array(1e9)) == pytest.approx(1.0)
    batches = np.arange(1.0, 50.0)
    assert (np.diff(experts.touched(batches)) >= -1e-12).all()


def test_experts_touched_is_the_mean_of_random_choices():
    rng = np.random.default_rng(0)
    chosen = rng.random((20_000, 12, 8)).argsort(axis=2)[:, :, :2]  # 12 tokens choose 2 of 8
    counted = np.mean([len(set(worlds.ravel())) for worlds in chosen])
    experts = Experts(count=8, chosen=2, layers=1, parameters=1.0)
    assert 8 * experts.touched(np.array(12.0)) == pytest.approx(counted, rel=0.005)


# ------------------------------------------------------------------ directions


@given(MODELS, GPUS, TOKENS, TOKENS, st.floats(1, 2000))
def test_more_load_is_slower_and_gives_more(model, gpu, tokens_in, tokens_out, batch):
    at = replica(model, gpu, 4)
    lengths = one(tokens_in, tokens_out)
    few, many = at.tokens_per_s(np.array([batch, batch * 1.5]), *lengths)
    assert many >= few * (1 - 1e-9)
    quick, slow = at.itl_s(np.array([batch, batch * 1.5]), *lengths)
    assert slow >= quick


@given(MODELS, GPUS, TOKENS, TOKENS, st.floats(1, 500))
def test_longer_prompts_are_never_faster(model, gpu, tokens_in, tokens_out, batch):
    at = replica(model, gpu, 2)
    short, long = one(tokens_in, tokens_out), one(tokens_in * 1.3 + 1, tokens_out)
    held = np.array([batch])
    assert at.prefill_s(long[0])[0] > at.prefill_s(short[0])[0]
    assert at.tokens_per_s(held, *long)[0] <= at.tokens_per_s(held, *short)[0]
    assert at.batch_limit(*long)[0] <= at.batch_limit(*short)[0]


@given(
    st.sampled_from(["llama-3.1-8b", "llama-3.3-70b", "qwen2.5-32b"]),
    st.sampled_from(["h100", "h200", "a100"]),
    TOKENS,
    st.integers(1, 4000),
)
def test_more_gpus_never_give_less(model, gpu, tokens_in, tokens_out):
    lengths = one(tokens_in, tokens_out)
    rates = [replica(model, gpu, n) for n in (1, 2, 4, 8)]
    full = [float(r.full_rate(*lengths)[0]) for r in rates if r.batch_limit(*lengths)[0] >= 1]
    assert full == sorted(full)


@settings(max_examples=25)
@given(st.floats(0.1, 500), st.floats(1.05, 4))
def test_more_demand_never_needs_fewer_gpus(rate, factor):
    def gpus(requests_per_s):
        return estimate_capacity(
            "llama-3.1-8b", "h100", requests_per_s=requests_per_s, tokens_in=500, tokens_out=200
        ).gpus

    assert gpus(rate * factor) >= gpus(rate)


def test_units_one_token_alone_reads_the_weights_once():
    at = replica("llama-3.3-70b", "h100", 2)
    fitted = at.constants
    weights = (70.553706496e9 - 2 * 128256 * 8192) + 2 * 2 * 128256 * 8192
    assert at.weight_bytes == pytest.approx(weights)
    assert at.kv_bytes_per_token == 2 * 80 * 8 * 128
    reading = weights / (2 * 3.35e12 * 0.95)
    step = float(at.decode_s(*one(1, 1, 1))[0])
    overhead = 80 * fitted.seconds_per_layer + fitted.seconds_per_sequence
    assert step == pytest.approx(reading + overhead, rel=0.01)


def test_a_slower_stack_takes_longer_by_its_pace():
    def found(stack):
        return estimate_capacity(
            "llama-2-70b", "mi300x", requests_per_s=5, tokens_in=300, tokens_out=300, gpus=2, stack=stack,
            itl_s=0.2, ttft_s=5,
        )  # fmt: skip

    quick, slow = found("tensorrt-llm"), found("vllm-0.4-rocm")
    assert slow.tokens_per_s.value == pytest.approx(0.575 * quick.tokens_per_s.value)
    assert slow.replica.constants.log_error > quick.replica.constants.log_error > 0.2  # another maker's GPU


def test_the_figures_hang_together():
    found = estimate_capacity(
        "llama-3.3-70b", "h100", requests_per_s=12, tokens_in=1000, tokens_out=300, itl_s=0.04
    )
    assert found.gpus == found.replicas * found.replica.gpus
    assert found.gpus_cautious >= found.gpus
    asked = (found.replicas - found.spares) * found.requests_per_s.value * found.utilisation.value
    assert asked == pytest.approx(12)
    best = max(found.tried, key=lambda t: t.requests_per_s_per_gpu)
    assert best.gpus == found.replica.gpus
    steps = curve(found)
    assert steps[0].batch == 1
    assert steps[-1].tokens_per_s == pytest.approx(found.tokens_per_s.value)
    for estimate in (found.tokens_per_s, found.itl_s, found.ttft_p95_s):
        assert estimate.high / estimate.value == pytest.approx(estimate.value / estimate.low)
        assert estimate.level == 0.8


def test_mixtures_and_unfitted_gpus_have_wider_bands():
    def width(model, gpu):
        found = estimate_capacity(
            model, gpu, requests_per_s=1, tokens_in=300, tokens_out=100, itl_s=0.3, ttft_s=5
        )
        return found.tokens_per_s.high / found.tokens_per_s.low

    assert width("mixtral-8x7b", "h100") > width("llama-3.1-8b", "h100")
    assert width("llama-3.1-8b", "l40s") > width("llama-3.1-8b", "h100")


# -------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"requests_per_s": 0}, "requests per s = 0"),
        ({"requests_per_s": -3}, "requests per s = -3"),
        ({"requests_per_s": math.nan}, "requests per s = nan"),
        ({"itl_s": 0}, "itl = 0"),
        ({"ttft_s": -1}, "ttft = -1"),
        ({"tokens_in": 0}, "tokens must be 1 or more"),
        ({"tokens_out": math.inf}, "tokens out = inf"),
        ({"spares": -1}, "spares cannot be negative"),
        ({"gpus": 3}, "cannot be cut over 3 GPUs"),
        ({"itl_s": 0.001}, "1 ms per token (attainable: "),
        ({"ttft_s": 0.001}, "1 ms to the first token (attainable: "),
        ({"precision": "fp4"}, "h100 has no fp4"),
        ({"stack": "vllm"}, "unknown serving stack 'vllm'"),
        ({"tokens_in": 4_000_000}, "does not fit on 8 × h100"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changed, says):
    asked = {"requests_per_s": 1, "tokens_in": 500, "tokens_out": 100}
    with pytest.raises(RecipeError) as refused:
        estimate_capacity("llama-3.3-70b", "h100", **(asked | changed))
    assert says in str(refused.value)


def test_a_limit_that_is_refused_says_what_can_be_had():
    asked = {"requests_per_s": 1, "tokens_in": 500, "tokens_out": 100}
    with pytest.raises(RecipeError) as refused:
        estimate_capacity("llama-3.3-70b", "h100", itl_s=0.001, **asked)
    least = float(str(refused.value).partition("1 ms per token (attainable: ")[2].partition(" ms")[0]) / 1e3
    assert estimate_capacity("llama-3.3-70b", "h100", itl_s=least * 1.02, **asked).gpus >= 16


# --------------------------------------------------------------- own model's numbers

LLAMA = {
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096,
    "vocab_size": 128256, "intermediate_size": 14336,
}  # fmt: skip
MIXTRAL = LLAMA | {"vocab_size": 32000, "num_local_experts": 8, "num_experts_per_tok": 2}


@pytest.mark.parametrize(("told", "name"), [(LLAMA, "llama-3.1-8b"), (MIXTRAL, "mixtral-8x7b")])
def test_parameters_counted_from_a_config_are_those_published(told, name, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(told))
    counted, known = architecture_from(path), architecture_named(name)
    assert counted.parameters == pytest.approx(known.parameters, rel=1e-3)
    assert counted.active == pytest.approx(known.active, rel=1e-3)
    assert counted.shared_bytes("fp8") == pytest.approx(known.shared_bytes("fp8"), rel=1e-2)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("[]", "no object at the top"),
        ("{", "cannot be read as JSON"),
        ("{}", "needs num_hidden_layers (layers), num_attention_heads"),
        (json.dumps(LLAMA | {"hidden_size": "wide"}), "needs hidden_size (hidden width)"),
        (json.dumps(LLAMA | {"kv_lora_rank": 512}), "compressed (latent) attention"),
        (json.dumps(MIXTRAL | {"num_experts_per_tok": 9}), "9 experts chosen out of 8"),
    ],
)
def test_a_config_that_lacks_something_says_what(written, says, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(written)
    with pytest.raises(RecipeError) as refused:
        architecture_from(path)
    assert says in str(refused.value)
