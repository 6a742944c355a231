"""What the recipe says about policy: bases of local work, what is opened, and where the locks lie."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from sazon.core.config import Config, refuse
from sazon.core.dataset import DataClass

Purpose = Literal["adapt", "evaluate", "federate", "infer.external", "ledger"]
"""What data may be used for; none implies another. Evaluating at a provider needs both `evaluate` and
`infer.external`."""
LocalPurpose = Literal["adapt", "evaluate", "serve"]
"""Work that stays on this machine and still needs a lawful basis."""
Basis = Literal[
    "consent",
    "contract",
    "legal_obligation",
    "vital_interests",
    "public_task",
    "legitimate_interests",
]
"""The six bases of GDPR article 6(1)."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class PolicyConfig(Config):
    """What may be done with the data here, and what may leave. Nothing leaves by default."""

    tenant: Name = "organisation"
    """Name of the organisation: the controller in receipts, and the subject of data that is its own."""
    consents: str | None = Field(default=None, min_length=1)
    """File of signed consent records, kept by `sazon consent`."""
    local_basis: dict[LocalPurpose, Basis] = Field(default_factory=dict)
    """Lawful basis of the work on this machine, as the operator declares it; shown in the report."""
    opt_in: list[Purpose] = Field(default_factory=list)
    """Purposes that the operator opens and for which each person must have opted in. Training and
    evaluating on this machine run under `local_basis` unless they stand here; whatever leaves
    (`federate`, `infer.external`, `ledger`) stays shut unless it stands here."""
    detectors: list[Name] = Field(default=["patterns", "names"])
    """What looks for personal data in everything that would leave; one that fails blocks it."""
    detect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Longest time to look into one request; after that it is blocked."""
    live_class: DataClass = Field(default=DataClass.SPECIAL, strict=False)
    """Class of live text whose sender names none. The default is the strictest."""
    folder: str = Field(default=".sazon", min_length=1)
    """Folder of keys and locks; a relative path starts at the recipe."""
    store: str = Field(default="sqlite:///.sazon/policy.db", min_length=1)
    """Where the vault and the audit log lie: `sqlite:///FILE` or `postgresql://…`."""
    key: str = Field(default="file:.sazon/key", pattern=r"^(file|env|command):.+")
    """Where the key over all keys comes from: `file:PATH`, `env:NAME`, or `command:PROGRAM …` for a
    hardware module or a key service."""

    @field_validator("opt_in", "detectors")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise refuse("a name stands twice", "Name each once.")
        return value

    @field_validator("detectors")
    @classmethod
    def _some(cls, value: list[str]) -> list[str]:
        if not value:
            raise refuse("something must look for personal data", "Name at least patterns.")
        return value

    @property
    def asked_of_people(self) -> frozenset[Purpose]:
        """Purposes for which a person's own word is needed; federating always is one."""
        return frozenset(self.opt_in) | {"federate"}
