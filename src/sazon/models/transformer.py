"""A transformer encoder with its tokenizer: texts in, one normalised vector each out."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from sazon.core import registry
from sazon.core.errors import EnvironmentLacks
from sazon.models.base import require_tokenizer

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16"]
Vectors = npt.NDArray[np.float32]
ROWS = 32
"""Rows in a batch when only answering."""
LENGTH_STEP = 8
"""Batches are padded to a multiple of this many tokens."""


class Encoder:
    """Tokenizer and backbone on one device, in one precision."""

    def __init__(
        self,
        *,
        tokenizer: Any,
        backbone: Any,
        max_length: int,
        pooling: Literal["mean", "cls"],
        precision: Precision,
    ) -> None:
        """Use `Encoder.load`."""
        self.tokenizer = tokenizer
        self.backbone = backbone
        self.max_length = max_length
        self.pooling = pooling
        self.precision = precision
        self.device = next(backbone.parameters()).device.type
        self.width = int(backbone.config.hidden_size)

    @classmethod
    def load(cls, folder: Path, *, max_length: int | None = None, precision: Precision = "fp32") -> Encoder:
        """Read tokenizer and weights from a folder in Hugging Face layout; nothing is downloaded.

        Args:
            folder: config, tokenizer, safetensors weights.
            max_length: tokens kept of a text; by default what the folder says.
            precision: `bf16` is used only where `can_bf16` says so.

        Raises:
            EnvironmentLacks: torch or transformers is not installed.
            DataError: the folder has no tokenizer.
        """
        require_tokenizer(folder, where=folder.name)
        try:
            import torch
            from transformers import AutoModel, AutoTokenizer
        except ModuleNotFoundError as error:
            raise registry.lacking(error.name or "torch", purpose="a transformer") from error
        # Weights that the folder lacks (a pooler) are drawn at random: not from the caller's stream.
        with quiet_transformers(), torch.random.fork_rng(devices=[]):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
            backbone = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        if getattr(backbone, "pooler", None) is not None:
            backbone.pooler = None  # sazon pools the tokens itself
        backbone.requires_grad_(False).eval()
        backbone.to("cuda" if torch.cuda.is_available() else "cpu")
        return cls(
            tokenizer=tokenizer,
            backbone=backbone,
            max_length=max_length or declared_length(folder),
            pooling=declared_pooling(folder),
            precision=precision if can_bf16() else "fp32",
        )

    def tokenise(self, texts: Sequence[str], *, max_length: int | None = None) -> list[list[int]]:
        """Token ids of each text, special tokens included, cut at `max_length` (its own by default)."""
        return self._ids(texts, truncation=True, max_length=max_length or self.max_length)

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.intp]:
        """Tokens of each whole text, special tokens included, shape (n,)."""
        return np.array([len(ids) for ids in self._ids(texts, truncation=False)], dtype=np.intp)

    def _ids(self, texts: Sequence[str], **how: Any) -> list[list[int]]:
        if not texts:
            return []
        # A lone surrogate (half an emoji) is no text to the tokenizer.
        whole = [t.encode("utf-8", "replace").decode("utf-8") for t in texts]
        found = self.tokenizer(whole, return_attention_mask=False, verbose=False, **how)
        return list(found["input_ids"])

    def tensors(self, ids: Sequence[Sequence[int]], length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and attention mask, both (rows, length), padded on the right."""
        import torch

        padding = self.tokenizer.pad_token_id or 0
        padded = np.full((len(ids), length), padding, dtype=np.int64)
        mask = np.zeros((len(ids), length), dtype=np.int64)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return torch.from_numpy(padded).to(self.device), torch.from_numpy(mask).to(self.device)

    def pooled(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Unit vectors (rows, width) in fp32, pooled over the tokens; gradients flow through."""
        import torch

        with torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16"):
            hidden = self.backbone(input_ids=ids, attention_mask=mask).last_hidden_state
        hidden = hidden.float()
        if self.pooling == "cls":
            vector = hidden[:, 0]
        else:
            weight = mask.unsqueeze(-1).float()
            vector = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)
        return torch.nn.functional.normalize(vector, dim=1)

    def encode(
        self,
        texts: Sequence[str],
        *,
        fixed_shape: bool = False,
        told: Callable[[int], None] = lambda done: None,
    ) -> Vectors:
        """One unit vector per text, shape (n, width).

        Args:
            texts: any number of texts.
            fixed_shape: fill every batch to the same number of rows, so that a text's vector
                does not depend on which texts it came with (slower for few texts).
            told: is called now and then with the number of texts done.
        """
        import torch

        ids = self.tokenise(texts)
        vectors = np.zeros((len(ids), self.width), dtype=np.float32)
        done = 0
        with torch.inference_mode(), readable_memory_errors(ROWS):
            for rows, length in batches([len(i) for i in ids], rows=ROWS):
                held = [ids[r] for r in rows]
                if fixed_shape:
                    held += [held[-1]] * (ROWS - len(held))
                out = self.pooled(*self.tensors(held, length))
                vectors[rows] = out[: len(rows)].cpu().numpy()
                done += len(rows)
                told(done)
        return vectors

    def save(self, folder: Path) -> None:
        """Write config, safetensors weights and tokenizer in Hugging Face layout."""
        with quiet_transformers():
            self.backbone.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)


def batches(lengths: Sequence[int], *, rows: int, step: int = LENGTH_STEP) -> Iterator[tuple[list[int], int]]:
    """Row indices of texts of like length, with the length their batch is padded to.

    Texts are put into buckets by length rounded up to `step`, so little is computed on padding.
    """
    buckets: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        buckets.setdefault(-(-max(length, 1) // step) * step, []).append(row)
    for length in sorted(buckets):
        held = buckets[length]
        for start in range(0, len(held), rows):
            yield held[start : start + rows], length


def declared_length(folder: Path) -> int:
    """Tokens the encoder was made for: sentence_bert_config.json, else the position table."""
    for file, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("config.json", "max_position_embeddings"),
    ):
        if (folder / file).is_file() and (length := json.loads((folder / file).read_text("utf-8")).get(key)):
            return int(length)
    return 128


def declared_width(folder: Path) -> int:
    """Width of the encoder's vectors, from its config.json."""
    return int(json.loads((folder / "config.json").read_text("utf-8"))["hidden_size"])


def declared_pooling(folder: Path) -> Literal["mean", "cls"]:
    """How token vectors become one: the mean unless the folder says the first token."""
    path = folder / "1_Pooling" / "config.json"
    if path.is_file() and json.loads(path.read_text("utf-8")).get("pooling_mode_cls_token"):
        return "cls"
    return "mean"


def can_bf16() -> bool:
    """Whether this machine multiplies bf16 matrices in hardware, as far as it may use it."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return cpu_bf16() != ""


def cpu_bf16() -> Literal["amx", "avx512", ""]:
    """Which instructions for bf16 matrices this processor has and may use; empty: none. Loads no torch."""
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    if not any(word in allowed for word in ("ALL", "DEFAULT", "BF16", "AMX", "FP16")):
        return ""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return ""
    return "amx" if "amx_bf16" in flags else "avx512" if "avx512_bf16" in flags else ""


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from drawing bars and printing reports while a model is read or written."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def readable_memory_errors(rows: int) -> Iterator[None]:
    """Turn running out of memory into words.

    Raises:
        EnvironmentLacks: with the batch size to try.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = str(error).lower()
        if not isinstance(error, MemoryError) and "memory" not in told:
            raise
        smaller = max(1, rows // 2)
        raise EnvironmentLacks(
            f"not enough memory for batches of {rows} texts", mend=f"Try batch_size: {smaller}."
        ) from error
