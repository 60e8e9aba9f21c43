"""Imhof's integral by SciPy's adaptive quadrature, and random codebooks in vectorized NumPy."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from common import serve, timed
from scipy import integrate

THREADS = int(sys.argv[1])
state = {}


def integrand(u, lambdas, x):
    """sin theta(u) / (u rho(u)) of a central mixture."""
    scaled = lambdas * u
    theta = 0.5 * np.arctan(scaled).sum() - 0.5 * x * u
    return np.sin(theta) / (u * np.exp(0.25 * np.log1p(scaled * scaled).sum()))


def imhof(x):
    value, _ = integrate.quad(
        integrand, 0.0, np.inf, args=(state["lambdas"], x), epsabs=1e-8, epsrel=0.0, limit=1000
    )
    return 0.5 - value / np.pi


def entropies(logits):
    """Entropy of the softmax of each row."""
    gap = logits - logits.max(1, keepdims=True)
    weight = np.exp(gap)
    total = weight.sum(1)
    return np.log(total) - (weight * gap).sum(1) / total


def projections(rng, count):
    """Projections of uniform codes on a ray, from their own law."""
    shape = (count, state["num_codes"])
    normal = rng.standard_normal(shape)
    rest = rng.chisquare(state["dim"] - 1, shape)
    return state["radius"] * normal / np.sqrt(normal * normal + rest)


def codebooks(rng, count):
    """The same from every coordinate of every code; the ray is the first axis."""
    codes = rng.standard_normal((count, state["num_codes"], state["dim"]), dtype=np.float32)
    square = np.einsum("nkd,nkd->nk", codes, codes)
    return state["radius"] * codes[:, :, 0] / np.sqrt(square)


# Codebooks per chunk, so that a chunk's arrays stay in the caches as far as they can.
DRAWS = {"projections": (projections, 100), "codebooks": (codebooks, 20)}


def simulate(method):
    """Mean entropy over the codebooks, with all threads: NumPy lets go of the lock."""
    draw, chunk = DRAWS[method]
    total = state["num_codebooks"]
    sizes = [min(chunk, total - done) for done in range(0, total, chunk)]
    streams = np.random.SeedSequence(7).spawn(len(sizes))

    def work(part):
        stream, count = part
        rng = np.random.Generator(np.random.SFC64(stream))
        # All codes have one length, so the rest of a logit is common to them.
        return entropies(state["distance"] * draw(rng, count))

    found = np.concatenate(list(state["pool"].map(work, zip(streams, sizes))))
    return float(found.mean())


def answer(request):
    if request["op"] == "load":
        state.update(request)
        state["lambdas"] = np.array(request["lambdas"])
        state["pool"] = ThreadPoolExecutor(THREADS)
        return {
            "probabilities": [imhof(x) for x in request["points"]],
            "means": [simulate(method) for method in DRAWS],
        }
    if request["op"] == "imhof":
        return {"seconds": timed(lambda: [imhof(x) for x in state["points"]], 1)}
    return {"seconds": timed(lambda: simulate(request["method"]), 1)}


serve(answer)
