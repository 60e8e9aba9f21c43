"""MIG, FactorVAE score, SAP and DCI of a small made set of codes, written down once more.

NumPy only; plain loops after the definitions, no code shared with the crate. The lasso is solved
by proximal gradient steps instead of coordinate descent. NumPy 2.
Run: python3 disentangle.py > disentangle.json
"""
import json

import numpy as np

rng = np.random.default_rng(11)
N, D = 90, 4
sizes = [3, 5]
factors = np.stack([rng.integers(0, 3, N), rng.integers(0, 5, N)], 1)
mean = rng.normal(size=(N, D))
mean[:, 0] += 1.5 * factors[:, 1]
mean[:, 1] = 0.02 * mean[:, 1]
mean[:, 2] += np.array([2.0, -1.0, 0.5])[factors[:, 0]]
mean[:, 3] += 0.7 * factors[:, 1]
log_sigma = rng.normal(-0.7, 0.4, size=(N, D))
samples = mean + np.exp(log_sigma) * rng.normal(size=(N, D))


def entropy(rows, j):
    total = 0.0
    for s in rows:
        density = 0.0
        for n in rows:
            sigma = np.exp(log_sigma[n, j])
            u = (samples[s, j] - mean[n, j]) / sigma
            density += np.exp(-0.5 * u * u) / (sigma * np.sqrt(2 * np.pi))
        total -= np.log(density / len(rows))
    return total / len(rows)


def gap(values):
    best = sorted(values, reverse=True)
    return best[0] - best[1]


everything = list(range(N))
marginal = [entropy(everything, j) for j in range(D)]
mig = []
for f, size in enumerate(sizes):
    classes = [np.flatnonzero(factors[:, f] == k) for k in range(size)]
    gained = [max(0.0, marginal[j] - np.mean([entropy(c, j) for c in classes])) for j in range(D)]
    mig.append(gap(gained) / np.log(size))

# FactorVAE: groups are part of the golden file, so that both sides see the same.
def group():
    f = int(rng.integers(0, 2))
    k = int(rng.integers(0, sizes[f]))
    rows = rng.choice(np.flatnonzero(factors[:, f] == k), 4)
    return f, [int(r) for r in rows]


train, test = [group() for _ in range(40)], [group() for _ in range(30)]
spread = mean.var(0, ddof=1)


def vote(rows):
    ratio = mean[rows].var(0, ddof=1) / spread
    ratio[spread <= 0.01] = np.inf
    return int(np.argmin(ratio))


votes = np.zeros((D, 2), int)
for f, rows in train:
    votes[vote(rows), f] += 1
factor_score = np.mean([votes[vote(rows)].argmax() == f for f, rows in test])

# SAP: the first factor is categorical, the second ordered.
even, odd = np.arange(0, N, 2), np.arange(1, N, 2)
by_class = []
for j in range(D):
    classes = [mean[factors[:, 0] == k, j] for k in range(3)]
    centers = [z[::2].mean() for z in classes]
    shares = []
    for k in range(3):
        mine = classes[k][1::2]
        shares.append(np.mean([np.argmin(np.abs(z - centers)) == k for z in mine]))
    by_class.append(np.mean(shares))
by_line = [np.corrcoef(mean[:, j], factors[:, 1])[0, 1] ** 2 for j in range(D)]
sap = (gap(by_class) + gap(by_line)) / 2

# DCI.
ALPHA = 0.05
center, width = mean[even].mean(0), mean[even].std(0)
x, x_odd = (mean[even] - center) / width, (mean[odd] - center) / width


def lasso(y):
    w = np.zeros(D)
    step = len(y) / np.linalg.norm(x, 2) ** 2
    for _ in range(20000):
        v = w - step * x.T @ (x @ w - y) / len(y)
        w = np.sign(v) * np.maximum(np.abs(v) - step * ALPHA, 0)
    return w


importance, informativeness = np.zeros((D, 2)), []
for f in range(2):
    targets = [factors[:, 0] == k for k in range(3)] if f == 0 else [factors[:, 1]]
    error = total = 0.0
    for t in targets:
        t = t.astype(float)
        y = (t - t[even].mean()) / t[even].std()
        w = lasso(y[even])
        importance[:, f] += np.abs(w)
        error += ((y[odd] - x_odd @ w) ** 2).sum()
        total += ((y[odd] - y[odd].mean()) ** 2).sum()
    informativeness.append(1 - error / total)


def unevenness(p):
    p = p / p.sum()
    return 1 + sum(q * np.log(q) for q in p if q > 0) / np.log(len(p))


weight = importance.sum(1) / importance.sum()
disentanglement = sum(
    w * unevenness(row) for w, row in zip(weight, importance) if row.sum() > 0
)
completeness = np.mean([unevenness(column) for column in importance.T])
print(json.dumps({
    "mean": mean.tolist(), "log_sigma": log_sigma.tolist(), "samples": samples.tolist(),
    "factors": factors.tolist(), "sizes": sizes, "train": train, "test": test,
    "marginal": marginal, "mig": mig, "factor_score": factor_score,
    "votes": votes.tolist(), "sap": sap, "by_class": by_class, "by_line": by_line,
    "alpha": ALPHA, "importance": importance.tolist(), "informativeness": informativeness,
    "disentanglement": disentanglement, "completeness": completeness,
}))
