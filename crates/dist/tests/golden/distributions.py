"""Golden values for tests/golden.rs.

Run as: python3 distributions.py > distributions.json
Made with the versions that the output names. SciPy and PyTorch where they have
the law; mpmath with 50 digits where they have not, or lose digits.
"""

import json
import sys

import mpmath as mp
import scipy
import torch
import torch.distributions as td
from scipy import stats

torch.set_default_dtype(torch.float64)
mp.mp.dps = 50


def t(*values):
    return torch.tensor(values)


def listed(x):
    return x.tolist() if isinstance(x, torch.Tensor) else [float(v) for v in x]


def torch_law(name, law, parameters, value, with_cdf=True, with_entropy=True, with_moments=True):
    row = {"law": name, "source": "torch", "parameters": [listed(p) for p in parameters]}
    row["value"] = listed(value)
    row["log_prob"] = listed(law.log_prob(value))
    if with_cdf:
        row["cdf"] = listed(law.cdf(value))
    if with_entropy:
        row["entropy"] = listed(law.entropy())
    if with_moments:
        row["mean"] = listed(law.mean)
        row["variance"] = listed(law.variance)
    return row


def scipy_law(name, law, parameters, value):
    value = [float(v) for v in value]
    return {
        "law": name,
        "source": "scipy",
        "parameters": [listed(p) for p in parameters],
        "value": value,
        "log_prob": listed(law.logpdf(value)),
        "cdf": listed(law.cdf(value)),
        "entropy": listed(law.entropy()),
        "mean": listed(law.mean()),
        "variance": listed(law.var()),
    }


def continuous_bernoulli(logits, values):
    """The exponential family e^(l x) on [0, 1] in 50 digits, by its log partition function."""
    def log_partition(l):
        return mp.mpf(0) if l == 0 else mp.log(mp.expm1(l) / l)

    def law(l, x):
        l, x = mp.mpf(l), mp.mpf(x)
        a = log_partition(l)
        if l == 0:
            mean, variance, cdf = mp.mpf(1) / 2, mp.mpf(1) / 12, x
        else:
            mean = 1 / (1 - mp.exp(-l)) - 1 / l
            variance = 1 / l**2 - 1 / (4 * mp.sinh(l / 2) ** 2)
            cdf = mp.expm1(l * x) / mp.expm1(l)
        log_normalizer = mp.log(1 + mp.exp(l)) - a
        return l * x - a, cdf, a - l * mean, mean, variance, log_normalizer

    rows = [law(l, x) for l, x in zip(logits, values)]
    keys = ["log_prob", "cdf", "entropy", "mean", "variance", "log_normalizer"]
    row = {"law": "ContinuousBernoulli", "source": "mpmath"}
    row["parameters"] = [logits]
    row["value"] = values
    for i, key in enumerate(keys):
        row[key] = [float(r[i]) for r in rows]
    return row


def discretized_logistic(loc, log_scale, levels):
    """256 grey levels; masses as differences of 50-digit distribution functions."""
    def cdf(x, mu, s):
        return 1 / (1 + mp.exp(-(x - mu) / s))

    def masses(mu, ls):
        mu, s = mp.mpf(mu), mp.exp(mp.mpf(ls))
        half = mp.mpf(1) / 510
        out = []
        for k in range(256):
            x = mp.mpf(k) / 255
            upper = mp.mpf(1) if k == 255 else cdf(x + half, mu, s)
            lower = mp.mpf(0) if k == 0 else cdf(x - half, mu, s)
            out.append(upper - lower)
        return out

    row = {"law": "DiscretizedLogistic", "source": "mpmath"}
    row["parameters"] = [loc, log_scale]
    row["value"] = [k / 255 for k in levels]
    for key in ["log_prob", "cdf", "entropy", "mean", "variance"]:
        row[key] = []
    # Masses near 10^-430 are differences of numbers near one.
    with mp.workdps(700):
        for mu, ls, k in zip(loc, log_scale, levels):
            p = masses(mu, ls)
            mean = sum(q * j for j, q in enumerate(p)) / 255
            row["log_prob"].append(float(mp.log(p[k])))
            row["cdf"].append(float(sum(p[: k + 1])))
            row["entropy"].append(float(-sum(q * mp.log(q) for q in p)))
            row["mean"].append(float(mean))
            row["variance"].append(float(sum(q * (mp.mpf(j) / 255 - mean) ** 2 for j, q in enumerate(p))))
    return row


loc, scale = t(0.3, -1.0, 2.0), t(1.0, 0.5, 3.0)
value = t(-0.7, -1.2, 7.5)
logits3 = torch.tensor([[0.1, -1.0, 2.0], [0.0, 0.0, -3.0]])
vectors = (torch.tensor([[0.3, -1.0], [2.0, 0.1]]), torch.tensor([[0.2, -0.7], [0.0, 1.1]]))
mix = (
    torch.tensor([[0.1, -1.0, 0.5], [0.0, 0.7, -0.3]]),
    torch.tensor([[-2.0, 0.0, 3.0], [1.0, 1.5, -4.0]]),
    torch.tensor([[0.5, 1.0, 0.3], [0.4, 1.0, 0.7]]),
)
mixture = td.MixtureSameFamily(td.Categorical(logits=mix[0]), td.Normal(mix[1], mix[2]))
simplex = torch.tensor([[0.2, 0.3, 0.5], [0.01, 0.9, 0.09]])
relaxed = td.RelaxedOneHotCategorical(temperature=torch.tensor(0.7), logits=logits3)
bits = t(0.0, 1.0, 1.0)
diag = td.Independent(td.Normal(vectors[0], vectors[1].exp()), 1)
extreme = [0.0, 1e-12, -1e-6, 1e-3, -0.4, 0.499, 0.501, -3.0, 20.5, -80.0, 80.0, 700.0, -700.0]

laws = [
    torch_law("Normal", td.Normal(loc, scale), [loc, scale], value),
    scipy_law("Normal", stats.norm(loc.numpy(), scale.numpy()), [loc, scale], value),
    torch_law("Laplace", td.Laplace(loc, scale), [loc, scale], value),
    scipy_law("Laplace", stats.laplace(loc.numpy(), scale.numpy()), [loc, scale], value),
    scipy_law("Logistic", stats.logistic(loc.numpy(), scale.numpy()), [loc, scale], value),
    torch_law("Uniform", td.Uniform(loc - scale, loc + scale), [loc - scale, loc + scale], t(-0.2, -1.3, 4.9)),
    torch_law("Bernoulli", td.Bernoulli(logits=value), [value], bits, with_cdf=False),
    torch_law(
        "ContinuousBernoulli",
        td.ContinuousBernoulli(logits=t(-2.0, 1.5, 4.0)),
        [t(-2.0, 1.5, 4.0)],
        t(0.2, 0.9, 0.5),
        with_entropy=True,
    ),
    continuous_bernoulli(extreme, [0.25, 0.5, 0.75, 0.1, 0.9, 0.3, 0.6, 0.2, 0.95, 0.01, 0.99, 1.0, 0.0]),
    torch_law(
        "Categorical", td.Categorical(logits=logits3), [logits3], torch.tensor([2, 0]),
        with_cdf=False, with_moments=False,
    ),
    torch_law(
        "RelaxedCategorical", relaxed, [logits3, torch.tensor(0.7)], simplex,
        with_cdf=False, with_entropy=False, with_moments=False,
    ),
    torch_law(
        "StraightThrough", td.OneHotCategorical(logits=logits3), [logits3],
        torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]), with_cdf=False,
    ),
    torch_law("DiagNormal", diag, vectors, torch.tensor([[1.0, -2.0], [0.0, 0.3]]), with_cdf=False),
    torch_law("Mixture", mixture, mix, t(0.4, -3.0), with_entropy=False),
    discretized_logistic([0.5, 0.97, 0.2, 0.1, -0.5], [-3.0, -2.0, -6.5, -7.0, -1.0], [100, 255, 51, 200, 0]),
]

q1, q2 = t(-1.0, 0.3, 2.0), t(0.5, 0.4, 1.0)
p1, p2 = t(0.2, 0.3, -1.0), t(1.5, 0.3, 2.5)


def kl(pair, q, p, parameters):
    return {"pair": pair, "parameters": [listed(x) for x in parameters], "kl": listed(td.kl_divergence(q, p))}


four = [q1, q2, p1, p2]
divergences = [
    kl("Normal-Normal", td.Normal(q1, q2), td.Normal(p1, p2), four),
    kl("Laplace-Laplace", td.Laplace(q1, q2), td.Laplace(p1, p2), four),
    kl("Laplace-Normal", td.Laplace(q1, q2), td.Normal(p1, p2), four),
    kl("Normal-Laplace", td.Normal(q1, q2), td.Laplace(p1, p2), four),
    kl("Uniform-Normal", td.Uniform(q1, q1 + q2), td.Normal(p1, p2), [q1, q1 + q2, p1, p2]),
    kl(
        "Uniform-Uniform", td.Uniform(q1, q1 + q2), td.Uniform(q1 - 1.0, q1 + q2 + 0.5),
        [q1, q1 + q2, q1 - 1.0, q1 + q2 + 0.5],
    ),
    kl("Bernoulli-Bernoulli", td.Bernoulli(logits=q1), td.Bernoulli(logits=p2), [q1, p2]),
    kl(
        "ContinuousBernoulli-ContinuousBernoulli",
        td.ContinuousBernoulli(logits=q1), td.ContinuousBernoulli(logits=p2), [q1, p2],
    ),
    kl(
        "Categorical-Categorical", td.Categorical(logits=logits3),
        td.Categorical(logits=logits3.flip(1)), [logits3, logits3.flip(1)],
    ),
    kl(
        "DiagNormal-DiagNormal", diag,
        td.Independent(td.Normal(vectors[1], vectors[0].exp()), 1),
        [vectors[0], vectors[1], vectors[1], vectors[0]],
    ),
]

# Squared 2-Wasserstein distances on the line: the integral of (Qa(u) - Qb(u))^2 over (0, 1).


def w2(pair, quantile_a, quantile_b, parameters):
    """The variable is t = log(u / (1 - u)); a quantile gets both u and 1 - u, so neither end cancels."""
    def integrand(t):
        u, v = 1 / (1 + mp.exp(-t)), 1 / (1 + mp.exp(t))
        return (quantile_a(u, v) - quantile_b(u, v)) ** 2 * u * v

    with mp.workdps(25):
        square = mp.quad(integrand, [-60, -30, -15, -6, 0, 6, 15, 30, 60])
    return {"pair": pair, "parameters": parameters, "w2_squared": [float(square)]}


def laplace_q(m, b):
    return lambda u, v: m + b * mp.log(2 * u) if u < v else m - b * mp.log(2 * v)


def logistic_q(m, s):
    return lambda u, v: m + s * mp.log(u / v)


def normal_q(m, s):
    def quantile(u, v):
        # erfinv loses the tail; SciPy's normal quantile of the smaller side does not.
        z = stats.norm.ppf(float(min(u, v)))
        return m + s * (z if u < v else -z)

    return quantile


def uniform_q(a, b):
    return lambda u, v: a + (b - a) * u


distances = [
    w2("Normal-Normal", normal_q(0.3, 1.2), normal_q(-1.0, 0.4), [[0.3], [1.2], [-1.0], [0.4]]),
    w2("Laplace-Laplace", laplace_q(0.3, 1.2), laplace_q(-1.0, 0.4), [[0.3], [1.2], [-1.0], [0.4]]),
    w2("Logistic-Logistic", logistic_q(0.3, 1.2), logistic_q(-1.0, 0.4), [[0.3], [1.2], [-1.0], [0.4]]),
    w2("Uniform-Uniform", uniform_q(0.3, 1.2), uniform_q(-1.0, 0.4), [[0.3], [1.2], [-1.0], [0.4]]),
]

json.dump(
    {
        "versions": {
            "python": sys.version.split()[0],
            "torch": torch.__version__.split("+")[0],
            "scipy": scipy.__version__,
            "mpmath": mp.__version__,
        },
        "laws": laws,
        "divergences": divergences,
        "distances": distances,
    },
    sys.stdout,
    indent=1,
)
print()
