"""The section `federate:` of a recipe: defaults for every federated candidate."""

from __future__ import annotations

from pydantic import Field, field_validator

from sazon.core.config import Config, refuse


class FederateConfig(Config):
    """Defaults; an option under a candidate's own name has the last word."""

    rounds: int = Field(default=30, ge=1, le=10_000)
    """Times the sites train and their weights are averaged (and as often again to refit)."""
    local_steps: int = Field(default=1, ge=1, le=1000)
    """Local steps of the trained technique at each site in one round."""
    fraction: float = Field(default=1.0, gt=0, le=1)
    """Share of the sites that take part in a round, at least two of them."""
    min_sites: int = Field(default=2, ge=2)
    """Fewest sites with rows to train on; with fewer the candidate is refused."""
    compare: bool = True
    """Also train on all rows pooled and at each site alone, to show what federating is worth."""
    refit: bool = True
    """After measuring on validation, federate once more with each site's validation rows added."""
    secure: bool = False
    """Sum updates so that nobody sees a single site's (not built yet)."""

    @field_validator("secure")
    @classmethod
    def _not_yet(cls, secure: bool) -> bool:
        if secure:
            raise refuse(
                "secure sums are not built yet", "Set secure: false to train with unprotected updates."
            )
        return secure
