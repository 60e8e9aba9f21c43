"""Mean entropies of responsibilities with learnt variances over random codebooks.

Writes learnt_variances.json beside itself.
Made with Python 3.11, NumPy 2.4.6; rerun with: python learnt_variances.py
256 codes in 32 dimensions on the sphere of radius 0.5, log-variances uniform on (-s, s), the output
at distance R from the center in a random direction. Nothing is expanded and no projection is used.
"""

import json
import pathlib

import numpy as np

NUM_CODEBOOKS, NUM_CODES, DIM, RADIUS = 2000, 256, 32, 0.5
NORMS, HALF_WIDTHS = [10.0, 20.0, 50.0], [0.0, 0.05, 0.2, 0.7]
rng = np.random.default_rng(38)


def entropy(logits):
    logits = logits - logits.max()
    weights = np.exp(logits)
    total = weights.sum()
    return np.log(total) - (weights * logits).sum() / total


found = np.zeros((NUM_CODEBOOKS, len(NORMS), len(HALF_WIDTHS)))
for i in range(NUM_CODEBOOKS):
    means = rng.normal(size=(NUM_CODES, DIM))
    means *= RADIUS / np.linalg.norm(means, axis=1, keepdims=True)
    spread = rng.uniform(-1.0, 1.0, size=(NUM_CODES, DIM))
    direction = rng.normal(size=DIM)
    direction /= np.linalg.norm(direction)
    for a, norm in enumerate(NORMS):
        squares = (norm * direction - means) ** 2
        for b, half_width in enumerate(HALF_WIDTHS):
            log_variance = half_width * spread
            logits = -0.5 * (squares * np.exp(-log_variance) + log_variance).sum(axis=1)
            found[i, a, b] = entropy(logits)

rows = []
for a, norm in enumerate(NORMS):
    for b, half_width in enumerate(HALF_WIDTHS):
        column = found[:, a, b]
        rows.append([norm, half_width, round(column.mean(), 5), round(column.std(ddof=1), 5)])
out = {"versions": {"numpy": np.__version__}, "num_codebooks": NUM_CODEBOOKS, "learnt_variances": rows}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(out, indent=1) + "\n")
