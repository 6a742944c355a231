"""Texts that are somebody's, on their way to a provider: whose they are, covered, and where answers go.

Nothing here says who may be asked: the gate asks everybody's consent again for every text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sazon.core import digest
from sazon.core.errors import PolicyRefused
from sazon.core.types import Dataset
from sazon.models.prompt import Prompt, Shot
from sazon.models.remote import BLOCKED, NOT_CONSENTED, NotSent
from sazon.models.sealed_recording import Hand
from sazon.policy.covering import Covered, Covering
from sazon.policy.message import Message
from sazon.policy.response import Response
from sazon.policy.ruling import Denied, Disclosure, Request
from sazon.policy.safe import Safe

Whose = Mapping[str, tuple[Disclosure, ...]]
"""Text → everybody whose it is, as often as it was said."""


def whose(rows: Dataset) -> Whose:
    """Everybody each text of some rows belongs to."""
    found: dict[str, dict[Disclosure, None]] = {}
    for row in rows.examples:
        found.setdefault(row.input, {})[Disclosure(subject=row.subject, data_class=row.sensitivity)] = None
    return {text: tuple(those) for text, those in found.items()}


@dataclass(frozen=True, kw_only=True)
class Consented:
    """What asking about such texts takes beside a permit."""

    whose: Whose
    """Of the texts to ask about."""
    shown: tuple[Disclosure, ...]
    """Whose the examples in the prompt are: they go with every text."""
    prompt: Prompt
    """As it goes out: with its examples covered."""
    covering: Covering
    safe: Safe
    """Keeps the answers."""

    @classmethod
    def of(
        cls, prompt: Prompt, rows: Dataset, examples: Dataset, *, covering: Covering, safe: Safe
    ) -> Consented:
        """Cover the examples of a prompt, and see whose everything is.

        Args:
            prompt: as it is worded here.
            rows: every row with a text to ask about.
            examples: the rows its examples are.
            covering: finds what is sensitive.
            safe: where the answers are kept.

        Raises:
            PolicyRefused: an example cannot be looked into.
        """
        shown = {one: None for those in whose(examples).values() for one in those}
        return cls(
            whose=whose(rows),
            shown=tuple(shown),
            prompt=_covered(prompt, covering),
            covering=covering,
            safe=safe,
        )

    @property
    def people(self) -> int | None:
        """How many people's data would leave; None where all of it is public row by row."""
        those = [*self.shown, *(one for several in self.whose.values() for one in several)]
        subjects = {one.subject for one in those if one.data_class != "public"}
        return len(subjects) or None

    @property
    def hand(self) -> Hand:
        """How the recording is written."""
        return Hand(safe=self.safe)

    def subjects(self, text: str) -> list[str]:
        """Who is to be able to have the answer to a text erased."""
        return [one.subject for one in self.whose[text] if one.subject is not None]

    def covered(self, message: Message) -> Covered:
        """A message's text as it may go."""
        return self.covering.cover([message.text], beside=[message.instruction])

    def request(self, request: Request, message: Message, covered: Covered) -> Request:
        """A request for a message with its text covered and everybody named whose data it holds."""
        text = message.text
        if covered.blocked is not None:
            # Nothing of what was not looked into goes any further, not even into a digest.
            blank = replace(message, text="", instruction="")
            return replace(request, message=blank, disclosures=self.whose[text], blocked=covered.blocked)
        return replace(
            request,
            message=replace(message, text=covered.texts[0]),
            disclosures=(*self.whose[text], *self.shown),
            found=covered.found,
            original=digest.of_text(text),
        )

    def restored(self, response: Response, covered: Covered) -> Response:
        """An answer with its values back; a label is no value."""
        if self.prompt.labels or response.status != 200:
            return response
        return replace(response, body=covered.restored(response.body))

    def one_alone(self, denied: Denied) -> NotSent | None:
        """The error that stops one text only; None where what was denied stops all of them."""
        ruling = denied.ruling
        if ruling.reason.startswith("blocked."):
            return NotSent(BLOCKED)
        shown = {one.subject for one in self.shown}
        if ruling.missing and not any(one.subject in shown for one in ruling.missing):
            return NotSent(NOT_CONSENTED)
        return None


def _covered(prompt: Prompt, covering: Covering) -> Prompt:
    """The prompt with what is sensitive in its examples under markers; labels stay, they are ours."""
    if not prompt.shots:
        return prompt
    writes = not prompt.labels
    texts = [
        text for shot in prompt.shots for text in ((shot.input, shot.label) if writes else (shot.input,))
    ]
    done = covering.cover(texts, beside=[prompt.instruction])
    if done.blocked is not None:
        raise PolicyRefused(
            "an example of the prompt cannot be looked into, so nothing is sent",
            mend="Ask with another number of shots, or with none.",
        )
    said = iter(done.texts)
    shots = tuple(Shot(input=next(said), label=next(said) if writes else shot.label) for shot in prompt.shots)
    return replace(prompt, shots=shots)
