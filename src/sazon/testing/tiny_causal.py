"""A tiny Llama or GPT-2 made on the spot: random weights, a vocabulary of words, a chat template."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from sazon.core.seams import Base
from sazon.core.types import Dataset, Example, TrainingData

FRUITS = (
    "apple banana cherry date elderberry fig grape hazelnut icaco jackfruit kiwi lemon mango nectarine "
    "orange papaya quince raspberry"
).split()
CAPITALS = "A B C D E F G H I J K L M N O P Q R".split()
FILLERS = "please say me the letter of a now here there well so then thanks hello for it".split()
CHAT = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }} <end> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


def tiny_causal(
    directory: Path,
    *,
    kind: Literal["llama", "gpt2"] = "llama",
    seed: int = 0,
    width: int = 64,
    template: str | None = CHAT,
    extra: str = "",
) -> Base:
    """Write an untrained two-layer language model with its tokenizer into `directory`.

    Args:
        directory: is made if missing.
        kind: relative positions (Llama), or a table of absolute ones (GPT-2).
        seed: of the random weights; the global generator of torch is left as it was.
        width: of the hidden states, a multiple of 8.
        template: chat template of the tokenizer; None: it has none.
        extra: one more word of the vocabulary, which makes it another one.
    """
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    from sazon.models.base import revision_of
    from sazon.models.transformer import quiet_transformers

    special = ["<pad>", "<unk>", "<end>", "<user>", "<assistant>"]
    words = [*special, "###", "Input", "Answer", *FRUITS, *CAPITALS, *FILLERS, *([extra] if extra else [])]
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))  # noqa: S106
    tokenizer.pre_tokenizer = WhitespaceSplit()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        eos_token="<end>",  # noqa: S106
        additional_special_tokens=["<user>", "<assistant>"],
    )
    wrapped.chat_template = template
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(seed)
        _network(kind, words=len(words), width=width).save_pretrained(directory)
        wrapped.save_pretrained(directory)
    return Base(
        name="tiny",
        path=directory,
        revision=revision_of(directory),
        source=f"path:{directory}",
        licence="CC0-1.0",
    )


def _network(kind: str, *, words: int, width: int) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    ends = {"bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0}
    if kind == "gpt2":
        shape = GPT2Config(
            vocab_size=words,
            n_embd=width,
            n_layer=2,
            n_head=4,
            n_positions=64,
            initializer_range=0.1,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            **ends,
        )
        return GPT2LMHeadModel(shape)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=words,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            initializer_range=0.1,
            **ends,
        )
    )


def letters_task(*, rows: int = 320, seed: int = 0, split: int = 240, twice: bool = True) -> TrainingData:
    """Say the capital letter of the fruit that stands among other words, fit and validation.

    Args:
        rows: how many in all.
        seed: of the random words around.
        split: how many of them are fit rows.
        twice: the answer is free text of two words, the letter and the fruit; else the letter alone,
            one of a few classes.
    """
    rng = np.random.default_rng(seed)
    examples = []
    for i in range(rows):
        k = int(rng.integers(len(FRUITS))) if twice else i % 4
        words = [str(w) for w in rng.choice(FILLERS, size=int(rng.integers(2, 7)))]
        words.insert(int(rng.integers(0, len(words) + 1)), FRUITS[k])
        target = f"{CAPITALS[k]} {FRUITS[k]}" if twice else CAPITALS[k]
        examples.append(Example(id=f"letters{i}", input=" ".join(words), target=target))
    fit = Dataset(name="letters", split="fit", examples=tuple(examples[:split]), public=True)
    rest = Dataset(name="letters", split="validation", examples=tuple(examples[split:]), public=True)
    return TrainingData(
        fit=fit,
        validation=rest,
        labels=tuple(sorted({e.target for e in examples})),
        task="generate" if twice else "classify",
    )
