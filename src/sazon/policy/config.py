"""What the recipe says about policy: bases for local work, and what the operator opts in to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from sazon.core.config import Config, refuse

LocalPurpose = Literal["adapt", "evaluate", "serve"]
"""Work that stays on this machine and still needs a lawful basis."""
ExternalPurpose = Literal["federate", "infer.external", "evaluate.external", "ledger"]
"""Ways in which something derived from data leaves; none implies another."""
Basis = Literal[
    "consent",
    "contract",
    "legal_obligation",
    "vital_interests",
    "public_task",
    "legitimate_interests",
]
"""The six bases of GDPR article 6(1)."""


class PolicyConfig(Config):
    """What may be done with the data here, and what may leave. Nothing leaves by default."""

    consents: str | None = Field(default=None, min_length=1)
    """File of consent records. They cannot be verified yet, so naming one allows nothing."""
    local_basis: dict[LocalPurpose, Basis] = Field(default_factory=dict)
    """Lawful basis of the work on this machine, as the operator declares it; shown in the report."""
    opt_in: list[ExternalPurpose] = Field(default_factory=list)
    """Purposes the operator is willing to allow; each request still needs consent or a grant."""

    @field_validator("opt_in")
    @classmethod
    def _each_once(cls, value: list[ExternalPurpose]) -> list[ExternalPurpose]:
        if len(set(value)) != len(value):
            raise refuse("a purpose stands twice", "Name each purpose once.")
        return value
