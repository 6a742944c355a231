"""A small task taken from the shipped data, its recipe, and one finished run of it."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

import sazon
from sazon.cli.main import app
from sazon.data import demo

INTENTS = ("book_appointment", "test_results", "price_question", "hours_location")
RECIPE = """\
name: small task
data:
  train: {path: small.csv}
  input: text
  target: intent
  group: customer
  site: branch
  language: language
  sensitivity: data_class
  public: true
providers:
  frontier: {base_url: "https://api.example.com/v1", model: big, price: "genai:openai/gpt-4.1"}
candidates:
  floor: {technique: majority}
  linear: {technique: linear}
  large: {technique: host, model: llama-3.3-70b, assumed: {accuracy: {p10: 0.7, p90: 0.9}}}
  frontier: {technique: api, provider: frontier, published: {k: 170, n: 200, source: "somebody's paper"}}
economics:
  worlds: 2000
  value_of_error: {p10: 0.2, p90: 2.0}
"""


def write_small_csv(path: Path, *, rows: int = 240) -> Path:
    """The first rows of four intents of the shipped data."""
    with demo.path().open(encoding="utf-8", newline="") as file:
        chosen = [row for row in csv.DictReader(file) if row["intent"] in INTENTS][:rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(chosen[0]))
        writer.writeheader()
        writer.writerows(chosen)
    return path


@pytest.fixture
def small_csv(tmp_path: Path) -> Path:
    return write_small_csv(tmp_path / "small.csv")


@pytest.fixture
def small_recipe(small_csv: Path) -> Path:
    path = small_csv.with_name("recipe.yaml")
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to read from and to copy with `shutil.copytree`, never to change."""
    folder = tmp_path_factory.mktemp("whole")
    write_small_csv(folder / "small.csv")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAZON_CACHE", str(folder / "cache"))
        sazon.run(folder / "recipe.yaml", out=folder / "run", offline=True)
    return folder / "run"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call `sazon` with words, in an empty directory; a bug fails the test with its traceback."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object, answers: str | None = None) -> Result:
        result = CliRunner().invoke(app, [str(w) for w in words], input=answers)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result

    return call


@pytest.fixture
def copied_run(finished: Path, small_recipe: Path) -> Path:
    """A finished run of one's own, beside its recipe and data, to go on with."""
    return Path(shutil.copytree(finished, small_recipe.with_name("run")))


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `sazon` in a process of its own; none outlives the test."""
    with contextlib.ExitStack() as stack:

        def start(*words: object, **options: Any) -> subprocess.Popen[str]:
            line = [sys.executable, "-c", "from sazon.cli import main; main()", *map(str, words)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            # What people see must not depend on this switch of Python's.
            own = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
            started = stack.enter_context(subprocess.Popen(line, env=own, **pipes | options))
            stack.callback(started.kill)
            return started

        yield start
