"""Comparing what the candidates answered to the test set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sazon import economics, evaluate, models
from sazon.core import digest, files
from sazon.core.types import Candidate, Evaluation, QualityDraws, Robustness
from sazon.data.plain import plain
from sazon.pipeline.answering import answers_of
from sazon.pipeline.judging import verdict_digests, verdicts_of
from sazon.pipeline.kitchen import Kitchen
from sazon.pipeline.options import economic_options, with_hosted_latency


def evaluate_and_option(
    kitchen: Kitchen, candidates: Sequence[Candidate]
) -> tuple[Evaluation, QualityDraws, list[economics.Option]]:
    """How good every candidate is, and what economics must know of it to price it."""
    evaluation, quality = evaluate_all(kitchen, candidates)
    options = economic_options(kitchen.recipe, candidates, evaluation, prices=kitchen.prices)
    return with_hosted_latency(evaluation, options, kitchen.economics_config), quality, options


def evaluate_all(kitchen: Kitchen, candidates: Sequence[Candidate]) -> tuple[Evaluation, QualityDraws]:
    """Let every candidate that runs answer the test set, then compare them."""
    config, splits, opened = kitchen.recipe.config, kitchen.splits, kitchen.run
    sheets = answers_of(kitchen, candidates)
    verdicts = verdicts_of(kitchen, sheets)
    inputs = {
        "config": digest.of_text(config.evaluate.model_dump_json()),
        "worlds": str(config.economics.worlds),
        "error_costs": digest.of_json(dict(config.economics.error_costs)),
        "test": splits.test.digest,
        "columns": digest.of_json([dict(e.columns) for e in splits.test.examples]),
        "translations": digest.of_text(*(e.translation or "" for e in splits.test.examples)),
        "currencies": digest.of_json(_currencies(kitchen, candidates)),
        "unlabelled": kitchen.unlabelled.digest if kitchen.unlabelled else "",
        "fit": splits.fit.digest,
        "validation": splits.validation.digest,
        **{f"answers.{n}": digest.of_folder(opened.directory / "answers" / n) for n in sheets},
        **kitchen.digests(candidates),
        **verdict_digests(kitchen, sheets),
    }

    def work(folder: Path) -> None:
        scores = evaluate.score(sheets, splits.test, grader=evaluate.Grader(config.evaluate))
        scores.table.write_parquet(folder / "scores.parquet")
        evaluation = evaluate.compare(
            config.evaluate,
            candidates,
            sheets,
            scores,
            splits.test,
            rng=opened.rng("evaluate.compare"),
            seen=_learnt_from(kitchen),
            shaken=_shake(kitchen, candidates),
            currencies=_currencies(kitchen, candidates),
            verdicts=verdicts,
        )
        quality = evaluate.draw(
            config.evaluate,
            candidates,
            sheets,
            splits.test,
            draws=config.economics.worlds,
            error_weights=config.economics.error_costs or None,
            rng=opened.rng("evaluate.draws"),
        )
        (folder / "estimates.json").write_text(files.to_json(evaluation), encoding="utf-8")
        (folder / "claims.json").write_text(files.to_json(evaluation.claims), encoding="utf-8")
        files.write_quality(quality, folder)

    folder = opened.stage("evaluate", inputs=inputs, work=work)
    text = (folder / "estimates.json").read_text("utf-8")
    return files.from_json(Evaluation, text, where=str(folder)), files.read_quality(folder)


def _learnt_from(kitchen: Kitchen) -> tuple[str, ...]:
    """Texts that candidates learnt from or chose on, to look for them in the test set."""
    splits, further = kitchen.splits, kitchen.unlabelled.inputs if kitchen.unlabelled else []
    held_out = kitchen.held_out if further else frozenset()
    # Techniques leave out further texts that are held out, so equal ones there are no leak.
    usable = [text for text in further if digest.of_text(plain(text)) not in held_out]
    return (*splits.fit.inputs, *splits.validation.inputs, *usable)


def _currencies(kitchen: Kitchen, candidates: Sequence[Candidate]) -> dict[str, str]:
    """Candidate → currency of what its answers cost: its provider's, or that of all its members."""
    by_name = {c.name: c for c in candidates}

    def of(name: str) -> set[str]:
        price = kitchen.prices.get(str(getattr(kitchen.recipe.plan(name).config, "provider", "")))
        if price is not None:
            return {price.currency}
        return {c for parent in by_name[name].parents if parent in by_name for c in of(parent)}

    known = {name: of(name) for name in by_name}
    return {name: next(iter(found)) for name, found in known.items() if len(found) == 1}


def _shake(kitchen: Kitchen, candidates: Sequence[Candidate]) -> tuple[Robustness, ...]:
    """Ask every measured candidate again, with changed texts, where the recipe wants it."""
    config = kitchen.recipe.config.evaluate
    if not config.robustness.changes:
        return ()
    loaded = {c.name: models.load(c) for c in candidates if c.artifact is not None}
    return evaluate.try_changes(
        loaded,
        kitchen.splits.test,
        config.robustness.changes,
        rows=config.robustness.rows,
        level=config.level,
        rng=kitchen.run.rng("evaluate.robustness"),
        grader=evaluate.Grader(config),
        learnt=_learnt_from(kitchen),
    )
