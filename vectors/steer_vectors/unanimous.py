"""Planes that must agree: risky is what lies on the risky side of every one. Rows in, planes out. Knows no prompts, no models.

    p(risky | h) = product over k of sigmoid(z_k),  z_k = <normal_k, h> + bias_k      fitted: noisy AND
    reading      = min over k of z_k                                                  read: what the most harmless one says

Harm is often a conjunction: what is done and to whom. Each half of it may be linear; then their AND is a corner, and one plane
has to cut it off. Related: polyhedral classifiers (Manwani & Sastry, ACML 2010). The loss is not convex: of several beginnings
the one with the least loss is kept.
"""

from __future__ import annotations

import numpy as np

from steer_vectors.planes import Agreed, Plane
from steer_vectors.roc import Floats, Table

PLANES = 2
PENALTY = 0.1  # C in scikit-learn's sense, on standardised coordinates
_BEGINNINGS = 2
_STEPS = 200


def unanimous(rows: Floats, table: Table, planes: int = PLANES) -> Agreed:
    """Planes fitted together: logistic loss of the product, penalised.

    Args:
        rows: `[n, d]`.
        table: What is known of them.
        planes: How many.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]  # heavy, so only here
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    scaler = StandardScaler().fit(rows, sample_weight=table.weights)
    scaled = np.hstack([scaler.transform(rows), np.ones((len(rows), 1))])

    def loss(flat: Floats) -> tuple[float, Floats]:
        return _loss(flat.reshape(planes, -1), scaled, table)

    draw, found = np.random.default_rng(0), []
    for _ in range(_BEGINNINGS):
        begin = draw.normal(0, 0.3 / np.sqrt(rows.shape[1]), (planes, scaled.shape[1]))
        begin[:, -1] += np.log(planes)
        found.append(minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}))
    best = min(found, key=lambda own: own.fun).x.reshape(planes, -1)
    normals = best[:, :-1] / scaler.scale_
    return Agreed(
        tuple(
            Plane(own, float(bias - own @ scaler.mean_))
            for own, bias in zip(normals, best[:, -1], strict=True)
        )
    )


def _loss(weights: Floats, rows: Floats, table: Table) -> tuple[float, Floats]:
    """And its gradient, flat; weights `[k, d + 1]`, the last column the biases, which are not penalised."""
    from scipy.special import expit, log_expit  # type: ignore[import-untyped]

    each = rows @ weights.T  # [n, k]
    # Log of the product, and of what it lacks of 1.
    yes = np.minimum(log_expit(each).sum(1), -1e-12)
    no = np.log(-np.expm1(yes))
    bare = np.hstack([weights[:, :-1], np.zeros((len(weights), 1))])
    value = -float(table.weights @ np.where(table.risky, yes, no)) + float((bare**2).sum()) / (2 * PENALTY)
    by_yes = table.weights * np.where(table.risky, -1.0, np.exp(yes - no))
    slopes = by_yes[:, None] * expit(-each)  # [n, k]
    return value, (slopes.T @ rows + bare / PENALTY).ravel()
