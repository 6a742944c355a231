"""Cut the training rows by the site they live at; a row is never seen outside its own site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sazon.core.errors import DataError
from sazon.core.types import Dataset, TrainingData

SHOWN = 5
"""Site names in one error message."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """One place with rows of its own."""

    name: str
    fit: Dataset
    """At least one row."""
    validation: Dataset
    """May be empty."""

    def with_validation(self) -> Site:
        """The same site, its validation rows used for training as well."""
        rows = replace(self.fit, examples=self.fit.examples + self.validation.examples)
        return replace(self, fit=rows)


def partition(data: TrainingData, *, min_sites: int, where: str) -> tuple[Site, ...]:
    """The sites that have rows to train on, by name, whatever the order of the rows' sites.

    Args:
        data: fit and validation rows, each with its site.
        min_sites: fewest sites to go on with.
        where: the candidate, for errors.

    Raises:
        DataError: rows without a site, or fewer than `min_sites` sites.
    """
    rows = (*data.fit.examples, *data.validation.examples)
    homeless = sum(1 for e in rows if not _named(e.site))
    if homeless:
        everywhere = homeless == len(rows)
        raise DataError(
            f"{homeless} of {len(rows)} training rows do not say at which site they live",
            where=where,
            mend="Name the column that does, e.g. data.site: branch."
            if everywhere
            else "Fill in the site of every row, or leave the federated candidate out.",
        )
    names = sorted({str(e.site) for e in data.fit.examples})
    if len(names) < min_sites:
        shown = ", ".join(repr(n) for n in names[:SHOWN])
        raise DataError(
            f"federating needs {min_sites} sites with rows to train on, and there are {len(names)}"
            + (f" ({shown})" if names else ""),
            where=where,
            mend="Add rows of other sites, or leave the federated candidate out.",
        )
    return tuple(Site(name=n, fit=_at(data.fit, n), validation=_at(data.validation, n)) for n in names)


def pool(sites: Sequence[Site]) -> Dataset:
    """The rows of all sites as one data set, site after site."""
    return replace(sites[0].fit, examples=tuple(e for site in sites for e in site.fit.examples))


def _named(site: str | None) -> bool:
    return site is not None and bool(site.strip())


def _at(rows: Dataset, name: str) -> Dataset:
    return rows.select(i for i, e in enumerate(rows.examples) if e.site == name)
