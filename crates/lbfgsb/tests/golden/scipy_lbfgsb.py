"""Golden optima: SciPy's L-BFGS-B on the problems of tests/common/problems.rs.

Made with Python 3, numpy 2.4.6 and scipy 1.17.1:

    python scipy_lbfgsb.py > scipy_lbfgsb.json

Memory 10, ftol = 10 * machine epsilon, gtol = 1e-6, maxls = 20, as in the Rust tests.
The problem definitions are repeated here on purpose, in NumPy.
"""

import json
import sys

import numpy as np
import scipy
from scipy.optimize import minimize

INF = float("inf")


def extended_rosenbrock(x):
    """The driver problem of the L-BFGS-B distribution (times one)."""
    f = 0.25 * (x[0] - 1) ** 2 + np.sum((x[1:] - x[:-1] ** 2) ** 2)
    g = np.zeros_like(x)
    t = x[1:] - x[:-1] ** 2
    g[0] = 2 * (x[0] - 1)
    g[1:] += 8 * t
    g[:-1] -= 16 * x[:-1] * t
    return 4 * f, g


def rosenbrock(x):
    a = 1 - x[:-1]
    b = x[1:] - x[:-1] ** 2
    g = np.zeros_like(x)
    g[:-1] = -2 * a - 400 * b * x[:-1]
    g[1:] += 200 * b
    return np.sum(a**2 + 100 * b**2), g


def beale(x):
    c = np.array([1.5, 2.25, 2.625])
    p = np.array([1, 2, 3])
    r = c - x[0] * (1 - x[1] ** p)
    g = np.array([np.sum(-2 * r * (1 - x[1] ** p)), np.sum(2 * r * x[0] * p * x[1] ** (p - 1))])
    return np.sum(r**2), g


def powell_singular(x):
    a, b, c, d = x[0::4], x[1::4], x[2::4], x[3::4]
    t1, t2, t3, t4 = a + 10 * b, c - d, b - 2 * c, a - d
    g = np.zeros_like(x)
    g[0::4] = 2 * t1 + 40 * t4**3
    g[1::4] = 20 * t1 + 4 * t3**3
    g[2::4] = 10 * t2 - 8 * t3**3
    g[3::4] = -10 * t2 - 40 * t4**3
    return np.sum(t1**2 + 5 * t2**2 + t3**4 + 10 * t4**4), g


def ill_quadratic(x):
    """Eigenvalues 1 to 1e4 along the axes, coupled to the neighbor, minimum outside the box."""
    n = len(x)
    w = 10.0 ** (4 * np.arange(n) / (n - 1))
    e = x - (1 + np.arange(n) % 3)
    d = x[1:] - x[:-1]
    g = w * e
    g[1:] += d
    g[:-1] -= d
    return 0.5 * np.sum(w * e**2) + 0.5 * np.sum(d**2), g


def trigonometric(x):
    n = len(x)
    i = np.arange(1, n + 1)
    s = n - np.sum(np.cos(x)) + i * (1 - np.cos(x)) - np.sin(x)
    g = 2 * s * (i * np.sin(x) - np.cos(x)) + 2 * np.sin(x) * np.sum(s)
    return np.sum(s**2), g


def dixon_price(x):
    i = np.arange(2, len(x) + 1)
    t = 2 * x[1:] ** 2 - x[:-1]
    g = np.zeros_like(x)
    g[0] = 2 * (x[0] - 1)
    g[1:] += 8 * i * t * x[1:]
    g[:-1] -= 2 * i * t
    return (x[0] - 1) ** 2 + np.sum(i * t**2), g


def tridiagonal_plus_cosine(x):
    """Smooth and nonconvex, with many variables at their bounds."""
    n = len(x)
    i = np.arange(n)
    d = x[1:] - x[:-1]
    g = 0.2 * (x - np.sin(i)) - 0.3 * np.sin(3 * x)
    g[1:] += d
    g[:-1] -= d
    return np.sum(0.1 * (x - np.sin(i)) ** 2 + 0.1 * np.cos(3 * x)) + 0.5 * np.sum(d**2), g


def problems():
    n = 25
    lower = np.where(np.arange(n) % 2 == 0, 1.0, -100.0)
    yield "extended_rosenbrock_25", extended_rosenbrock, np.full(n, 3.0), lower, np.full(n, 100.0)
    yield "rosenbrock_2", rosenbrock, np.array([-1.2, 1.0]), np.full(2, -INF), np.full(2, INF)
    yield "rosenbrock_10_cut", rosenbrock, np.full(10, -1.0), np.full(10, -2.0), np.full(10, 0.8)
    yield "beale_box", beale, np.array([1.0, 1.0]), np.array([-4.5, -4.5]), np.array([2.0, 4.5])
    yield (
        "powell_singular_8",
        powell_singular,
        np.tile([3.0, -1.0, 0.0, 1.0], 2),
        np.full(8, -INF),
        np.full(8, INF),
    )
    yield "ill_quadratic_40", ill_quadratic, np.zeros(40), np.full(40, -1.0), np.full(40, 2.5)
    yield "trigonometric_10", trigonometric, np.full(10, 0.1), np.full(10, 0.0), np.full(10, INF)
    yield "dixon_price_12", dixon_price, np.full(12, 1.0), np.full(12, 0.6), np.full(12, 10.0)
    yield (
        "tridiagonal_plus_cosine_60",
        tridiagonal_plus_cosine,
        np.full(60, 0.2),
        np.zeros(60),
        np.full(60, 0.6),
    )


def main():
    rows = []
    for name, f, x0, lower, upper in problems():
        r = minimize(
            f,
            x0,
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(lower, upper)),
            options={
                "maxcor": 10,
                "ftol": 10 * np.finfo(float).eps,
                "gtol": 1e-6,
                "maxls": 20,
                "maxiter": 2000,
                "maxfun": 3000,
            },
        )
        rows.append(
            {
                "name": name,
                "value": float(r.fun),
                "iterations": int(r.nit),
                "evaluations": int(r.nfev),
                "message": r.message,
                "num_at_bounds": int(np.sum((r.x <= lower) | (r.x >= upper))),
            }
        )
    document = {"scipy": scipy.__version__, "numpy": np.__version__, "problems": rows}
    json.dump(document, sys.stdout, indent=2)
    print()


main()
