"""Golden values for the linear algebra, the chi-square mixture, r_min and the margin bounds.

Writes geometry.json beside itself.
Made with Python 3.11, NumPy 2.4.6, SciPy 1.17.1, mpmath 1.3; rerun with: python geometry.py
The mixture values integrate Imhof's formula with mpmath at 20 digits over the half-periods of
its oscillation (quadosc), a method that shares nothing with the contour rule under test.
"""

import json
import pathlib

import mpmath as mp
import numpy as np
from scipy import optimize, stats

mp.mp.dps = 20
out = {"versions": {"numpy": np.__version__, "mpmath": mp.__version__}}
rng = np.random.default_rng(7)


def mixture_cdf(x, lam, shift):
    lam = [mp.mpf(v) for v in lam]
    nc = [mp.mpf(v) ** 2 for v in shift]
    x = mp.mpf(x)

    def phase(u):  # everything but the linear term
        return mp.fsum(mp.atan(l * u) + n * l * u / (1 + (l * u) ** 2) for l, n in zip(lam, nc)) / 2

    def decay(u):
        log = mp.fsum(mp.log(1 + (l * u) ** 2) / 4 + n * (l * u) ** 2 / (1 + (l * u) ** 2) / 2 for l, n in zip(lam, nc))
        return mp.exp(-log) / u

    f = lambda u: mp.sin(phase(u) - x * u / 2) * decay(u)
    value = mp.quadosc(f, [0, mp.inf], omega=x / 2)
    return float(mp.mpf(1) / 2 - value / mp.pi)


cases = [
    ([1.0, 0.5], [0, 0], [0.3, 1.0, 4.0]),
    ([1.0, 1e-3], [0, 0], [0.2, 1.0]),
    ([3.0, 1.0, 0.2], [0, 0, 0], [1.0, 3.5, 12.0]),
    ([2.0, 1.0, 0.5, 0.25, 0.1], [0, 0, 0, 0, 0], [0.5, 2.7, 10.0]),
    ([1.5, 0.7], [0.5, 2.0], [1.0, 4.0, 12.0]),
    ([1.0, 0.3, 0.05], [3.0, 1.0, 6.0], [4.0, 11.0, 25.0]),
]
out["mixture_cdf"] = [
    {"lambdas": lam, "shifts": shift, "x": x, "value": mixture_cdf(x, lam, shift)}
    for lam, shift, xs in cases for x in xs
]

rows = []
for shape in [(1, 1), (2, 2), (3, 7), (6, 4), (20, 50)]:
    a = rng.normal(size=shape).round(4)
    rows.append({
        "matrix": a.tolist(),
        "spectral": float(np.linalg.norm(a, 2)),
        "frobenius": float(np.linalg.norm(a)),
        "gram_eigenvalues": np.linalg.eigvalsh(a @ a.T).tolist(),
    })
out["matrices"] = rows

rows = []
for d_z, d_x, p0, m in [(3, 6, 0.9, 0.5), (2, 5, 0.97, 0.7), (5, 9, 0.999, 0.25), (4, 8, 0.4, 0.5)]:
    j = rng.normal(size=(d_z, d_x)).round(4)
    sigma = rng.uniform(0.1, 1.5, size=d_z).round(4)
    root = rng.normal(size=(d_z, d_z)).round(3)
    cov = root @ root.T + 0.1 * np.eye(d_z)
    k = max(0.0, stats.norm.ppf(p0) - stats.norm.ppf(m))
    chol = np.linalg.cholesky(cov)
    rows.append({
        "jacobian": j.tolist(), "sigma": sigma.tolist(), "covariance": cov.tolist(), "p0": p0, "m": m, "kappa": k,
        "diagonal": [sigma.min() * k / np.linalg.norm(j), sigma.min() * k / np.linalg.norm(j, 2),
                     k / np.linalg.norm(j / sigma[:, None], 2)],
        "full": [np.sqrt(np.linalg.eigvalsh(cov)[0]) * k / np.linalg.norm(j),
                 np.sqrt(np.linalg.eigvalsh(cov)[0]) * k / np.linalg.norm(j, 2),
                 k / np.linalg.norm(np.linalg.solve(chol, j), 2)],
    })
out["bounds"] = rows

rows = []
for slope, sigma, r in [(1.0, 0.4, 1.0), (0.2, 0.25, 0.8), (3.0, 0.5, 0.4), (1.0, 1.6, 1.0)]:
    f = lambda t: stats.norm.cdf((r - slope * t) / sigma) - stats.norm.cdf((-r - slope * t) / sigma) - 0.5
    rows.append([slope, sigma, r, float(optimize.brentq(f, 0, 10 * r / slope, xtol=1e-15)) if f(0) > 0 else 0.0])
out["margin_1d"] = rows

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(out, indent=1) + "\n")
