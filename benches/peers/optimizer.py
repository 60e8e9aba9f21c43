"""What SciPy's L-BFGS-B costs by itself: chained Rosenbrock, with the function's time taken out."""

import time

import numpy as np
from common import serve, set_threads
from scipy.optimize import minimize

set_threads()
HALF_WIDTH = 2.0


def value_and_gradient(x):
    gap, rest = x[1:] - x[:-1] ** 2, 1.0 - x[:-1]
    gradient = np.zeros_like(x)
    gradient[:-1] = -400.0 * x[:-1] * gap - 2.0 * rest
    gradient[1:] += 200.0 * gap
    return 100.0 * (gap @ gap) + rest @ rest, gradient


def run(row, n, memory, max_iterations):
    inside = 0.0

    def counted(x):
        nonlocal inside
        start = time.perf_counter()
        result = value_and_gradient(x)
        inside += time.perf_counter() - start
        return result

    x0 = (row * 31 + np.arange(n) * 17) % 64 / 32.0 - 1.0
    bounds = np.tile([-HALF_WIDTH, HALF_WIDTH], (n, 1))
    options = {"maxcor": memory, "ftol": 0.0, "gtol": 0.0, "maxfun": 10**6, "maxls": 20}
    options["maxiter"] = max_iterations
    start = time.perf_counter()
    result = minimize(
        counted, x0, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return time.perf_counter() - start - inside, int(result.nit), float(result.fun)


def answer(request):
    seconds, iterations, values = 0.0, 0, []
    for row in range(request["first"], request["first"] + request["rows"]):
        spent, count, value = run(
            row, request["n"], request["memory"], request["max_iterations"]
        )
        seconds, iterations = seconds + spent, iterations + count
        values.append(value)
    return {"seconds": seconds, "iterations": iterations, "values": values}


serve(answer)
