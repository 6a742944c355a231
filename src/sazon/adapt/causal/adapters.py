"""Low-rank adapters of a causal language model: attached, stored with the base's digest, merged."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sazon.adapt.causal.options import Options
from sazon.adapt.lora import linear_names
from sazon.core import registry
from sazon.core.errors import IntegrityError, RecipeError
from sazon.core.run import write_aside
from sazon.core.seams import Base
from sazon.models.language_model import Ids, LanguageModel

FOLDER = "adapter"
BELONGS = "base.json"
PARITY = 2e-3
"""Largest change of any logit that merging may cause, as a share of the largest (fp32 is far below)."""


def attach(model: LanguageModel, options: Options, *, name: str) -> None:
    """Put trainable adapters beside the linear layers: all of them, or those that `targets` names.

    Raises:
        RecipeError: no linear layer has such a name (with those that exist).
        EnvironmentLacks: peft is not installed.
    """
    known = linear_names(model.network)
    if strange := [t for t in options.targets if t not in known]:
        raise RecipeError(
            f"the base has no linear layer called {strange[0]!r}",
            where=f"candidates.{name}.targets",
            mend=f"Its linear layers are {', '.join(sorted(known))}.",
        )
    with _quiet_peft():
        from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

        if options.load_in is not None:
            model.network = prepare_model_for_kbit_training(
                model.network, use_gradient_checkpointing=model.device == "cuda"
            )
        shape = LoraConfig(
            task_type="CAUSAL_LM",
            r=options.rank,
            lora_alpha=options.alpha,
            target_modules=sorted(options.targets) or "all-linear",
            lora_dropout=0.0,
        )
        model.network = get_peft_model(model.network, shape)


def save_adapter(model: LanguageModel, directory: Path, base: Base) -> None:
    """Write the adapters below `directory`, with the digest of the base they belong to."""
    folder = directory / FOLDER
    for shape in model.network.peft_config.values():
        # peft would write where the base lies on this machine.
        shape.base_model_name_or_path, shape.revision = base.name, None
    with _quiet_peft():
        # The vocabulary is never changed here; peft would ask the hub whether it was.
        model.network.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    shape = json.loads(path.read_text("utf-8"))
    if isinstance(shape["target_modules"], list):
        shape["target_modules"].sort()  # a set before: its order changes from one process to the next
    write_aside(path, json.dumps(shape, indent=1, sort_keys=True) + "\n")
    write_aside(folder / BELONGS, json.dumps({"name": base.name, "revision": base.revision}) + "\n")


def load_adapter(model: LanguageModel, directory: Path, base: Base) -> None:
    """Put stored adapters beside the base they were trained on.

    Args:
        model: the base as loaded; it is changed.
        directory: a candidate's folder, as `save_adapter` left it.
        base: what `model` was loaded from.

    Raises:
        IntegrityError: the adapters belong to another base, by its digest, or there are none.
    """
    folder = directory / FOLDER
    try:
        belongs = json.loads((folder / BELONGS).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            "no readable adapters here", where=str(folder), mend="Make the candidate again."
        ) from error
    if belongs["revision"] != base.revision:
        raise IntegrityError(
            f"these adapters were trained on {belongs['name']}@{str(belongs['revision'])[:12]}, "
            f"not on {base.name}@{base.revision[:12]}",
            where=str(folder),
            mend="Use the base they were trained on, or train them again.",
        )
    with _quiet_peft():
        from peft import PeftModel

        model.network = PeftModel.from_pretrained(model.network, folder)
    model.network.eval()


def merge(model: LanguageModel, rows: Sequence[Ids]) -> None:
    """Fold the adapters into the weights and check that the logits of some rows stay.

    W′ = W + (α/r)·B·A with A (r, in) and B (out, r). Source: Hu et al. 2021, "LoRA", section 4.1.

    Args:
        model: with adapters beside weights in full precision.
        rows: tokens of a few prompts.

    Raises:
        IntegrityError: merging changed what the model says.
    """
    model.network.eval()
    before, mask = model.logits(rows)
    model.network = model.network.merge_and_unload()
    model.network.requires_grad_(False).eval()
    after, _ = model.logits(rows)
    moved = float(((after - before).abs() * mask[:, :, None]).max())
    if not moved <= PARITY * max(1.0, float(before.abs().max())):
        raise IntegrityError(
            f"merging the adapters moved a logit by {moved:.3g}",
            mend="Try a smaller alpha, or method: full.",
        )


@contextlib.contextmanager
def _quiet_peft() -> Iterator[Any]:
    """Work with peft, whose notices about transformers 6 are not for who reads here.

    Raises:
        EnvironmentLacks: peft is not installed.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False", category=UserWarning)
        try:
            yield
        except ModuleNotFoundError as error:
            raise registry.lacking(error.name or "peft", purpose="method: lora") from error
