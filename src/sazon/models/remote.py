"""A model behind an OpenAI-compatible API, asked through whatever way out it is given.

The predictor opens no connection itself: `send` is a function that passes each message through the
policy's gate and egress. Retries go through it again, so each attempt is ruled on anew.
"""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sazon.core.errors import PluginError, ProviderError, SazonError
from sazon.core.seams import Capabilities
from sazon.core.types import Answers
from sazon.models.prompt import Prompt
from sazon.policy.message import Message
from sazon.policy.response import Response

Send = Callable[[Message], Awaitable[Response]]
"""Takes one message out by the only way, and brings the answer."""
Sleep = Callable[[float], Awaitable[None]]

HOPELESS = {
    401: "the provider does not accept the key",
    403: "the provider does not allow this model or address for the key",
    404: "the provider knows no such model or address",
    405: "this address does not take chat requests",
}
"""Statuses that every further request would meet too."""
_WORTH_RETRYING = (408, 409, 425, 429)
_FENCED = re.compile(r"```[a-zA-Z]*\s*(.*?)\s*```", re.DOTALL)
_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
CUT_OFF = "cut_off"
UNUSABLE = ("unreadable", "empty", CUT_OFF)
"""What the model said is no answer: it was billed, and would be the same if asked again."""
BLOCKED, NOT_CONSENTED = "blocked", "not_consented"
UNSENT = (BLOCKED, NOT_CONSENTED)
"""What stayed here: it could not be looked into, or somebody's consent had ended by then."""


class NotSent(SazonError):
    """One text that stays here, while others may go; `what` is one of `UNSENT`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """How often and how fast to ask."""

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    at_once: int = 4
    """Requests under way at the same time."""
    failures_in_a_row: int = 5
    """Texts without an answer, one after the other, after which asking stops."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What came of one text."""

    answer: str | None
    """A label of the prompt, or free text where it has none."""
    seconds: float
    """Of the last attempt, waits left out."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    money: float | None = None
    error: str | None = None
    """`unreadable`, `empty`, `cut_off`, `malformed`, `http_429`, `no_answer`, `blocked`, …; None where there
    is an answer."""
    attempts: int = 1
    """Requests it took, this one included; 0 where none left."""


def passing(error: str | None) -> bool:
    """Whether a counted failure may be gone next time; False where there is none."""
    return error is not None and error not in (*UNUSABLE, "http_400", "http_413", "http_422")


class RemotePredictor:
    """Asks a provider for each input."""

    can: ClassVar[Capabilities] = Capabilities(probabilities=False, runs_here=False)

    def __init__(
        self,
        send: Send,
        *,
        prompt: Prompt,
        model: str,
        rng: np.random.Generator,
        patient: Patient | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Ask by `send`; `rng` spreads the waits between retries."""
        self.classes = prompt.labels
        self.prompt = prompt
        self.model = model
        self._send = send
        self._rng = rng
        self._patient = patient or Patient()
        self._sleep = sleep

    @classmethod
    def load(cls, directory: Path) -> RemotePredictor:
        """Refused: a folder holds no permission to send.

        Raises:
            PluginError: always.
        """
        raise PluginError(
            "a remote model cannot be loaded from a folder",
            where=str(directory),
            mend="Record its answers first, or ask it through a grant.",
        )

    def predict(self, inputs: Sequence[str]) -> Answers:
        """Answer each input, in order; failures are counted, never guessed.

        Raises:
            PolicyRefused: the way out is closed or the cap is reached.
            ProviderError: the provider cannot be used at all.
        """
        replies = asyncio.run(self._all(inputs))
        nan = float("nan")
        known = [(r.tokens_in, r.tokens_out) for r in replies]
        return Answers(
            labels=tuple(r.answer or "" for r in replies),
            confidence=np.full(len(replies), nan),
            classes=self.classes,
            errors=tuple(r.error for r in replies),
            tokens=np.array([nan if i is None or o is None else float(i + o) for i, o in known]),
            money=np.array([nan if r.money is None else r.money for r in replies]),
            seconds=np.array([r.seconds if r.error is None else nan for r in replies]),
        )

    async def _all(self, inputs: Sequence[str]) -> list[Reply]:
        replies = {position: reply async for position, reply in self.ask(inputs)}
        return [replies[position] for position in range(len(inputs))]

    async def ask(self, inputs: Sequence[str]) -> AsyncIterator[tuple[int, Reply]]:
        """Yield (position, reply) as answers arrive, a few at a time.

        When asking has to stop, what is already under way is waited for and yielded first: it may
        have been paid for.

        Raises:
            PolicyRefused: the way out is closed or the cap is reached.
            ProviderError: the provider cannot be used at all.
        """
        waiting = iter(range(len(inputs)))
        under_way: dict[asyncio.Task[Reply], int] = {}
        stop: SazonError | None = None
        in_a_row = 0
        try:
            while True:
                while stop is None and len(under_way) < self._patient.at_once:
                    position = next(waiting, None)
                    if position is None:
                        break
                    under_way[asyncio.ensure_future(self._ask_one(inputs[position]))] = position
                if not under_way:
                    break
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    position = under_way.pop(task)
                    try:
                        reply = task.result()
                    except SazonError as error:
                        stop = stop or error
                        continue
                    in_a_row = in_a_row + 1 if _in_vain(reply.error) else 0
                    if in_a_row >= self._patient.failures_in_a_row:
                        stop = stop or _given_up(in_a_row, reply)
                    yield position, reply
        finally:
            for task in under_way:
                task.cancel()
        if stop is not None:
            raise stop

    async def _ask_one(self, text: str) -> Reply:
        message = self.prompt.message(text, model=self.model)
        unanswered = Reply(answer=None, seconds=0.0, error="no_answer")
        reply = unanswered
        for attempt in range(self._patient.attempts):
            retry_after_s = None
            try:
                response = await self._send(message)
            except NotSent as held:
                return replace(unanswered, error=held.what, attempts=attempt)
            except ProviderError as error:
                if not error.retryable:
                    raise
                reply = replace(unanswered, attempts=attempt + 1)
            else:
                reply = replace(read_reply(response, self.prompt.labels), attempts=attempt + 1)
                if response.status not in _WORTH_RETRYING and response.status < 500:
                    return reply
                retry_after_s = response.retry_after_s
            if attempt + 1 < self._patient.attempts:
                await self._sleep(self._wait_s(attempt, retry_after_s))
        return reply

    def _wait_s(self, attempt: int, retry_after_s: float | None) -> float:
        """Twice as long each time, spread at random, never longer than the cap."""
        if retry_after_s is not None:
            return min(retry_after_s, self._patient.longest_wait_s)
        longest = min(self._patient.first_wait_s * 2.0**attempt, self._patient.longest_wait_s)
        return float(longest * (0.5 + 0.5 * self._rng.random()))


def _in_vain(error: str | None) -> bool:
    """Whether a failure of this kind says that going on now is a waste."""
    return error not in UNSENT and (passing(error) or error == CUT_OFF)


def _given_up(count: int, last: Reply) -> ProviderError:
    if last.error == CUT_OFF:
        what, mend = "an answer that was cut off", "Raise max_tokens, or ask for shorter answers."
    else:
        what = f"no answer (the last: {last.error})"
        mend = "Wait a while and run the same command again; answers recorded so far are kept."
    return ProviderError(f"{count} texts in a row got {what}", mend=mend)


def read_reply(response: Response, labels: Sequence[str]) -> Reply:
    """An answer, or the counted reason why there is none.

    Args:
        response: what came back.
        labels: what was to choose from; none: the text is the answer.

    Raises:
        ProviderError: a status that every further request would meet too.
    """
    if response.status in HOPELESS:
        raise ProviderError(
            f"{HOPELESS[response.status]} ({response.status})",
            mend="Check the address, the model's name and the variable that holds the key.",
        )
    if response.status != 200:
        return Reply(answer=None, seconds=response.seconds, error=f"http_{response.status}")
    usage = response.usage
    choice = _choice(response.body)
    # What is not in the chat shape comes from something in between, not from the model: a captive
    # portal's page says nothing about the model, and may be gone next time.
    answer, trouble = None, "malformed"
    if choice is not None:
        answer, trouble = _label(choice, labels) if labels else _text(choice)
    return Reply(
        answer=answer,
        seconds=response.seconds,
        tokens_in=usage.tokens_in if usage else None,
        tokens_out=usage.tokens_out if usage else None,
        money=usage.money if usage else None,
        error=None if answer is not None else trouble,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Choice:
    """What the model said, maybe nothing."""

    said: str
    whole: bool
    """False where the provider stopped it: at the most tokens allowed, or by a filter."""


def _choice(body: bytes) -> _Choice | None:
    """None where the answer is not in the OpenAI chat shape."""
    try:
        choice: Any = json.loads(body)["choices"][0]
        said: Any = choice["message"].get("content")
        stopped = choice.get("finish_reason") in ("length", "content_filter")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return _Choice(said=said if isinstance(said, str) else "", whole=not stopped)


def _without_thoughts(said: str) -> str:
    """Only what is said after thinking: some models begin their thoughts unmarked, or never end them."""
    said = _THOUGHTS.sub("", said)
    return said.rpartition("</think>")[2].partition("<think>")[0].strip()


def _label(choice: _Choice, labels: Sequence[str]) -> tuple[str | None, str]:
    """The label named, or None and why; one that was named before the end was cut off counts."""
    return parse_label(choice.said, labels), "unreadable" if choice.whole else CUT_OFF


def _text(choice: _Choice) -> tuple[str | None, str]:
    """Free text as it was said, or None and why: half an answer is not judged as if it were whole."""
    said = _without_thoughts(choice.said)
    if not choice.whole:
        return None, CUT_OFF
    try:
        said.encode("utf-8")
    except UnicodeEncodeError:  # half a character
        return None, "unreadable"
    return said or None, "empty"


def parse_label(said: str, labels: Sequence[str]) -> str | None:
    """The one label a model's words stand for, or None.

    Accepted, in this order: the label itself; the same apart from case, accents, quotes, spaces and
    underscores; JSON, fenced or not, that names it as its `label` or holds it as its only such value;
    words that mention exactly one label.
    """
    said = _without_thoughts(said)
    if said in labels:
        return said
    folded = _by_folded_name(labels)
    if (found := folded.get(_fold(said))) is not None:
        return found
    fenced = _FENCED.search(said)
    try:
        value: Any = json.loads(fenced[1] if fenced else said)
    except (ValueError, RecursionError):
        return _only_mention(_fold(said), folded)
    if isinstance(value, dict) and isinstance(value.get("label"), str):
        value = value["label"]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    named = {
        label if label in labels else folded.get(_fold(label)) for label in values if isinstance(label, str)
    }
    named -= {None}
    return named.pop() if len(named) == 1 else None


def _by_folded_name(labels: Sequence[str]) -> dict[str, str]:
    """Folded name → label, without names that two labels share."""
    names = [_fold(label) for label in labels]
    return {n: label for n, label in zip(names, labels, strict=True) if n and names.count(n) == 1}


def _fold(text: str) -> str:
    """Lower case without accents, and every run of other characters one space."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(re.findall(r"\w+", plain.casefold().replace("_", " ")))


def _only_mention(words: str, folded: Mapping[str, str]) -> str | None:
    """The label mentioned, where exactly one is; a longer name hides shorter ones inside it."""
    found: set[str] = set()
    for name in sorted(folded, key=len, reverse=True):
        words, count = re.subn(rf"\b{re.escape(name)}\b", "\0", words)
        if count:
            found.add(folded[name])
    return found.pop() if len(found) == 1 else None
