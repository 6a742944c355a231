"""Ask a provider once and keep its answers and their figures by digest, never the texts asked.

    proposal = propose(dataset, prompt=…, model=…, url=…, spend_cap=0.50, price=…)
    print(proposal.words("es"))                      the person reads and agrees
    grant = proposal.confirm(now=time.time())
    record(dataset, prompt=…, grant=grant, path=…, rng=…)

The file (JSON lines) starts with a header and has one line per text, keyed by a digest of text,
prompt and model. It grows by whole lines; a rerun asks only for what is missing. Of two lines with
one key the later holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from sazon.core.errors import PolicyRefused, SazonError
from sazon.core.events import Emit, Event, silent
from sazon.core.types import Dataset, Estimate
from sazon.evaluate.recording import append, empty, opened
from sazon.models.prompt import Prompt
from sazon.models.recorded import RECORDING_VERSION, recording_key
from sazon.models.remote import Patient, RemotePredictor, Reply, Sleep
from sazon.policy.destination import Destination
from sazon.policy.egress import Egress
from sazon.policy.gate import Gate
from sazon.policy.grant import Proposal, RunGrant
from sazon.policy.grant import propose as propose_grant
from sazon.policy.message import Message
from sazon.policy.response import Response
from sazon.policy.ruling import PUBLIC, Request
from sazon.policy.spending import Limits, Price

STAGE = "evaluate.record"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What recording came to."""

    path: Path
    texts: int
    """Distinct texts of the data."""
    kept: int
    """Texts that had been answered before and were not asked again."""
    asked: int
    failed: int
    """Texts asked now that got no answer."""
    spent: Estimate
    """Money of this run; undefined where the price is not known."""
    stopped: str = ""
    """Why it ended before the last text; empty where all were asked."""

    @property
    def complete(self) -> bool:
        """Whether every text has a line."""
        return not self.stopped


def propose(
    dataset: Dataset,
    *,
    prompt: Prompt,
    model: str,
    url: str,
    spend_cap: float | None = None,
    price: Price | None = None,
    token_cap: int | None = None,
    key: str | None = None,
    provider: str = "",
) -> Proposal:
    """What recording `dataset` would send, for a person to read and confirm.

    Args:
        dataset: the texts; declared public, or it is refused.
        prompt: how each text is put; its examples leave too.
        model: the provider's name of the model.
        url: root of an OpenAI-compatible API.
        spend_cap: most money to spend, in the currency of the price.
        price: per token; may be left out for an endpoint on this machine, which charges nothing.
        token_cap: most tokens in all; needed where the price is not known.
        key: name of the environment variable that holds the key.
        provider: its name in the recipe.

    Raises:
        PolicyRefused: data not public, address not allowed, or nothing would cap the cost.
    """
    attempts = len(set(dataset.inputs)) * Patient().attempts
    if price is None and Destination.parse(url).loopback:
        price = Price.free("this machine's own endpoint")
    if price is None and spend_cap is not None and token_cap is None:
        raise PolicyRefused(
            "the price of this provider is not known, so a cap in money could not be kept",
            mend="Give its price per million tokens, or a cap in tokens.",
        )
    return propose_grant(
        purposes=("evaluate", "infer.external"),
        provider=provider,
        data_name=dataset.name,
        data_digest=dataset.digest,
        people=None if dataset.public else 0,
        texts=dataset.inputs,
        url=url,
        model=model,
        instruction=prompt.instruction,
        limits=Limits(
            money=spend_cap if price is not None else None, tokens=token_cap, requests=max(attempts, 1)
        ),
        price=price,
        key=key,
        max_tokens=prompt.max_tokens,
        examples=len(prompt.shots),
    )


def record(
    dataset: Dataset,
    *,
    prompt: Prompt,
    grant: RunGrant,
    path: Path,
    rng: np.random.Generator,
    emit: Emit = silent,
    gate: Gate | None = None,
    egress: Egress | None = None,
    patient: Patient | None = None,
    sleep: Sleep = asyncio.sleep,
) -> Recording:
    """Ask for every text that has no line yet, within the grant.

    Args:
        dataset: the texts the grant was given for.
        prompt: as proposed.
        grant: the confirmed proposal.
        path: the recording; grows by whole lines, made if missing.
        rng: spreads the waits between retries.
        emit: told of progress and money.
        gate: holds the grant; by default a gate that holds nothing else.
        egress: the way out; by default one of that gate.
        patient: how often and how fast to ask.
        sleep: waits between retries.

    Raises:
        PolicyRefused: the data is not public, or the grant does not cover this.
        DataError: the file is a recording of something else.
        ProviderError: the provider cannot be used, and not one text was answered.
        EnvironmentLacks: the key's variable is not set, the disk is full, or another run records here.
    """
    if not dataset.public:
        raise PolicyRefused(
            "answers are written only for data declared public: there is no vault for others yet",
            where=dataset.name,
            mend="Declare the data public if it is, or measure a local candidate.",
        )
    gate = gate or Gate([grant])
    asking = _Asking(
        dataset=dataset,
        prompt=prompt,
        grant=grant,
        gate=gate,
        egress=egress or Egress(gate),
        patient=patient or Patient(),
        rng=rng,
        emit=emit,
        sleep=sleep,
    )
    with opened(path, asking.header) as (file, known):
        return asyncio.run(asking.fill(path, file, known))


@dataclass(frozen=True, kw_only=True)
class _Asking:
    """One recording under way."""

    dataset: Dataset
    prompt: Prompt
    grant: RunGrant
    gate: Gate
    egress: Egress
    patient: Patient
    rng: np.random.Generator
    emit: Emit
    sleep: Sleep

    @property
    def model(self) -> str:
        return self.grant.proposal.model

    @property
    def header(self) -> dict[str, Any]:
        return {
            "sazon_recording": RECORDING_VERSION,
            "model": self.model,
            "prompt_digest": self.prompt.digest,
            "labels": list(self.prompt.labels),
            "made_at": _now(),
            "provider": self.grant.proposal.to.origin,
            "data_public": self.dataset.public,
        }

    def key(self, text: str) -> str:
        return recording_key(text, self.prompt.digest, self.model)

    async def fill(self, path: Path, file: IO[bytes], known: Mapping[str, bool]) -> Recording:
        """Ask for what is missing and append each answer as it comes."""
        texts = list(dict.fromkeys(self.dataset.inputs))
        missing = [text for text in texts if not known.get(self.key(text), False)]
        asked = failed = 0
        stop: SazonError | None = None
        if missing:
            asker = RemotePredictor(
                self._send,
                prompt=self.prompt,
                model=self.model,
                rng=self.rng,
                patient=self.patient,
                sleep=self.sleep,
            )
            async with self.egress:
                try:
                    async for position, reply in asker.ask(missing):
                        if empty(file):
                            append(path, file, self.header)
                        append(path, file, self._line(missing[position], reply))
                        asked, failed = asked + 1, failed + (reply.answer is None)
                        self._tell(len(texts) - len(missing) + asked, len(texts))
                except SazonError as error:
                    if asked == 0:
                        raise
                    stop = error
        return Recording(
            path=path,
            texts=len(texts),
            kept=len(texts) - len(missing),
            asked=asked,
            failed=failed,
            spent=self._spent(),
            stopped=str(stop) if stop else "",
        )

    async def _send(self, message: Message) -> Response:
        granted = self.grant.proposal
        request = Request(
            purposes=granted.purposes,
            provider=granted.provider,
            url=f"{granted.to}/chat/completions",
            data_digest=self.dataset.digest,
            message=message,
            disclosures=PUBLIC,
        )
        return await self.egress.send(self.gate.seal(request))

    def _line(self, text: str, reply: Reply) -> dict[str, Any]:
        return {
            "key": self.key(text),
            "model": self.model,
            "answer": reply.answer,
            "tokens_in": reply.tokens_in,
            "tokens_out": reply.tokens_out,
            "seconds": round(reply.seconds, 6),
            "money": reply.money,
            "attempts": reply.attempts,
            "at": _now(),
            "error": reply.error,
        }

    def _tell(self, done: int, total: int) -> None:
        spent = self.grant.account.spent.money
        self.emit(Event(stage=STAGE, done=float(done), total=float(total), spent=spent))

    def _spent(self) -> Estimate:
        price, spent = self.grant.proposal.price, self.grant.account.spent
        if price is None or spent.money is None:
            return Estimate.none("the provider's price is not known", n=spent.requests)
        return Estimate(
            value=spent.money,
            unit=price.currency,
            method="tokens as counted by the provider, else at their bound, times the stated price",
            n=spent.requests,
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
