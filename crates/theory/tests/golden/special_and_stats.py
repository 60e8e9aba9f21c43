"""Golden values for the special functions, intervals and correlations of vaegis-theory.

Writes special_and_stats.json beside itself.
Made with Python 3.11, NumPy 2.4.6, SciPy 1.17.1; rerun with: python special_and_stats.py
"""

import json
import pathlib

import numpy as np
from scipy import special, stats

out = {"versions": {"numpy": np.__version__, "scipy": __import__("scipy").__version__}}

xs = [-37.0, -20.0, -10.0, -5.0, -2.5, -1.0, -0.1, 0.0, 0.3, 1.0, 2.0, 4.0, 8.0]
out["normal_cdf"] = [[x, float(stats.norm.cdf(x)), float(stats.norm.sf(x))] for x in xs]
ps = [1e-300, 1e-100, 1e-20, 1e-10, 1e-5, 0.001, 0.02, 0.25, 0.5, 0.6, 0.75, 0.9, 0.99, 0.9999]
out["probit"] = [[p, float(special.ndtri(p))] for p in ps]

rows = []
for k in [0.5, 1, 2, 3, 7, 20, 64, 784, 3072]:
    for f in [0.01, 0.3, 0.8, 1.0, 1.2, 2.0, 5.0]:
        x = k * f
        rows.append([x, k, float(stats.chi2.cdf(x, k)), float(stats.chi2.sf(x, k))])
out["chi2"] = rows
out["chi2_quantile"] = [
    [p, k, float(stats.chi2.ppf(p, k))] for k in [1, 2, 5, 20, 64, 784] for p in [1e-6, 0.01, 0.5, 0.9, 0.999]
]
out["ncx2"] = [
    [x, k, nc, float(stats.ncx2.cdf(x, k, nc))]
    for k in [1, 3, 20] for nc in [0.3, 4.0, 60.0] for x in [0.5, 5.0, 30.0, 90.0]
]
rows = []
for a, b in [(0.5, 0.5), (1, 3), (2.5, 7), (40, 3), (500, 501), (3900, 101), (99990, 11), (50000, 50001)]:
    mean, sd = a / (a + b), np.sqrt(a * b / (a + b) ** 2 / (a + b + 1))
    for z in [-4, -1, 0, 1, 4]:
        x = float(np.clip(mean + z * sd, 1e-6, 1 - 1e-6))
        rows.append([a, b, x, float(special.betainc(a, b, x)), float(special.betaincc(a, b, x))])
out["beta_inc"] = rows

out["student_t"] = [
    [p, v, float(stats.t.ppf(p, v))] for v in [1, 2, 4, 9, 30, 200] for p in [0.001, 0.1, 0.45, 0.7, 0.975, 0.9995]
]

rows = []
for n in [1, 10, 400, 2000, 20000, 100000]:
    for k in sorted({0, 1, n // 2, (9 * n) // 10, n - 1, n}):
        for alpha in [0.001, 0.05]:
            # Beta quantiles, because binomtest(...).proportion_ci solves to 1e-10 only.
            low = lambda a: 0.0 if k == 0 else float(stats.beta.ppf(a, k, n - k + 1))
            high = lambda a: 1.0 if k == n else float(stats.beta.isf(a, k + 1, n - k))
            rows.append([k, n, alpha, low(alpha), high(alpha), low(alpha / 2), high(alpha / 2)])
out["clopper_pearson"] = rows

out["all_success"] = [
    [n, 0.001 ** (1 / n), float(stats.norm.isf(-np.expm1(np.log(0.001) / n)))] for n in [1, 400, 2000, 20000]
]

rows = []
for n in [5, 20, 100, 1000, 4000]:
    for m in [0.1, 0.5, 0.9]:
        for alpha in [0.01, 0.05]:
            b = stats.binom(n, m)
            lower = max(l for l in range(0, n + 1) if l == 0 or b.cdf(l - 1) <= alpha / 2)
            upper = min(u for u in range(1, n + 2) if b.sf(u - 1) <= alpha / 2)
            rows.append([n, m, alpha, lower, upper])
out["order_ranks"] = rows

rng = np.random.default_rng(20240607)
x = rng.normal(size=23).round(3)
y = (0.6 * x + rng.normal(size=23)).round(1)  # rounding makes ties
fit = stats.linregress(x, y)
residual = y - fit.intercept - fit.slope * x
out["sample"] = {
    "x": x.tolist(),
    "y": y.tolist(),
    "pearson": float(stats.pearsonr(x, y)[0]),
    "spearman": float(stats.spearmanr(x, y)[0]),
    "slope": float(fit.slope),
    "intercept": float(fit.intercept),
    "r_squared": float(fit.rvalue**2),
    "slope_standard_error": float(fit.stderr),
    "residual_standard_error": float(np.sqrt(np.sum(residual**2) / (len(x) - 2))),
    "quantiles": [[q, float(np.quantile(x, q))] for q in [0, 0.05, 0.25, 0.5, 0.77, 1]],
    "mean": float(np.mean(x)),
    "standard_deviation": float(np.std(x, ddof=1)),
    "t_interval": [float(v) for v in stats.t.interval(0.95, len(x) - 1, np.mean(x), stats.sem(x))],
    "geometric_mean_of_exp": float(stats.gmean(np.exp(x))),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(out, indent=1) + "\n")
