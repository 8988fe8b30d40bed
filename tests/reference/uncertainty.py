"""Write ``uncertainty.json``: prediction sets and recalibrated probabilities as other programs compute them.

    pip install crepes==0.9.1 venn-abers==1.5.4
    python tests/reference/uncertainty.py > tests/reference/uncertainty.json

crepes: p-values without smoothing, by class and marginal. venn-abers: both probabilities of inductive Venn–Abers
predictors, and the one that they are merged into.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np


def main() -> None:
    """Compute three cases: few patients with ties, ties, and distinct scores."""
    from crepes import ConformalClassifier
    from venn_abers import VennAbers

    stream = np.random.default_rng(13)
    cases: list[dict[str, Any]] = []
    for n, digits in ((30, 1), (90, 2), (150, 6)):
        is_high = stream.random(n) < 0.4
        score = 1.0 / (1.0 + np.exp(1.0 - 1.6 * (stream.normal(size=n) + 1.3 * is_high)))
        p_high, new = score.round(digits), np.concatenate([[0.0, 1.0], stream.random(28).round(digits)])
        strangeness = np.where(is_high, 1.0 - p_high, p_high)
        p_values = {}
        for kind, bins in (("by-class", is_high.astype(int)), ("marginal", None)):
            classifier = ConformalClassifier()
            classifier.fit(strangeness, bins=bins)
            for grade, of_new in (("high", 1.0 - new), ("low", new)):
                own = None if bins is None else np.full(new.size, int(grade == "high"))
                found = classifier.predict_p(of_new[:, np.newaxis], bins=own, smoothing=False)
                p_values[f"{kind} {grade}"] = np.ravel(found).tolist()
        predictor = VennAbers()
        predictor.fit(np.column_stack([1.0 - p_high, p_high]), is_high.astype(int))
        merged, both = predictor.predict_proba(np.column_stack([1.0 - new, new]))
        cases.append(
            {
                "p_high": p_high.tolist(),
                "is_high": is_high.astype(int).tolist(),
                "new": new.tolist(),
                "p_values": p_values,
                "venn_abers": {
                    "low": both[:, 0].tolist(),
                    "high": both[:, 1].tolist(),
                    "merged": merged[:, 1].tolist(),
                },
            }
        )
    json.dump(cases, sys.stdout)


if __name__ == "__main__":
    main()
