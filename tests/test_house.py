"""The house itself: every package, word, plug-in and text file keeps the same few rules."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import string
import subprocess
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from pydantic import BaseModel

import sazon
from sazon.core import errors, registry
from sazon.core.words import catalogue

ROOT = Path(__file__).parents[1]
SOURCE = Path(sazon.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 450
MACHINE_PATHS = re.compile(r"(?<![\w.\])}~-])/(?:work|root|tmp|home|Users)/(?!\*)\w|\.\./shared")
INDEX_HOSTS = re.compile(
    r"(?i)--(?:extra-)?index-url|--find-links|artifactory|/simple/|download\.pytorch\.org"
)


def tracked() -> list[Path]:
    """All text files that belong to the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = (ROOT / name for name in listed.stdout.splitlines())
    return [p for p in files if p.is_file() and b"\0" not in p.read_bytes()[:4096]]


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# ------------------------------------------------------------------------------ files


def test_the_lock_holds_names_and_versions_only() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    wrong = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9][\w.-]*==[\w.!]+", line)]
    assert not wrong
    assert "torch==2.13.0" in lines
    locked = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=\[]", line)[0].lower() for line in project["dependencies"]}
    assert needed <= locked


def test_no_file_knows_a_machine_or_an_index() -> None:
    for path in tracked():
        if path == Path(__file__):
            continue
        text = path.read_text("utf-8", errors="replace")
        for rule in (MACHINE_PATHS, INDEX_HOSTS):
            found = rule.search(text)
            assert found is None, f"{path.relative_to(ROOT)}: {found and found.group()}"


def test_no_file_is_too_long() -> None:
    lengths = {p.relative_to(SOURCE): len(p.read_text("utf-8").splitlines()) for p in MODULES}
    assert {path: n for path, n in lengths.items() if n > MOST_LINES} == {}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_module_says_what_it_is_and_exports_what_it_names(path: Path) -> None:
    source = path.read_text("utf-8")
    assert not source.strip() or ast.get_docstring(ast.parse(source))
    module = importlib.import_module(module_name(path))
    missing = [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)]
    assert not missing


# ------------------------------------------------------------------------------ words


def packages_with_words() -> list[str]:
    return sorted(module_name(p.parent / "__init__.py") for p in SOURCE.glob("**/words"))


@pytest.mark.parametrize("package", packages_with_words())
def test_both_languages_say_the_same(package: str) -> None:
    en, es = catalogue(package, "en"), catalogue(package, "es")
    assert set(en) == set(es)

    def placeholders(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    assert {k: placeholders(v) for k, v in en.items()} == {k: placeholders(v) for k, v in es.items()}
    assert all(text.strip() for text in (*en.values(), *es.values()))


# ---------------------------------------------------------------------------- plug-ins


@pytest.mark.parametrize("name", registry.names("technique"))
def test_techniques_satisfy_their_seam(name: str) -> None:
    technique = registry.load("technique", name)
    assert technique.__doc__
    assert technique.stage in {"adapt", "federate", "evaluate"}
    assert callable(technique().parents)
    assert callable(technique().make if technique.stage == "evaluate" else technique().adapt)
    assert technique.Config.model_config["frozen"]
    assert technique.Config.model_config["strict"]
    assert technique.Config.model_config["extra"] == "forbid"
    assert "technique" not in technique.Config.model_fields


@pytest.mark.parametrize("name", registry.names("predictor"))
def test_predictors_satisfy_their_seam(name: str) -> None:
    predictor = registry.load("predictor", name)
    assert all(callable(getattr(predictor, method)) for method in ("load", "predict"))


@pytest.mark.parametrize("name", registry.names("scorer"))
def test_scorers_score_a_right_answer_with_one(name: str) -> None:
    assert registry.load("scorer", name)("a", "a") == 1.0


def test_the_installed_plug_ins_are_those_of_the_project() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    for group, wanted in declared.items():
        found = {e.name: e.value for e in entry_points(group=group) if e.value.startswith("sazon.")}
        assert found == wanted


def configs() -> list[type[BaseModel]]:
    """Every config class of the package."""
    for path in MODULES:
        importlib.import_module(module_name(path))
    found, waiting = [], [BaseModel]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if kind.__module__.startswith("sazon."):
                found.append(kind)
    return found


def test_every_option_is_documented() -> None:
    assert len(configs()) > 20
    without = [f"{c.__name__}.{n}" for c in configs() for n, f in c.model_fields.items() if not f.description]
    assert not without


def test_every_error_has_an_exit_code_for_people() -> None:
    kinds, waiting = [], [errors.SazonError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            kinds.append(kind)
    assert {k.__name__ for k in kinds} >= set(re.findall(r"(?:├──|└──) (\w+)", errors.__doc__))
    said = dict(re.findall(r"(?:├──|└──) (\w+) .*exit (\d)", errors.__doc__))
    for kind in (k for k in kinds if k.__module__ == errors.__name__):
        assert said[kind.__name__] == str(kind.exit_code)
    assert all(kind.exit_code in (2, 3) for kind in kinds if kind.__module__.startswith("sazon."))


def test_every_module_can_be_found() -> None:
    names = {name for _, name, _ in pkgutil.walk_packages([str(SOURCE)], "sazon.")}
    assert names == {module_name(p) for p in MODULES} - {"sazon"}
