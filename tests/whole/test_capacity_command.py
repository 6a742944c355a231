"""`sazon capacity`: a table, a plot, a picture and JSON, in both languages; errors that help."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest
from typer.testing import CliRunner

from sazon.cli.main import app

ASKED = ["--requests-per-second", "12", "--input", "1000", "--output", "300", "--itl-ms", "40"]
NAMED = ["--model", "llama-3.3-70b", "--gpu", "h100", "--ttft-ms", "2000"]
MEASURED = "concurrency,input,output,tokens_per_s\n8,1000,300,330\n64,1000,300,1350\n"


def sazon(*words):
    return CliRunner().invoke(app, ["capacity", *ASKED, *map(str, words)])


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", ["chosen", "because the fewest GPUs are then needed in all", "8 in 10 between", "2,745"]),
        ("es", ["elegida", "porque así se necesitan menos GPU en total", "8 de cada 10 entre", "2.745"]),
    ],
)
def test_it_says_what_it_takes_and_why_in_both_languages(language, says):
    result = sazon(*NAMED, "--lang", language)
    assert result.exit_code == 0
    for text in (*says, "h100", "fp8", "40 ms", "█"):
        assert text in result.output
    marked = [line for line in result.output.splitlines() if "limit" in line.rpartition("█")[2]] or [
        line for line in result.output.splitlines() if "límite" in line.rpartition("█")[2]
    ]
    assert marked  # sequences beyond 40 ms a token


def test_json_holds_figures_with_their_bands_and_the_curve():
    told = json.loads(sazon(*NAMED, "--json").output)
    assert told["gpus"] == told["replicas"] * told["replica"]["gpus"]
    assert told["tokens_per_s"]["low"] < told["tokens_per_s"]["value"] < told["tokens_per_s"]["high"]
    assert told["tokens_per_s"]["kind"] == "assumed"
    assert told["curve"][0]["batch"] == 1
    assert told["itl_s"]["value"] <= 0.04


def test_the_picture_is_svg(tmp_path):
    path = tmp_path / "curve.svg"
    result = sazon(*NAMED, "--plot", path)
    assert result.exit_code == 0
    assert str(path) in result.output
    assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_own_measurements_move_the_figures_and_narrow_the_band(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(MEASURED)
    before = json.loads(sazon(*NAMED, "--gpus", 2, "--json").output)["tokens_per_s"]
    result = sazon(*NAMED, "--gpus", 2, "--measured", path)
    assert "Re-calibrated on 2 measurements" in result.output
    after = json.loads(sazon(*NAMED, "--gpus", 2, "--measured", path, "--json").output)["tokens_per_s"]
    assert after["value"] < 0.95 * before["value"]
    assert after["high"] / after["low"] < 0.75 * before["high"] / before["low"]


def test_a_model_of_ones_own_is_told_by_its_config(tmp_path):
    path = tmp_path / "config.json"
    layers = {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8}
    path.write_text(
        json.dumps({**layers, "hidden_size": 4096, "vocab_size": 128256, "intermediate_size": 14336})
    )
    own = json.loads(sazon("--config", path, "--json").output)
    known = json.loads(sazon("--model", "llama-3.1-8b", "--json").output)
    assert own["tokens_per_s"]["value"] == pytest.approx(known["tokens_per_s"]["value"], rel=1e-3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Give --model NAME or --config FILE"),
        (["--model", "llama-3.3-70"], "Did you mean 'llama-3.3-70b'"),
        (["--model", "my-own"], "layers, heads, hidden width"),
        ([*NAMED, "--gpu", "h1000"], "Did you mean 'h100'"),
        ([*NAMED, "--requests-per-second", "-1"], "requests per s = -1"),
        ([*NAMED, "--itl-ms", "5"], "5 ms per token (attainable: 10"),
        ([*NAMED, "--ttft-ms", "20"], "20 ms to the first token (attainable:"),
        ([*NAMED, "--precision", "int4"], "h100 has no int4. It has fp8, bf16"),
        ([*NAMED, "--parameters", "7e9"], "--parameters belongs to --config"),
        ([*NAMED, "--lang", "fr"], "no words in 'fr'"),
        (["--model", "llama-3.1-405b", "--gpu", "rtx4090"], "It would take 20 of them"),
    ],
)
def test_errors_say_what_and_how_to_mend_it(words, says):
    result = sazon(*words)
    assert result.exit_code == 2
    assert says in result.output
