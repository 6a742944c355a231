"""What one request carries: built from named fields and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TokenLimitField = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One text put to a model under a fixed instruction; the body holds these fields and nothing else."""

    model: str
    """The provider's own name of the model."""
    instruction: str = field(repr=False)
    """The system prompt, the same for every text of a run."""
    text: str = field(repr=False)
    """One input, unchanged."""
    max_tokens: int = 64
    """Most tokens the answer may have."""
    max_tokens_field: TokenLimitField = "max_tokens"
    """How the provider calls that limit."""
    temperature: float | None = 0.0
    """None leaves it to the provider."""

    streams = False
    """Whether the answer is asked for piece by piece."""

    def body(self) -> bytes:
        """The request as JSON, in the OpenAI chat shape."""
        content: dict[str, object] = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": self.instruction},
                {"role": "user", "content": self.text},
            ],
            self.max_tokens_field: self.max_tokens,
        }
        if self.temperature is not None:
            content["temperature"] = self.temperature
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatRequest:
    """A whole chat request, whose shape was checked and whose sensitive parts stand under pseudonyms."""

    content: Mapping[str, Any] = field(repr=False)
    max_tokens: int
    """Most tokens the answer may have, as `content` says it."""

    @property
    def model(self) -> str:
        """The provider's own name of the model."""
        return str(self.content["model"])

    @property
    def streams(self) -> bool:
        """Whether the answer is asked for piece by piece."""
        return bool(self.content.get("stream"))

    def body(self) -> bytes:
        """The request as JSON."""
        return json.dumps(self.content, ensure_ascii=False).encode("utf-8", "replace")
