"""Ask a provider once and keep its answers and their figures by digest, never the texts asked.

What is public goes out as it is, and its answers are kept in clear. What is somebody's goes out covered,
with everybody's consent, and its answers are kept sealed (`consented.py`).

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
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from sazon.core.errors import PolicyRefused, SazonError
from sazon.core.events import Emit, Event, silent
from sazon.core.types import Dataset, Estimate
from sazon.evaluate.consented import Consented
from sazon.evaluate.recording import CLEAR, append, empty, opened
from sazon.models.prompt import Prompt
from sazon.models.recorded import RECORDING_VERSION, recording_key
from sazon.models.remote import (
    BLOCKED,
    NOT_CONSENTED,
    UNSENT,
    Patient,
    RemotePredictor,
    Reply,
    Sleep,
)
from sazon.models.sealed_recording import Hand
from sazon.policy.destination import Destination, Networks
from sazon.policy.egress import Egress
from sazon.policy.gate import Gate
from sazon.policy.grant import Proposal, RunGrant
from sazon.policy.grant import propose as propose_grant
from sazon.policy.message import Message
from sazon.policy.response import Response
from sazon.policy.ruling import PUBLIC, Denied, Request
from sazon.policy.safe import held
from sazon.policy.spending import Limits, Price
from sazon.policy.transport import Trust

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
    blocked: int = 0
    """Texts that could not be looked into, and so were not sent."""
    not_consented: int = 0
    """Texts that were not sent because somebody's consent had ended by then."""
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
    consented: Consented | None = None,
    networks: Networks = (),
    trust: Trust | None = None,
) -> Proposal:
    """What recording `dataset` would send, for a person to read and confirm.

    Args:
        dataset: the texts; declared public, or it is refused without `consented`.
        prompt: how each text is put; its examples leave too.
        model: the provider's name of the model.
        url: root of an OpenAI-compatible API.
        spend_cap: most money to spend, in the currency of the price.
        price: per token; may be left out for an endpoint on this machine, which charges nothing.
        token_cap: most tokens in all; needed where the price is not known.
        key: name of the environment variable that holds the key.
        provider: its name in the recipe.
        consented: whose the texts are, where they are not public.
        networks: private networks in which the provider may lie.
        trust: how the connection proves who is at the other end.

    Raises:
        PolicyRefused: data neither public nor anybody's by name, address not allowed, or nothing would cap
            the cost.
    """
    attempts = len(set(dataset.inputs)) * Patient().attempts
    if price is None and Destination.parse(url).loopback:
        price = Price.free("this machine's own endpoint")
    if price is None and spend_cap is not None and token_cap is None:
        raise PolicyRefused(
            "the price of this provider is not known, so a cap in money could not be kept",
            mend="Give its price per million tokens, or a cap in tokens.",
        )
    if consented is not None:
        prompt = consented.prompt
    return propose_grant(
        purposes=("evaluate", "infer.external"),
        provider=provider,
        data_name=dataset.name,
        data_digest=dataset.digest,
        people=None if dataset.public else 0 if consented is None else consented.people,
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
        networks=networks,
        trust=trust,
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
    consented: Consented | None = None,
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
        consented: whose the texts are and where answers are kept, where they are not public.

    Raises:
        PolicyRefused: the data is not public and nobody's by name, or the grant does not cover this.
        DataError: the file is a recording of something else.
        ProviderError: the provider cannot be used, and not one text was answered.
        EnvironmentLacks: the key's variable is not set, the disk is full, or another run records here.
    """
    if not dataset.public and consented is None:
        raise PolicyRefused(
            "answers about data that is not public are kept under keys, and there are none",
            where=dataset.name,
            mend="Make keys (sazon keys init RECIPE), declare the data public if it is, or measure a local"
            " candidate.",
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
        consented=consented,
    )
    with (
        contextlib.nullcontext() if consented is None else held(consented.safe),
        opened(path, asking.header, asking.hand) as (file, known),
    ):
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
    consented: Consented | None

    @property
    def hand(self) -> Hand:
        return CLEAR if self.consented is None else self.consented.hand

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
            **({} if self.consented is None else {"covered": True}),
        }

    def key(self, text: str) -> str:
        return recording_key(text, self.prompt.digest, self.model, name=self.hand.name)

    async def fill(self, path: Path, file: IO[bytes], known: Mapping[str, bool]) -> Recording:
        """Ask for what is missing and append each answer as it comes."""
        texts = list(dict.fromkeys(self.dataset.inputs))
        missing = [text for text in texts if not known.get(self.key(text), False)]
        errors: list[str | None] = []
        stop: SazonError | None = None
        if missing:
            asker = RemotePredictor(
                self._send,
                prompt=self.prompt if self.consented is None else self.consented.prompt,
                model=self.model,
                rng=self.rng,
                patient=self.patient,
                sleep=self.sleep,
            )
            async with self.egress:
                try:
                    async for position, reply in asker.ask(missing):
                        if empty(file):
                            append(path, file, self.hand.header(self.header))
                        append(path, file, self._line(missing[position], reply))
                        errors.append(reply.error)
                        self._tell(len(texts) - len(missing) + len(errors), len(texts))
                except SazonError as error:
                    if not errors:
                        raise
                    stop = error
        sent = [error for error in errors if error not in UNSENT]
        return Recording(
            path=path,
            texts=len(texts),
            kept=len(texts) - len(missing),
            asked=len(sent),
            failed=sum(error is not None for error in sent),
            blocked=errors.count(BLOCKED),
            not_consented=errors.count(NOT_CONSENTED),
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
        if self.consented is not None:
            return await self._send_covered(self.consented, request, message)
        return await self.egress.send(self.gate.seal(request))

    async def _send_covered(self, consented: Consented, request: Request, message: Message) -> Response:
        """The same for a text that is somebody's; what stops it alone stops nothing else."""
        covered = await asyncio.to_thread(consented.covered, message)
        request = consented.request(request, message, covered)
        try:
            response = await self.egress.send(await asyncio.to_thread(self.gate.seal, request))
        except Denied as denied:
            alone = consented.one_alone(denied)
            if alone is None:
                raise
        else:
            return consented.restored(response, covered)
        raise alone

    def _line(self, text: str, reply: Reply) -> Mapping[str, Any]:
        line = {
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
        return self.hand.line(line, () if self.consented is None else self.consented.subjects(text))

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
