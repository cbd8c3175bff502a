"""Linear readings of risk, fitted, held out and calibrated: rows in, a plane out. Knows no prompts and no models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from steer_vectors.roc import Bools, Floats, Numbers, Table

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # C of the logistic regression

Split = tuple[Numbers, Numbers]  # rows to fit on, rows to read


class Plane(NamedTuple):
    """A linear reading: `<normal, h> + bias`; normal `[d]` float64."""

    normal: Floats
    bias: float


Fit = Callable[[Floats, Table], Plane]


def lda(rows: Floats, table: Table) -> Plane:
    """scikit-learn's `LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[.5, .5])`, which takes no weights."""
    from scipy.linalg import solve  # type: ignore[import-untyped]  # heavy, so only here
    from sklearn.covariance import ledoit_wolf  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    means, within = [], np.zeros((rows.shape[1], rows.shape[1]))
    for side in (~table.risky, table.risky):
        weights = table.weights[side] / table.weights[side].mean()
        scaler = StandardScaler().fit(rows[side], sample_weight=weights)
        # Rows times the root of their weights have the weighted covariance as their plain one.
        spread = scaler.transform(rows[side]) * np.sqrt(weights)[:, None]
        shrunk, _ = ledoit_wolf(spread, assume_centered=True)
        within += 0.5 * shrunk * np.outer(scaler.scale_, scaler.scale_)
        means.append(scaler.mean_)
    normal = solve(within, means[1] - means[0], assume_a="pos")
    return Plane(normal, -float(normal @ (means[0] + means[1]) / 2))


@dataclass(frozen=True)
class Regression:
    """Logistic regression on standardised coordinates.

    Args:
        penalty: C in scikit-learn's sense.
    """

    penalty: float

    def __call__(self, rows: Floats, table: Table) -> Plane:
        """As a `Fit`."""
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(rows, sample_weight=table.weights)
        found = LogisticRegression(C=self.penalty, max_iter=2000)
        found.fit(scaler.transform(rows), table.risky, sample_weight=table.weights)
        normal = found.coef_[0] / scaler.scale_
        return Plane(normal, float(found.intercept_[0] - normal @ scaler.mean_))


# Of several, the one whose readings of held-out folds have the least log-loss.
FITS: dict[str, tuple[Fit, ...]] = {"lda": (lda,), "logistic": tuple(map(Regression, PENALTIES))}


def best_of(fits: Sequence[Fit], rows: Floats, table: Table, splits: Sequence[Split]) -> tuple[Fit, Floats]:
    """The fit whose held-out readings `[n]` have the least log-loss, and these readings."""
    from sklearn.metrics import log_loss  # type: ignore[import-untyped]

    found = [(fit, held_out(fit, rows, table, splits)) for fit in fits]
    if len(found) == 1:
        return found[0]

    def loss(own: tuple[Fit, Floats]) -> float:
        risks = torch.sigmoid(torch.from_numpy(own[1])).numpy()
        return float(log_loss(table.risky, risks, sample_weight=table.weights))

    return min(found, key=loss)


def held_out(fit: Fit, rows: Floats, table: Table, splits: Sequence[Split]) -> Floats:
    """`[n]`, each row read by a plane that was fitted without its fold."""
    found = np.empty(len(rows))
    for train, test in splits:
        plane = fit(rows[train], table.only(train))
        found[test] = rows[test] @ plane.normal + plane.bias
    return found


def held_out_risks(readings: Floats, table: Table, splits: Sequence[Split]) -> Floats:
    """`[n]`, calibrated on the readings of the other folds."""
    found = np.empty(len(readings))
    for train, test in splits:
        slope, offset = platt(readings[train], table.risky[train], table.weights[train])
        found[test] = torch.sigmoid(torch.from_numpy(slope * readings[test] + offset)).numpy()
    return found


def splits_of(table: Table, folds: int, seed: int) -> list[Split]:
    """Folds that keep clusters whole and have both classes alike."""
    from sklearn.model_selection import StratifiedGroupKFold  # type: ignore[import-untyped]

    divide = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(divide.split(np.zeros(len(table.risky)), table.risky, table.clusters))


def platt(readings: Floats, risky: Bools, weights: Floats) -> tuple[float, float]:
    """Slope and offset of the log odds of risk (Platt 1999): logistic regression on targets that are a little short of 0 and 1.

    Args:
        readings: `[n]`, of requests that had no part in making the reading.
        risky: `[n]`.
        weights: `[n]`.
    """
    from sklearn.linear_model import LogisticRegression

    totals = [float(weights[risky == side].sum()) for side in (False, True)]
    target = np.where(risky, (totals[1] + 1) / (totals[1] + 2), 1 / (totals[0] + 2))
    middle, scale = readings.mean(), readings.std() or 1.0
    columns = np.concatenate([(readings - middle) / scale] * 2)[:, None]
    labels = np.repeat([1, 0], len(readings))
    shares = np.concatenate([weights * target, weights * (1 - target)])
    found = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    found.fit(columns, labels, sample_weight=shares)
    slope = float(found.coef_[0, 0] / scale)
    return slope, float(found.intercept_[0] - slope * middle)
