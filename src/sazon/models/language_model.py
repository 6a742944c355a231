"""A causal language model with its tokenizer and chat template: prompts in, answers or scores out."""

from __future__ import annotations

import copy
import inspect
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sazon.core import registry
from sazon.core.errors import DataError, EnvironmentLacks
from sazon.core.types import Floats
from sazon.models.base import require_tokenizer
from sazon.models.transformer import batches, quiet_transformers, readable_memory_errors

if TYPE_CHECKING:
    import torch

LoadIn = Literal["4bit", "8bit"]
Ids = list[int]
ROWS = 8
"""Prompts in a batch."""
LABELS = 8
"""Labels scored at a time for each prompt of a batch."""
PLAIN_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}### Answer\n{{ message['content'] }}{{ eos_token }}\n"
    "{% else %}### Input\n{{ message['content'] }}\n\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}### Answer\n{% endif %}"
)
"""For a tokenizer without a chat template: `### Input`, the text, `### Answer`, the answer."""
FIXED = {"enable_thinking": False, "date_string": "26 Jul 2024"}
"""What templates ask for: no hidden reasoning before the answer, and no date that moves between two runs."""


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One answer as generated."""

    text: str
    mean_log_probability: float
    """Of its tokens, the end token included; at most 0."""


def is_causal(folder: Path) -> bool:
    """Whether the model in a folder says of itself that it is a causal language model."""
    path = folder / "config.json"
    if not path.is_file():
        return False
    named = json.loads(path.read_text("utf-8")).get("architectures") or []
    return any(str(name).endswith(("ForCausalLM", "LMHeadModel")) for name in named)


class LanguageModel:
    """Tokenizer, chat template and network on one device, in fp32 unless loaded in fewer bits."""

    def __init__(self, *, tokenizer: Any, network: Any) -> None:
        """Use `LanguageModel.load`.

        Raises:
            DataError: the tokenizer has no token that ends an answer.
        """
        self.tokenizer = tokenizer
        self.network = network
        self.own_template = bool(tokenizer.chat_template)
        """Whether the template came with the tokenizer."""
        if not self.own_template:
            tokenizer.chat_template = PLAIN_TEMPLATE
        self.end = self._end()
        """Token that ends an answer."""
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.convert_ids_to_tokens(self.end)

    @classmethod
    def load(cls, folder: Path, *, load_in: LoadIn | None = None) -> LanguageModel:
        """Read tokenizer and weights from a folder in Hugging Face layout; nothing is downloaded.

        Args:
            folder: config, tokenizer, safetensors weights.
            load_in: hold the weights in 4 or 8 bits, for training adapters beside them.

        Raises:
            EnvironmentLacks: torch, transformers or bitsandbytes is not installed.
            DataError: the folder has no tokenizer, or the tokenizer no end token.
        """
        require_tokenizer(folder, where=folder.name)
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ModuleNotFoundError as error:
            raise registry.lacking(error.name or "torch", purpose="a language model") from error
        with quiet_transformers(), torch.random.fork_rng(devices=[]):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            network = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, **_fewer_bits(load_in)
            )
        network.requires_grad_(False).eval()
        if load_in is None:
            network.to("cuda" if torch.cuda.is_available() else "cpu")
        return cls(tokenizer=tokenizer, network=network)

    @property
    def device(self) -> str:
        """`cpu` or `cuda`."""
        return str(next(self.network.parameters()).device.type)

    @property
    def longest(self) -> int:
        """Tokens of prompt and answer together that the network was made for."""
        return int(getattr(self.network.config, "max_position_embeddings", None) or 2048)

    def save(self, folder: Path) -> None:
        """Write config, safetensors weights, tokenizer and chat template in Hugging Face layout."""
        told = self.network.generation_config
        if told is not None:
            # Other programs must stop where an answer ends here.
            ends = told.eos_token_id if isinstance(told.eos_token_id, list) else [told.eos_token_id]
            told.eos_token_id = sorted({self.end, *(e for e in ends if e is not None)})
        with quiet_transformers():
            self.network.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    # ------------------------------------------------------------------- tokens

    def prompt(self, text: str) -> str:
        """The text as the chat template puts it before an answer."""
        return self._rendered([{"role": "user", "content": text}], add_generation_prompt=True)

    def prompt_ids(self, texts: Sequence[str]) -> list[Ids]:
        """Tokens of each text's prompt."""
        return self._ids([self.prompt(text) for text in texts])

    def answer_ids(self, answers: Sequence[str]) -> list[Ids]:
        """Tokens of each answer, the end token last."""
        return [[*ids, self.end] for ids in self._ids(answers)]

    def _ids(self, texts: Sequence[str]) -> list[Ids]:
        if not texts:
            return []
        # A lone surrogate (half an emoji) is no text to the tokenizer.
        whole = [t.encode("utf-8", "replace").decode("utf-8") for t in texts]
        found = self.tokenizer(whole, add_special_tokens=False, return_attention_mask=False, verbose=False)
        return [list(ids) for ids in found["input_ids"]]

    def _rendered(self, messages: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=add_generation_prompt, **FIXED
            )
        )

    def _end(self) -> int:
        """The first special token that the template puts after an answer, else the tokenizer's own end."""
        mark = "sazon"
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": mark}]
        after = self._rendered(turns, add_generation_prompt=False).rpartition(mark)[2]
        special = {i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        special -= {self.tokenizer.unk_token_id}
        found = next((i for i in self._ids([after])[0] if i in special), self.tokenizer.eos_token_id)
        if found is None:
            raise DataError(
                "the base model has no token that ends an answer",
                mend="Give its tokenizer an eos_token, in tokenizer_config.json.",
            )
        return int(found)

    def _padded(self, rows: Sequence[Ids], *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask, both (rows, longest)."""
        import torch

        length = max(len(row) for row in rows)
        ids = np.full((len(rows), length), self.tokenizer.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(rows), length), dtype=np.int64)
        for i, row in enumerate(rows):
            held = slice(length - len(row), None) if left else slice(0, len(row))
            ids[i, held] = row
            mask[i, held] = 1
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device)

    # ------------------------------------------------------------------ answers

    def logits(self, rows: Sequence[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (rows, length, vocabulary) in fp32 of rows padded on the right, and their mask."""
        import torch

        ids, mask = self._padded(rows, left=False)
        with torch.inference_mode():
            return self.network(input_ids=ids, attention_mask=mask).logits.float(), mask

    def log_likelihoods(self, prompts: Sequence[Ids], answers: Sequence[Ids]) -> Floats:
        """Natural log of p(answer | prompt) of each pair, summed over the answer's tokens, shape (n,)."""
        import torch

        found = np.zeros(len(prompts))
        whole = [p + a for p, a in zip(prompts, answers, strict=True)]
        with readable_memory_errors(ROWS):
            for rows, _ in batches([len(w) for w in whole], rows=ROWS):
                logits, _ = self.logits([whole[r] for r in rows])
                for i, r in enumerate(rows):
                    first, last = len(prompts[r]), len(whole[r])
                    wanted = torch.tensor(answers[r], device=logits.device)
                    told = torch.log_softmax(logits[i, first - 1 : last - 1], dim=-1)
                    found[r] = float(told.gather(1, wanted[:, None]).sum())
        return found

    def label_scores(self, prompts: Sequence[Ids], labels: Sequence[Ids]) -> Floats:
        """Natural log of p(label | prompt) of every label for every prompt, shape (n, labels).

        Each prompt is read once; its keys and values are shared by all labels.
        """
        import torch

        found = np.zeros((len(prompts), len(labels)))
        with torch.inference_mode(), readable_memory_errors(ROWS):
            for rows in self._batches(prompts):
                ids, mask = self._padded([prompts[r] for r in rows], left=True)
                inputs = self._inputs(ids, mask, mask.cumsum(1) - 1)
                read = self.network(**inputs, use_cache=True, **self._only_last())
                first = torch.log_softmax(read.logits[:, -1].float(), dim=-1)
                for at in range(0, len(labels), LABELS):
                    some = labels[at : at + LABELS]
                    rest = self._rest(some, read.past_key_values, mask)
                    scores = first[:, [label[0] for label in some]] + rest
                    found[rows, at : at + len(some)] = scores.cpu().numpy()
        return found

    def _rest(self, labels: Sequence[Ids], read: Any, mask: torch.Tensor) -> torch.Tensor | float:
        """Log-probability of each label's tokens after the first, shape (prompts, labels)."""
        import torch

        if all(len(label) == 1 for label in labels):
            return 0.0
        held = copy.deepcopy(read)
        held.batch_repeat_interleave(len(labels))
        before = mask.repeat_interleave(len(labels), dim=0)
        given, shown = (t.repeat(len(mask), 1) for t in self._padded([x[:-1] for x in labels], left=False))
        wanted, _ = self._padded([x[1:] for x in labels], left=False)
        positions = before.sum(1, keepdim=True) + torch.arange(given.shape[1], device=given.device)
        inputs = self._inputs(given, torch.cat([before, shown], dim=1), positions)
        logits = self.network(**inputs, past_key_values=held).logits.float()
        told = torch.log_softmax(logits, dim=-1).gather(2, wanted.repeat(len(mask), 1)[:, :, None])[:, :, 0]
        return (told * shown).sum(1).reshape(len(mask), len(labels))

    def generate(
        self,
        prompts: Sequence[Ids],
        *,
        new_tokens: int,
        told: Callable[[int], None] = lambda done: None,
    ) -> list[Generated]:
        """The likeliest token, one after the other, until the end token or `new_tokens` of them.

        Args:
            prompts: tokens of each prompt, at least one.
            new_tokens: most tokens of an answer, its end included.
            told: is called now and then with the number of prompts done.
        """
        import torch

        found: dict[int, Generated] = {}
        with torch.inference_mode(), readable_memory_errors(ROWS):
            for rows in self._batches(prompts):
                answers = self._continue([prompts[r] for r in rows], new_tokens)
                found |= dict(zip(rows, answers, strict=True))
                told(len(found))
        return [found[i] for i in range(len(prompts))]

    def _continue(self, prompts: list[Ids], new_tokens: int) -> list[Generated]:
        import torch

        ids, mask = self._padded(prompts, left=True)
        positions, held = mask.cumsum(1) - 1, None
        chosen: list[Ids] = [[] for _ in prompts]
        total = np.zeros(len(prompts))
        for _ in range(new_tokens):
            out = self.network(
                **self._inputs(ids, mask, positions),
                past_key_values=held,
                use_cache=True,
                **self._only_last(),
            )
            held = out.past_key_values
            best = torch.log_softmax(out.logits[:, -1].float(), dim=-1).max(dim=-1)
            for i, (token, value) in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True)):
                if not chosen[i] or chosen[i][-1] != self.end:
                    chosen[i].append(token)
                    total[i] += value
            if all(answer[-1] == self.end for answer in chosen):
                break
            ids, positions = best.indices[:, None], positions[:, -1:] + 1
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
        return [
            Generated(text=self._text(answer), mean_log_probability=float(total[i]) / len(answer))
            for i, answer in enumerate(chosen)
        ]

    def _text(self, ids: Ids) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _batches(self, prompts: Sequence[Ids]) -> Iterator[list[int]]:
        return (rows for rows, _ in batches([len(p) for p in prompts], rows=ROWS))

    def _inputs(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> dict[str, Any]:
        given = {"input_ids": ids, "attention_mask": mask}
        return given | ({"position_ids": positions.clamp(min=0)} if "position_ids" in self._takes() else {})

    def _only_last(self) -> dict[str, int]:
        """Logits of a whole prompt are large and not needed."""
        return {"logits_to_keep": 1} if "logits_to_keep" in self._takes() else {}

    def _takes(self) -> set[str]:
        """Names that the network's forward takes; networks with ALiBi take no positions."""
        inner = self.network.get_base_model() if hasattr(self.network, "peft_config") else self.network
        return set(inspect.signature(type(inner).forward).parameters)


def _fewer_bits(load_in: LoadIn | None) -> dict[str, Any]:
    """What to tell transformers about the number of bits.

    Raises:
        EnvironmentLacks: bitsandbytes is not installed, or 4 bits are wanted without a GPU.
    """
    if load_in is None:
        return {}
    try:
        import bitsandbytes  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    except ModuleNotFoundError as error:
        raise EnvironmentLacks(
            f"load_in: {load_in} needs the package 'bitsandbytes'", mend="Run: pip install bitsandbytes"
        ) from error
    import torch

    if load_in == "4bit" and not torch.cuda.is_available():
        # After one evaluation bitsandbytes 0.50 packs the weights for the CPU, and the packed layers
        # pass no gradient on: adapters below them would silently stay as they are.
        raise EnvironmentLacks(
            "load_in: 4bit needs an NVIDIA GPU to train with", mend="Use load_in: 8bit, or remove it."
        )
    from transformers import BitsAndBytesConfig

    # It says once for every layer and batch that it rounds, which is what was asked for.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    kind = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    four = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": kind} if load_in == "4bit" else {}
    options = BitsAndBytesConfig(load_in_4bit=load_in == "4bit", load_in_8bit=load_in == "8bit", **four)
    return {"quantization_config": options}
