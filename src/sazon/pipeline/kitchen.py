"""Before the first stage: read and check the data, find the bases, split once, write down what holds."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sazon import data, economics, models
from sazon.core import digest, files
from sazon.core.errors import DataError
from sazon.core.run import Run, read_resolved
from sazon.core.seams import Base
from sazon.core.types import Candidate, Dataset, Finding, Splits
from sazon.core.words import sentences
from sazon.data import Loaded
from sazon.data.plain import plain
from sazon.pipeline.opting_in import Allowed, allowed
from sazon.pipeline.options import check_hosts, check_risks, prices_of, with_tokens
from sazon.pipeline.surroundings import cache_folder, machine, versions
from sazon.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Kitchen:
    """What every stage of one run needs at hand."""

    recipe: Recipe
    run: Run
    splits: Splits
    unlabelled: Dataset | None
    """Texts without an answer, which `adapt` may use."""
    bases: Mapping[str, Base]
    cache: Path
    prices: Mapping[str, economics.TokenPrice]
    """What each provider charges, as of the day the run began."""
    recordings: Mapping[str, Path] = field(default_factory=dict)
    """Where the answers of live candidates lie."""
    allowed: Allowed = field(default_factory=Allowed)
    """Whose rows may be used for what."""

    @property
    def economics_config(self) -> economics.EconomicsConfig:
        """The recipe's economics, tokens per request filled in from the data."""
        return with_tokens(self.recipe.config.economics, self.splits.test, task=self.recipe.data.task)

    @property
    def held_out(self) -> frozenset[str]:
        """Digests of the texts that further texts must not bring into training."""
        apart = (self.splits.trust, self.splits.calibration, self.splits.test)
        return frozenset(digest.of_text(plain(text)) for d in apart if d is not None for text in d.inputs)

    def digests(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        """Digest of every candidate as it is stored: the same wherever the run stands."""
        folder = self.run.directory / "adapt"
        return {f"candidate.{c.name}": digest.of_file(folder / c.name / "candidate.json") for c in candidates}


def run_directory(wanted: Recipe, out: Path | None) -> Path:
    """Where a run of this recipe lies: as asked, or `runs/<name>-<digest>` in the working directory."""
    return out or Path("runs") / f"{_slug(wanted.name)}-{wanted.digest[:10]}"


def _slug(name: str) -> str:
    return "-".join(name.lower().split())


def look(wanted: Recipe, *, offline: bool) -> tuple[Loaded, dict[str, Base], list[Finding]]:
    """Read and check the data and find the base models, without doing any work.

    Raises:
        DataError: the data cannot be read, or cannot carry the task.
        EnvironmentLacks: a base model is not there.
    """
    config, cache = wanted.config, cache_folder()
    loaded = data.load(wanted.data, root=wanted.root, offline=offline, cache=cache)
    bases = {
        name: models.resolve_base(name, m.source, root=wanted.root, offline=offline, cache=cache)
        for name, m in config.models.items()
        if any(p.base == name for p in wanted.plans)
    }
    languages = {n: tuple(config.models[n].languages) or b.languages for n, b in bases.items()}
    findings = data.check(loaded, base_languages=languages)
    errors = [DataError(f.what, where=f.where, mend=f.mend) for f in findings if f.level == "error"]
    if errors:
        raise DataError(f"{len(errors)} problem(s) in the data", problems=errors)
    return loaded, bases, findings


def prepare(wanted: Recipe, opened: Run, *, offline: bool) -> tuple[Kitchen, list[Finding]]:
    """Look, split the data once, leave out who did not opt in, and write down everything resolved."""
    check_hosts(wanted)
    check_risks(wanted)
    loaded, bases, findings = look(wanted, offline=offline)
    whole = data.split(loaded, cascade=wanted.has_cascade, rng=opened.rng("data.split"))
    may = allowed(wanted)
    splits, unlabelled, left_out = may.splits(whole, loaded.unlabelled)
    findings += left_out
    day = prices_on(opened)
    prices = prices_of(wanted, on=day)
    write_down(
        wanted,
        opened,
        prices_on=day,
        found={
            "bases": {n: {"revision": b.revision, "source": b.source} for n, b in bases.items()},
            "splits": splits.digests,
            "how_split": sentences(splits.how, "en"),
        },
    )
    kitchen = Kitchen(
        recipe=wanted,
        run=opened,
        splits=splits,
        unlabelled=unlabelled,
        allowed=may,
        bases=bases,
        cache=cache_folder(),
        prices=prices,
    )
    opened.stage("data", inputs=splits.digests, work=lambda folder: _write_data(kitchen, findings, folder))
    return kitchen, findings


def write_down(wanted: Recipe, opened: Run, *, prices_on: datetime.date, found: Mapping[str, object]) -> None:
    """Write the recipe and everything that was resolved, with what was found of data and bases."""
    resolved = {
        "seed": wanted.config.seed,
        "root": os.path.relpath(wanted.root, opened.directory),
        "overrides": wanted.overrides,
        "prices_on": prices_on.isoformat(),
        "recipe": wanted.resolved,
        "recipe_digest": wanted.digest,
        **found,
        "versions": versions(),
        "machine": machine(),
    }
    opened.write("recipe.yaml", wanted.text)
    opened.write("resolved.json", json.dumps(resolved, indent=1, ensure_ascii=False) + "\n")


def prices_on(opened: Run) -> datetime.date:
    """The day a run began: resuming it later must not change its prices."""
    if (opened.directory / "resolved.json").is_file():
        return datetime.date.fromisoformat(read_resolved(opened.directory)["prices_on"])
    return datetime.datetime.now(tz=datetime.UTC).date()


def _write_data(kitchen: Kitchen, findings: list[Finding], folder: Path) -> None:
    """Write which ids stand in which split, never inputs."""
    s = kitchen.splits
    parts = [d for d in (s.fit, s.validation, s.trust, s.calibration, s.test) if d is not None]
    ids = {d.split: d.ids for d in parts}
    (folder / "splits.json").write_text(json.dumps(ids, indent=1), encoding="utf-8")
    (folder / "findings.json").write_text(files.to_json(tuple(findings)), encoding="utf-8")
