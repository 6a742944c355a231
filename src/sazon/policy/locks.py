"""The locks of one organisation, opened together: keys, vault, register of consents, audit log.

locks = Locks.open(recipe.config.policy, root=recipe.root)
gate = locks.gate([opening])
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sazon.core.errors import IntegrityError, RecipeError
from sazon.core.store import Store
from sazon.policy.audit.entry import Value
from sazon.policy.audit.log import AuditLog
from sazon.policy.config import PolicyConfig
from sazon.policy.consent import NOBODY, Consents, Ending, Record, written
from sazon.policy.gate import Gate
from sazon.policy.keys import ring_file
from sazon.policy.keys.keyring import Keyring
from sazon.policy.keys.lifecycle import open_keyring
from sazon.policy.permit import Permit
from sazon.policy.register import Register
from sazon.policy.vault import Erased, Vault


def exist(config: PolicyConfig, root: Path) -> bool:
    """Whether `sazon keys init` has been run for a recipe."""
    return (root / config.folder / ring_file.NAME).is_file()


@dataclass(frozen=True, kw_only=True)
class Locks:
    """Everything that is kept under keys, and the only hands that open it."""

    config: PolicyConfig
    keyring: Keyring
    store: Store
    vault: Vault
    log: AuditLog
    register: Register | None
    """None where the recipe names no file of consents."""
    clock: Callable[[], float] = time.time

    @classmethod
    def open(cls, config: PolicyConfig, *, root: Path, clock: Callable[[], float] = time.time) -> Locks:
        """Open all of them; nothing is made but tables that are missing.

        Args:
            config: the recipe's section.
            root: folder of the recipe.
            clock: seconds since the epoch.

        Raises:
            EnvironmentLacks: there are no keys, or the key source, the file or the server is not there.
            IntegrityError: a wrong key, a damaged store, or one that belongs to other keys.
        """
        keyring = open_keyring(config, root)
        store = Store.open(config.store, root=root)
        opened = cls(
            config=config,
            keyring=keyring,
            store=store,
            vault=Vault(store, keyring),
            log=AuditLog(
                store,
                sign=lambda message: keyring.sign("audit", message),
                public=keyring.public("audit"),
                clock=clock,
            ),
            register=None
            if config.consents is None
            else Register(root / config.consents, tenant=keyring.tenant, signer=keyring, store=store),
            clock=clock,
        )
        register = root / config.consents if config.consents is not None else None
        if register is not None and register.is_file() and register.stat().st_size and not opened.log.tail(1):
            store.close()
            # Every consent stands in the log before it stands in the register.
            raise IntegrityError(
                "there are consents, but the store remembers nothing: it is another one, or was lost",
                where=store.where,
                mend="Restore the store from its backup; until then nothing leaves.",
            )
        return opened

    def name_of(self, subject: str) -> str:
        """What the log calls a person, a request or anything else that could be guessed."""
        return self.keyring.digest("audit", subject)[:32]

    @property
    def now(self) -> float:
        """Seconds since the epoch, never before what the log has seen."""
        return max(self.clock(), self._last_logged())

    def consents(self) -> Consents:
        """The consents as they stand; nobody's where the recipe names no file."""
        return NOBODY if self.register is None else self.register.current()

    def gate(self, permits: Iterable[Permit] = ()) -> Gate:
        """A gate that rules by these consents and writes to this log."""
        return Gate(
            permits,
            policy=self.config.model_copy(update={"tenant": self.keyring.tenant}),
            consents=self.consents,
            log=self.log,
            name_of=self.name_of,
            clock=self.clock,
            not_before=self._last_logged(),
        )

    # ------------------------------------------------------------------- consent

    def give(self, records: Iterable[Record]) -> tuple[Record, ...]:
        """Add consents to the register, all or none; each stands in the log first.

        Raises:
            SazonError: nowhere to keep them, or log or register cannot be used.
        """
        register, given = self._kept(), tuple(records)
        self.log.append_many([self._told("consent", record) for record in given])
        return register.give(given)

    def end(self, id_: str, *, how: Ending = "withdrawn") -> Record:
        """End a consent from now on; it stands in the log first.

        Raises:
            SazonError: no such consent, or log or register cannot be used.
        """
        register = self._kept()
        record = self.consents().records.get(id_)
        at = self.now
        if record is not None and record.ended is None:
            self.log.append(self._told(how, replace(record, ended=how, ended_at=at)))
        return register.end(id_, how=how, at=at)

    def erase(self, subject: str) -> Erased:
        """End every consent of a person and destroy their keys; what was kept of them cannot be read again.

        The register and the log keep that there was a consent, which the controller must be able to show.

        Raises:
            SazonError: log, register or store cannot be used.
        """
        self.log.append({"event": "erased", "subjects": [self.name_of(subject)]})
        if self.register is not None:
            for record in self.consents().records.values():
                if record.subject == subject and record.ended is None:
                    self.end(record.id, how="terminated")
        return self.vault.erase(subject)

    def _kept(self) -> Register:
        if self.register is None:
            raise RecipeError(
                "the recipe names no file of consents",
                where="policy.consents",
                mend="Add to the recipe: policy: {consents: consents.jsonl}.",
            )
        return self.register

    def _told(self, event: str, record: Record) -> dict[str, Value]:
        """A consent as the log has it: no name in clear."""
        return {
            "event": event,
            "consents": [record.id],
            "subjects": [self.name_of(record.subject)],
            "purposes": [record.purpose],
            "provider": record.recipient,
            "classes": sorted(record.classes),
            "notice": record.notice,
            "until": written(record.ended_at if record.ended_at is not None else record.expires_at),
        }

    def _last_logged(self) -> float:
        entries = self.log.tail(1)
        return datetime.fromisoformat(str(entries[0].fields["at"])).timestamp() if entries else float("-inf")

    def close(self) -> None:
        """Close the store."""
        self.store.close()
