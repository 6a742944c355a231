"""Export: a trained encoder as an ONNX graph, in fp32 or int8, behind a gate that compares answers."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from sazon import models
from sazon.adapt.checks import note
from sazon.adapt.measure import codes, training_cost, validation_metrics
from sazon.core import digest, registry
from sazon.core.config import Config
from sazon.core.errors import DataError, IntegrityError, RecipeError
from sazon.core.seams import Base, Job
from sazon.core.types import Artifact, Candidate, Estimate, Floats, TrainingData
from sazon.models.encoder import EncoderPredictor
from sazon.models.onnx import GRAPH, TOKENIZER, OnnxPredictor, save_facts
from sazon.models.probe import ProbePredictor
from sazon.models.softmax import softmax

OPSET = 17
HEAD = "head"
"""Name of the graph's last layer, which stays in fp32: it is small and decides."""


class ExportConfig(Config):
    """Options of an exported candidate."""

    of: str
    """Name of the candidate to export: a fine-tuned, contrastive, distilled or frozen encoder."""
    to: Literal["onnx", "onnx-int8"] = "onnx-int8"
    """fp32, or int8 weights and activations with one scale a row of weights."""
    agreement: float = Field(default=0.99, gt=0, le=1)
    """Least share of validation rows that must be answered as before."""
    drop: float = Field(default=0.01, ge=0, lt=1)
    """Most that the validation accuracy may fall."""


class Export:
    """The same model in another form, a candidate of its own: measured and priced like any other."""

    stage: ClassVar[Literal["adapt"]] = "adapt"
    Config: ClassVar[type[ExportConfig]] = ExportConfig

    def parents(self, config: ExportConfig) -> tuple[str, ...]:
        """The candidate that is exported."""
        return (config.of,)

    def adapt(
        self,
        config: ExportConfig,
        *,
        base: Base | None,
        data: TrainingData,
        parents: Mapping[str, Candidate],
        job: Job,
    ) -> Candidate:
        """Write the graph, answer the validation rows with both, and refuse the export if they differ.

        Raises:
            RecipeError: the candidate is not an encoder.
            DataError: there are no validation rows to compare on.
            IntegrityError: the export answers otherwise than the original, with the numbers.
            EnvironmentLacks: onnx, onnxruntime or torch is not installed.
        """
        parent = parents[config.of]
        if not len(data.validation):
            raise DataError(
                "there are no validation rows to compare the export on",
                where=f"candidates.{job.name}",
                mend="Leave some rows for validation.",
            )
        began = time.perf_counter()
        original = models.load_bare(parent)
        if not isinstance(original, EncoderPredictor | ProbePredictor):
            raise RecipeError(
                f"only encoders are exported to ONNX, and {config.of!r} is none",
                where=f"candidates.{job.name}.of",
                mend="Name a transfer, contrastive, finetune or transformer student candidate.",
            )
        write_graph(original, job.directory, int8=config.to == "onnx-int8")
        before = original.predict(data.validation.inputs).probabilities
        exported = OnnxPredictor.load(job.directory)
        after = softmax(exported.scores(data.validation.inputs), temperature=exported.temperature)
        if before is None:
            raise ValueError("an encoder always gives probabilities")
        truth = codes(data.validation.targets, original.classes)
        facts = require_parity(before, after, truth, config, name=job.name)
        rows = parent.training.rows if parent.training else 0
        seen = rows > len(data.fit)
        return Candidate(
            name=job.name,
            technique="export",
            parents=(config.of,),
            base=parent.base,
            artifact=Artifact(path=job.directory, digest=digest.of_folder(job.directory)),
            training=training_cost(seconds=time.perf_counter() - began, rows=rows, tokens=None, device="cpu"),
            validation=_unmeasured() if seen else validation_metrics(after, truth),
            facts={
                "form": config.to,
                "megabytes": round((job.directory / GRAPH).stat().st_size / 1e6, 1),
                **facts,
            },
            notes=(note("parity_in_sample"),) if seen else (),
        )


def write_graph(predictor: EncoderPredictor | ProbePredictor, directory: Path, *, int8: bool) -> None:
    """Write graph, tokenizer and facts of an encoder with its head.

    Args:
        predictor: the original; its weights are read in fp32.
        directory: where to.
        int8: quantise the matrices, the head excepted.

    Raises:
        EnvironmentLacks: onnx, onnxruntime or torch is not installed.
    """
    encoder = predictor.encoder
    with _needed(), tempfile.TemporaryDirectory() as aside:
        import torch

        graph = Path(aside) / GRAPH
        length = min(encoder.max_length, 16)
        ids, mask = encoder.tensors(encoder.tokenise(["one", "two words"], max_length=length), length)
        axes = {"ids": {0: "rows", 1: "tokens"}, "mask": {0: "rows", 1: "tokens"}, "scores": {0: "rows"}}
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                _whole(predictor),
                (ids, mask),
                str(graph),
                input_names=["ids", "mask"],
                output_names=["scores"],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
            if int8:
                _quantise(graph, directory / GRAPH)
            else:
                (directory / GRAPH).write_bytes(graph.read_bytes())
    encoder.tokenizer.backend_tokenizer.save(str(directory / TOKENIZER))
    save_facts(
        directory,
        classes=predictor.classes,
        temperature=predictor.temperature,
        max_length=encoder.max_length,
        padding=encoder.tokenizer.pad_token_id or 0,
    )


def require_parity(
    before: Floats,
    after: Floats,
    truth: np.ndarray[Any, np.dtype[np.intp]],
    config: ExportConfig,
    *,
    name: str,
) -> dict[str, float]:
    """Refuse an export whose answers differ too often or are worse.

    Args:
        before: probabilities of the original on validation, shape (n, classes).
        after: of the export, same shape.
        truth: class columns, shape (n,).
        config: the bounds.
        name: of the candidate, for the error.

    Returns:
        agreement, accuracy before and after, as shares.

    Raises:
        IntegrityError: with the numbers.
    """
    first, second = before.argmax(axis=1), after.argmax(axis=1)
    agreement = float((first == second).mean())
    was, now = float((first == truth).mean()), float((second == truth).mean())
    # Shares of n rows: half a row of slack keeps rounding out of the comparison.
    slack = 0.5 / len(truth)
    if agreement < config.agreement - slack or was - now > config.drop + slack:
        tried = "to: onnx, which keeps fp32" if config.to == "onnx-int8" else "another base"
        raise IntegrityError(
            f"the export answers {agreement:.1%} of {len(truth)} validation rows as before "
            f"(at least {config.agreement:.1%} wanted) and is right on {now:.1%} instead of {was:.1%} "
            f"(at most {config.drop:.1%} less allowed)",
            where=f"candidates.{name}",
            mend=f"Try {tried}, or allow more with agreement: and drop:.",
        )
    return {"agreement": agreement, "accuracy_before": was, "accuracy_after": now}


def _whole(predictor: EncoderPredictor | ProbePredictor) -> Any:
    """Backbone, pooling and head as one torch module from token ids to scores."""
    import torch

    encoder = predictor.encoder
    head = torch.nn.Linear(encoder.width, len(predictor.classes))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(np.asarray(predictor.weight, dtype=np.float32)))
        head.bias.copy_(torch.from_numpy(np.asarray(predictor.bias, dtype=np.float32)))

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = encoder.backbone
            self.add_module(HEAD, head.to(encoder.device))

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            vectors = encoder.pooled(ids, mask)
            scores: torch.Tensor = getattr(self, HEAD)(vectors)
            return scores

    # Attention in plain steps, which every ONNX runtime knows; exact weights, not rounded ones.
    encoder.backbone.config._attn_implementation = "eager"
    encoder.precision = "fp32"
    return Whole().eval()


def _quantise(graph: Path, target: Path) -> None:
    """int8 weights, one scale a column, activations scaled as they come; the head is left alone."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    kept = [n.name for n in onnx.load(str(graph)).graph.node if f"/{HEAD}/" in n.name]
    quantize_dynamic(
        str(graph),
        str(target),
        op_types_to_quantize=["MatMul", "Gemm"],
        nodes_to_exclude=kept,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )


def _unmeasured() -> dict[str, Estimate]:
    reason = "the exported model had learnt from the validation rows"
    return {
        "accuracy": Estimate.none(reason, unit="share"),
        "log_loss": Estimate.none(reason, unit="nats"),
    }


@contextmanager
def _needed() -> Iterator[None]:
    """Say which package is missing before any work.

    Raises:
        EnvironmentLacks: with the line that installs it.
    """
    try:
        import onnx
        import onnxruntime
        import torch
    except ModuleNotFoundError as error:
        raise registry.lacking(error.name or "onnx", purpose="technique: export") from error
    del onnx, onnxruntime, torch
    yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep tracing from warning about what is meant, and the quantiser from advising on the log."""
    root = logging.getLogger()
    level = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root.setLevel(logging.ERROR)
        try:
            yield
        finally:
            root.setLevel(level)
