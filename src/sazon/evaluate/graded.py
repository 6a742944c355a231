"""A measured candidate's answers set against the test rows, and estimates counted from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sazon.core.types import Candidate, Dataset, Estimate, Floats, Scores
from sazon.evaluate.sheets import AnswerSheet
from sazon.models.unknown import UNKNOWN
from sazon.stats import calibration, clusters, quantiles
from sazon.stats.clusters import Clustering

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Graded:
    """One measured candidate, row by row in the order of the test set."""

    name: str
    sheet: AnswerSheet
    answered: Flags
    """Shape (n,): whether there is a value at all."""
    right: Flags
    """Shape (n,): value 1; False also where nothing was answered, so always read with `answered`."""
    clustering: Clustering
    unknown: Flags
    """Shape (n,): where the answer was `unknown`, which is not right but no wrong class either."""
    local: str | None = None
    """The member of a cascade that answers first."""

    @classmethod
    def of(
        cls,
        candidate: Candidate,
        sheet: AnswerSheet,
        scores: Scores,
        test: Dataset,
        clustering: Clustering,
    ) -> Graded:
        """Take the accuracy rows of one candidate from the scores."""
        import polars as pl

        mine = scores.table.filter((pl.col("candidate") == candidate.name) & (pl.col("metric") == "accuracy"))
        by_id = dict(zip(mine["example"].to_list(), mine["value"].to_list(), strict=True))
        values = [by_id.get(example) for example in test.ids]
        return cls(
            name=candidate.name,
            sheet=sheet.aligned(test),
            answered=np.array([v is not None for v in values], dtype=bool),
            right=np.array([v == 1.0 for v in values], dtype=bool),
            clustering=clustering,
            unknown=_unknown(sheet, test),
            local=candidate.parents[0] if sheet.routed and candidate.parents else None,
        )

    def accuracy(self, *, level: float, where: Flags | None = None, unit: str = "share") -> Estimate:
        """Share right of the answered rows (of those in `where`)."""
        rows = self.answered if where is None else self.answered & where
        if not rows.any():
            return Estimate.none("no row was answered", unit=unit, n=0)
        return clusters.share(self.right[rows], self.clustering.keep(rows), level=level, unit=unit)

    def answered_share(self, *, level: float) -> Estimate:
        """Share of rows with an answer that names a class."""
        return clusters.share(self.answered & ~self.unknown, self.clustering, level=level)

    def accuracy_answered(self, *, level: float) -> dict[str, Estimate]:
        """Where some answers were `unknown`, the share right of the others."""
        if not self.unknown.any():
            return {}
        return {"accuracy_answered": self.accuracy(level=level, where=~self.unknown)}

    def local_share(self, *, level: float) -> dict[str, Estimate]:
        """For a cascade, the share of rows its local member answered."""
        if self.local is None:
            return {}
        near = np.array([r == self.local for r in self.sheet.routed], dtype=bool)
        return {"local_share": clusters.share(near, self.clustering, level=level)}

    def times(self, *, level: float) -> dict[str, Estimate]:
        """Median and 95th percentile of the latency, and throughput in batches."""
        known: Floats = self.sheet.seconds[np.isfinite(self.sheet.seconds)]
        rate = self.sheet.timings.throughput_per_s
        throughput = Estimate.none("nothing was run here in batches", unit="1/s")
        if rate is not None:
            throughput = Estimate(
                value=rate,
                unit="1/s",
                level=level,
                n=self.sheet.timings.batch_rows,
                method="one pass over the test set in batches, on this machine",
            )
        return {
            "latency_p50_s": quantiles.quantile(known, 0.5, level=level),
            "latency_p95_s": quantiles.quantile(known, 0.95, level=level),
            "throughput_per_s": throughput,
        }

    def calibration_error(self, *, level: float, rng: np.random.Generator) -> Estimate:
        """Expected calibration error of the confidence given."""
        # The confidence beside `unknown` is that of the class held back.
        rows = self.answered & ~self.unknown & np.isfinite(self.sheet.confidence)
        if not rows.any():
            return Estimate.none("the candidate gives no confidence", unit="share", n=0)
        return calibration.expected_calibration_error(
            self.sheet.confidence[rows], self.right[rows], self.clustering.keep(rows), level=level, rng=rng
        )


def _unknown(sheet: AnswerSheet, test: Dataset) -> Flags:
    if UNKNOWN in test.labels:  # a class like any other
        return np.zeros(len(test), dtype=bool)
    return np.array([label == UNKNOWN for label in sheet.labels], dtype=bool)
