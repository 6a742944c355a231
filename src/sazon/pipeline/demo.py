"""The demo: the shipped task, the user's own file, a public set, or an endpoint measured as well."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from sazon import data, recipe
from sazon.core import digest, rng
from sazon.core.errors import PolicyRefused, RecipeError
from sazon.core.events import Emit, silent
from sazon.core.types import Dataset
from sazon.core.words import Language
from sazon.data.public import BANKING77
from sazon.evaluate.record import propose, record
from sazon.models.prompt import Prompt
from sazon.pipeline.asking import spending_price
from sazon.pipeline.surroundings import cache_folder
from sazon.recipe import Recipe
from sazon.recipe.write import first_recipe, task_name

PROVIDER = "frontier"
"""Name, in the demo's recipe, of the endpoint measured with --against, and of its candidate."""


def demo_recipe(*, data: Path | None = None, public: bool = False, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of `sazon demo`, of `--data FILE`, or of `--public`.

    Raises:
        RecipeError: both a file and the public set are wanted.
        DataError: the file cannot be read.
    """
    if data is not None and public:
        raise RecipeError("--data and --public exclude each other", mend="Choose one.")
    if data is not None:
        return _own(data, overrides)
    if public:
        return recipe.parse(_public(), name="banking77.yaml", overrides=overrides)
    text = (files("sazon.recipe") / "demo.yaml").read_text(encoding="utf-8")
    return recipe.parse(text, name="demo.yaml", overrides=overrides)


def _own(path: Path, overrides: Sequence[str]) -> Recipe:
    found = data.inspect(path)
    text = first_recipe(found, path=str(path.resolve()), name=task_name(path))
    return recipe.parse(text, name=f"{path.name} (recipe written by sazon)", overrides=overrides)


def _public() -> str:
    """A recipe for Banking77, saying where it comes from and under which licence."""
    config, note = BANKING77.config, f"{BANKING77.what}.\n# {BANKING77.citation}. {BANKING77.homepage}"
    if config.test is None:
        raise ValueError("the public set has a test file")
    return f"""# {note}
# Licence: {config.licence}. Downloaded from its source and checked against the digests below.
name: {BANKING77.name}
data:
  train: {{path: "{config.train.path}", sha256: "{config.train.sha256}"}}
  test: {{path: "{config.test.path}", sha256: "{config.test.sha256}"}}
  input: {config.input}
  target: {config.target}
  licence: {config.licence}
  public: true
models: {{minilm: {{source: "{recipe.EMBEDDED_BASE}"}}}}
candidates:
  floor:  {{technique: majority}}
  linear: {{technique: linear}}
  probe:  {{technique: transfer, base: minilm}}
"""


def record_demo(
    wanted: Recipe,
    *,
    url: str,
    model: str,
    key: str | None,
    spend: float,
    price: str | None,
    ask: Callable[[str], bool],
    offline: bool = True,
    emit: Emit = silent,
) -> Path:
    """Ask an endpoint for the demo's test texts, after consent, and keep the answers.

    Only texts declared public are sent, and only the test split: nothing is trained on the answers.

    Args:
        wanted: the demo's recipe.
        url: root of an OpenAI-compatible API.
        model: its name there.
        key: environment variable that holds the key.
        spend: most money this may cost.
        price: `genai:provider/model`; not needed for an endpoint on this machine where the recipe has one.
        ask: shows what would leave and returns whether the person agrees.
        offline: refuse to download the data.

    Raises:
        RecipeError: there is no price to compare costs with.
        PolicyRefused: no consent, data not public, or an address that is not allowed.
    """
    if price is None and PROVIDER not in wanted.config.providers:
        raise RecipeError(
            "no price is known to compare costs with", where=url, mend="Add --price genai:provider/model."
        )
    test, labels = _test_split(wanted, offline=offline)
    prompt = Prompt(labels=labels)
    proposal = propose(
        test,
        prompt=prompt,
        model=model,
        url=url,
        spend_cap=spend if spend > 0 else None,
        price=spending_price(price, where=PROVIDER),
        key=key,
    )
    language: Language = wanted.config.report.language
    if not ask(proposal.words(language)):
        raise PolicyRefused("no consent was given, so nothing was sent", mend="Run again and agree.")
    folder = cache_folder() / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    # One file an endpoint, model, prompt and test set: a recording never mixes two of them.
    asked = digest.of_text(url, model, *labels, test.digest)
    path = folder / f"{task_name(Path(model))}-{asked[:16]}.jsonl"
    recording = record(
        test,
        prompt=prompt,
        grant=proposal.confirm(now=time.time()),
        path=path,
        rng=rng.stream(wanted.config.seed, "evaluate.record"),
        emit=emit,
    )
    return recording.path


def with_recording(wanted: Recipe, recording: Path, *, url: str, model: str, price: str | None) -> Recipe:
    """The same recipe with the API's quality measured instead of assumed."""
    measured = {"technique": "api", "provider": PROVIDER, "recorded": str(recording)}
    added = [f"candidates.{PROVIDER}={json.dumps(measured)}"]
    for name, value in (("base_url", url), ("model", model), ("price", price)):
        if value is not None:
            added.append(f"providers.{PROVIDER}.{name}={json.dumps(value)}")
    return recipe.parse(
        wanted.text, name=f"{wanted.name}.yaml", root=wanted.root, overrides=[*wanted.overrides, *added]
    )


def _test_split(wanted: Recipe, *, offline: bool) -> tuple[Dataset, tuple[str, ...]]:
    """The test split exactly as the run will make it, and all labels."""
    config = wanted.config
    loaded = data.load(wanted.data, root=wanted.root, offline=offline, cache=cache_folder())
    splits = data.split(loaded, cascade=wanted.has_cascade, rng=rng.stream(config.seed, "data.split"))
    labels = tuple(sorted({*splits.fit.targets, *splits.validation.targets}))
    return splits.test, labels
