"""An encoder and its head as one ONNX graph: served by onnxruntime and tokenizers, without torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sazon.core import registry
from sazon.core.errors import IntegrityError
from sazon.core.seams import Capabilities
from sazon.core.types import Answers, Floats
from sazon.models.folder import read_facts, write_facts
from sazon.models.softmax import answer, softmax
from sazon.models.transformer import ROWS, batches

GRAPH, TOKENIZER = "model.onnx", "tokenizer.json"


class OnnxPredictor:
    """softmax(scores/T), scores from the graph.

    An int8 graph scales its activations batch by batch, so a text's scores may move in the third
    digit with the texts it is answered with.
    """

    can: ClassVar[Capabilities] = Capabilities()

    def __init__(
        self,
        *,
        classes: tuple[str, ...],
        session: Any,
        tokenizer: Any,
        padding: int,
        temperature: float,
    ) -> None:
        """Use `OnnxPredictor.load`."""
        self.classes = classes
        self.session = session
        self.tokenizer = tokenizer
        self.padding = padding
        self.temperature = temperature

    @classmethod
    def load(cls, directory: Path) -> OnnxPredictor:
        """Read graph and tokenizer from their folder.

        Raises:
            EnvironmentLacks: onnxruntime or tokenizers is not installed.
            IntegrityError: graph or tokenizer cannot be read, or the graph has other classes.
        """
        facts = read_facts(directory)
        try:
            from onnxruntime import InferenceSession
            from tokenizers import Tokenizer
        except ModuleNotFoundError as error:
            raise registry.lacking(error.name or "onnxruntime", purpose="an exported model") from error
        try:
            session = InferenceSession(str(directory / GRAPH), _options(), providers=["CPUExecutionProvider"])
            tokenizer = Tokenizer.from_file(str(directory / TOKENIZER))
        except Exception as error:  # onnxruntime and tokenizers raise classes of their own, even Exception
            raise IntegrityError(
                "cannot read the exported model", where=str(directory), mend="Export it again."
            ) from error
        tokenizer.enable_truncation(facts["max_length"])
        tokenizer.no_padding()
        classes = tuple(facts["classes"])
        width = session.get_outputs()[0].shape[-1]
        if width != len(classes):
            raise IntegrityError(
                f"the graph answers with {width} classes, its label map has {len(classes)}",
                where=str(directory),
                mend="Export it again.",
            )
        return cls(
            classes=classes,
            session=session,
            tokenizer=tokenizer,
            padding=int(facts["padding"]),
            temperature=float(facts["temperature"]),
        )

    def scores(self, inputs: Sequence[str]) -> Floats:
        """Scores before the temperature, shape (n, classes)."""
        # A lone surrogate (half an emoji) is no text to the tokenizer.
        whole = [t.encode("utf-8", "replace").decode("utf-8") for t in inputs]
        ids = [found.ids for found in self.tokenizer.encode_batch(whole)]
        out = np.zeros((len(ids), len(self.classes)))
        for rows, length in batches([len(i) for i in ids], rows=ROWS):
            padded, mask = _padded([ids[r] for r in rows], length, self.padding)
            out[rows] = self.session.run(["scores"], {"ids": padded, "mask": mask})[0]
        return out

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order."""
        return answer(softmax(self.scores(inputs), temperature=self.temperature), self.classes)


def save_facts(
    directory: Path,
    *,
    classes: Sequence[str],
    temperature: float,
    max_length: int,
    padding: int,
) -> None:
    """Write `predictor.json` beside graph and tokenizer."""
    facts = {
        "classes": list(classes),
        "temperature": temperature,
        "max_length": max_length,
        "padding": padding,
    }
    write_facts(directory, "onnx", facts)


def _padded(
    ids: Sequence[Sequence[int]], length: int, padding: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    padded = np.full((len(ids), length), padding, dtype=np.int64)
    mask = np.zeros((len(ids), length), dtype=np.int64)
    for row, tokens in enumerate(ids):
        padded[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return padded, mask


def _options() -> Any:
    from onnxruntime import SessionOptions

    options = SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0))
    # Threads that spin while they wait burn the core that another process needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
