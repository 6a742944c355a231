"""The demo at the gate: one message refused, then allowed, through the locks that `sazon serve` uses.

A folder of the run gets a recipe of its own with fresh keys, and a stand-in for a provider listens on this
machine. The message is asked of it without consent; then its invented customer opts in, and the same
message goes out with a marker in the place of an invented identifier. Receipt and proof are written, read
back and checked. Afterwards `sazon consent`, `sazon audit` and `sazon keys` work on that recipe.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sazon import models, recipe
from sazon.core import __version__, digest, files
from sazon.core.dataset import DataClass, Dataset, Example
from sazon.core.errors import IntegrityError
from sazon.core.exchange import Exchange, Exchanges
from sazon.core.types import Candidate, Decision
from sazon.core.words import Language, Phrase, say
from sazon.pipeline.consenting import grant_consent, locks_of, receipt_of
from sazon.pipeline.kitchen import Kitchen
from sazon.pipeline.openings import passage_of
from sazon.policy.audit import claims
from sazon.policy.keys import lifecycle
from sazon.policy.passage import Asked
from sazon.policy.receipts import verify_receipt
from sazon.policy.ruling import WORDS, Denied, Disclosure
from sazon.recipe import Recipe
from sazon.testing.fake_provider import FakeProvider

STAGE = "policy"
PROVIDER = "frontier"
IDENTIFIER = "12345678Z"
"""A number of identity that checks itself and belongs to nobody."""
RECEIPT, PROOF, SHOWN = "receipt.jsonld", "proof.json", "shown.json"
_LONGEST = 160
_MARKER = re.compile("⟦[A-Z_]+_[0-9A-Z]{6}⟧")
_RECIPE = """\
# Made by `sazon demo`, for its own messages: a real key does not lie beside what it opens.
name: at the gate
candidates: {{floor: {{technique: majority}}}}
providers:
  {provider}: {{base_url: "{url}", model: stand-in}}   # was a stand-in on this machine, and is gone
policy:
  tenant: the demo's clinics
  consents: consents.jsonl
  opt_in: [infer.external]
  detect_timeout_s: 30   # a busy laptop shall not turn the demo into a refusal
"""


def show_policy(kitchen: Kitchen, candidates: Sequence[Candidate], decision: Decision) -> None:
    """Put a message of the test split before the gate; a stage of the run, made once.

    Nothing is shown where no message or no candidate on this machine is there to show it with.
    """
    language: Language = kitchen.recipe.config.report.language
    message, here = _message(kitchen.splits.test, language), _here(candidates, decision)
    if message is None or here is None:
        return
    predictor = models.load(here)

    def work(folder: Path) -> None:
        shown = at_the_gate(
            folder,
            message,
            here=here.name,
            answer=lambda t: predictor.predict([t]).labels[0],
            language=language,
        )
        (folder / SHOWN).write_text(files.to_json(shown), encoding="utf-8")

    inputs = {"message": message.id, "language": language, "candidate": here.digest, "sazon": __version__}
    kitchen.run.stage(STAGE, inputs=inputs, work=work)


def shown_policy(run: Path) -> Exchanges | None:
    """What a run has shown at the gate, if it has."""
    path = run / STAGE / SHOWN
    if not path.is_file():
        return None
    return files.from_json(Exchanges, path.read_text("utf-8"), where=str(path))


def policy_digest(run: Path) -> str:
    """Digest of what a run has shown at the gate; empty where it has shown nothing."""
    path = run / STAGE / SHOWN
    return digest.of_file(path) if path.is_file() else ""


def at_the_gate(
    folder: Path, message: Example, *, here: str, answer: Callable[[str], str], language: Language
) -> Exchanges:
    """Ask a stand-in without consent and with it, and prove what became of both.

    Args:
        folder: for keys, register, log, receipt and proof; empty.
        message: a row of data that is invented.
        here: name of who answers what may not leave.
        answer: how.
        language: of the sentence that carries the identifier.
    """
    with FakeProvider(lambda text: f"Read: {text}") as provider:
        text = _RECIPE.format(url=provider.url, provider=PROVIDER)
        (folder / "recipe.yaml").write_text(text, encoding="utf-8")
        wanted = recipe.parse(text, name="recipe.yaml", root=folder)
        lifecycle.init(wanted.config.policy, folder)
        notice = folder / "notice.txt"
        notice.write_text(say("sazon.pipeline", language, "gate.notice", provider=PROVIDER) + "\n", "utf-8")
        said = say("sazon.pipeline", language, "gate.identifier", number=IDENTIFIER)
        gate = _Gate(wanted=wanted, provider=provider, message=message, here=here, answer=answer)
        refused = gate.asked(f"{message.input} {said}")
        [record] = grant_consent(
            wanted,
            subject=gate.subject,
            purposes=["infer.external"],
            recipient=PROVIDER,
            classes=[gate.data_class],
            notice=notice,
            days=365.0,
        )
        allowed = gate.asked(f"{message.input} {said}")
    receipt = receipt_of(wanted, record.id)
    (folder / RECEIPT).write_text(json.dumps(receipt, indent=1, ensure_ascii=False) + "\n", "utf-8")
    entries, sent, verified = _proved(wanted, folder)
    return Exchanges(
        exchanges=(refused, allowed), receipt=receipt["@id"], entries=entries, sent=sent, verified=verified
    )


@dataclass(frozen=True, kw_only=True)
class _Gate:
    """Asks one message of the stand-in, and sees what arrives there."""

    wanted: Recipe
    provider: FakeProvider
    message: Example
    here: str
    answer: Callable[[str], str]

    @property
    def subject(self) -> str:
        return self.message.subject or "nobody"

    @property
    def data_class(self) -> DataClass:
        return self.message.sensitivity or DataClass.SPECIAL

    def asked(self, text: str) -> Exchange:
        """Ask, and answer here where the gate says no, as the gateway does."""
        arrived, logged = len(self.provider.received), self._logged()
        request = Asked(
            provider=PROVIDER,
            content={"model": PROVIDER, "messages": [{"role": "user", "content": text}]},
            disclosures=(Disclosure(subject=self.subject, data_class=self.data_class),),
        )
        restored, label = False, None
        with passage_of(self.wanted) as passage:
            if passage is None:
                raise AssertionError("the demo's recipe opens its provider")
            try:
                passed = asyncio.run(passage.ask(request))
                ruling, by = passed.ruling, PROVIDER
                restored = _said(passed.content) == f"Read: {text}"
            except Denied as denied:
                ruling, by = denied.ruling, self.here
                label = self.answer(text)
        seen = self.provider.received[arrived:]
        return Exchange(
            example=self.message.id,
            subject=self.subject,
            data_class=self.data_class,
            provider=PROVIDER,
            ruling=Phrase(package=WORDS, key=f"ruling.{ruling.reason}", values=dict(ruling.values)),
            allowed=ruling.allow,
            answered_by=by,
            label=label,
            bytes_left=len(seen),
            markers=tuple(dict.fromkeys(_MARKER.findall(seen.decode("utf-8", "replace")))),
            restored=restored,
            events=self._logged()[len(logged) :],
        )

    def _logged(self) -> tuple[str, ...]:
        """Every event of the log so far."""
        with locks_of(self.wanted) as locks:
            return tuple(str(entry.fields["event"]) for entry in locks.log.tail(100))


def _proved(wanted: Recipe, folder: Path) -> tuple[int, int, bool]:
    """Count what was sent, write the proof, and check proof and receipt as somebody else would."""
    with locks_of(wanted) as locks:
        keys = {role: locks.keyring.public(role) for role in ("audit", "consent")}
        dossier = claims.prove(locks.log, event="sent", provider=PROVIDER)
        (folder / PROOF).write_text(dossier.text, encoding="utf-8")
    try:
        found = claims.verify_dossier(
            claims.read_document((folder / PROOF).read_text("utf-8")), keys["audit"]
        )
        receipt = json.loads((folder / RECEIPT).read_text("utf-8"))
        verify_receipt(receipt, consent_key=keys["consent"], log_key=keys["audit"])
    except IntegrityError:
        return dossier.answer.entries, dossier.answer.matches, False
    return found.entries, found.matches, True


def _message(test: Dataset, language: Language) -> Example | None:
    """The first short personal message of a known person, in the reader's language where there is one."""
    fit = [
        row
        for row in test.examples
        if row.subject and row.sensitivity is DataClass.PERSONAL and len(row.input) <= _LONGEST
    ]
    return next((row for row in fit if row.language == language), fit[0] if fit else None)


def _here(candidates: Sequence[Candidate], decision: Decision) -> Candidate | None:
    """The candidate that would be served: the choice, or the best that runs on this machine."""
    known = {c.name: c for c in candidates if c.artifact is not None and c.placement == "local"}
    order = [decision.choice or "", *(name for name, _ in decision.ranking)]
    return next((known[name] for name in order if name in known), None)


def _said(content: Any) -> str:
    return str(content["choices"][0]["message"]["content"])
