"""The judge of answers: asked once, after consent, about answers that lie in the run; then read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sazon import evaluate
from sazon.core import digest
from sazon.core.errors import PolicyRefused, RecipeError
from sazon.core.events import Emit, silent
from sazon.core.run import Run
from sazon.evaluate.judge import Verdicts, prompt_of, to_judge
from sazon.pipeline.answering import answers_of
from sazon.pipeline.asking import Asking, price_for, recording_file
from sazon.pipeline.asking_people import refuse_unkept
from sazon.pipeline.kitchen import Kitchen, run_directory
from sazon.pipeline.making import made
from sazon.pipeline.unlocking import unlocked
from sazon.recipe import Recipe

JUDGE = "evaluate.judge"
"""What `--record` calls it."""


def prepare_judge(wanted: Recipe, *, out: Path | None, offline: bool = False, emit: Emit = silent) -> Asking:
    """Make the candidates, let them answer, and say what the judge is to be asked; nothing is sent.

    Args:
        wanted: the recipe.
        out: run directory, as of the run that will use the verdicts.
        offline: refuse every download.
        emit: told of progress.

    Raises:
        RecipeError: the recipe has no judge.
        PolicyRefused: the data is not public and there are no keys, or a live candidate has not answered yet.
    """
    if wanted.config.evaluate.judge is None:
        raise RecipeError("the recipe has no judge", where="--record", mend="Write evaluate.judge.")
    with (
        unlocked(wanted),
        Run.start(run_directory(wanted, out), seed=wanted.config.seed, emit=emit) as opened,
    ):
        kitchen, candidates = made(wanted, opened, offline=offline)
        asking = asking_judge(kitchen, answers_of(kitchen, candidates))
    refuse_unkept(asking)
    return asking


def asking_judge(kitchen: Kitchen, sheets: Mapping[str, evaluate.AnswerSheet]) -> Asking:
    """What the judge would be asked, and where its verdicts are kept."""
    wanted = kitchen.recipe
    config = wanted.config.evaluate.judge
    assert config is not None  # noqa: S101 - callers ask only where there is one
    to, prompt = wanted.config.providers[config.provider], prompt_of(config)
    rows = to_judge(sheets.values(), kitchen.splits.test)
    return Asking(
        name=JUDGE,
        options=config,
        provider=config.provider,
        to=to,
        prompt=prompt,
        rows=rows,
        examples=rows.select([]),
        trains=rows.select([]),
        may=kitchen.allowed,
        path=recording_file(to, prompt, public=rows.public),
        price=price_for(to, where=config.provider),
        wanted=prompt.labels,
    )


def verdicts_of(kitchen: Kitchen, sheets: Mapping[str, evaluate.AnswerSheet]) -> Verdicts | None:
    """The judge's verdicts, if the recipe wants one; nothing is sent here.

    Raises:
        PolicyRefused: answers without a verdict; says what would leave, for how much, and the command.
        DataError: what people said cannot be read.
    """
    config = kitchen.recipe.config.evaluate.judge
    if config is None:
        return None
    asking = asking_judge(kitchen, sheets)
    refuse_unkept(asking)
    missing = asking.kept.missing
    if len(missing):
        raise PolicyRefused(
            asking.says(missing, "missing").words("en"),
            where=JUDGE,
            mend=asking.says(missing, "command").words("en"),
        )
    return Verdicts.read(asking.path, _people(kitchen))


def verdict_digests(kitchen: Kitchen, sheets: Mapping[str, evaluate.AnswerSheet]) -> dict[str, str]:
    """What the comparison depends on where a judge has a say in it."""
    if kitchen.recipe.config.evaluate.judge is None:
        return {}
    files: Sequence[Path | None] = (asking_judge(kitchen, sheets).path, _people(kitchen))
    return {
        name: digest.of_file(path) if path is not None and path.is_file() else ""
        for name, path in zip(("verdicts", "people"), files, strict=True)
    }


def _people(kitchen: Kitchen) -> Path | None:
    config = kitchen.recipe.config.evaluate.judge
    return kitchen.recipe.root / config.people if config is not None and config.people else None
