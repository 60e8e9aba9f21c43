"""Total correlation by minibatch weighted sampling: PyTorch's dense composition, with gradients."""

import math

import torch
from common import serve, set_threads, timed
from safetensors.torch import load_file, save_file

set_threads()
state = {}


def value_and_gradients():
    z, mu, log_sigma = (x.requires_grad_() for x in state["inputs"])
    standardized = (z[:, None] - mu[None]) * (-log_sigma).exp()[None]
    pairs = -0.5 * standardized.square() - log_sigma[None] - 0.5 * math.log(2 * math.pi)
    constant = math.log(state["dataset_size"] * z.shape[0])
    joint = pairs.sum(2).logsumexp(1) - constant
    marginals = pairs.logsumexp(1) - constant
    value = (joint - marginals.sum(1)).mean()
    return value, torch.autograd.grad(value, (z, mu, log_sigma))


def resident(key):
    """Bytes of a line of /proc/self/status. getrusage would do for the peak, but a new process
    starts there with the peak of the one that started it."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(key))
    return 1024.0 * int(line.split()[1])


def answer(request):
    if request["op"] in ("load", "memory"):
        inputs = load_file(request["inputs"])
        state["inputs"] = [inputs[name] for name in ("z", "mu", "log_sigma")]
        state["dataset_size"] = request["dataset_size"]
        if request["op"] == "memory":
            # On Linux this sets the peak back to what is resident now.
            with open("/proc/self/clear_refs", "w") as refs:
                refs.write("5")
            before = resident("VmRSS:")
            value_and_gradients()
            return {"extra_bytes": resident("VmHWM:") - before}
        value, gradients = value_and_gradients()
        names = ("z", "mu", "log_sigma")
        save_file({n: g.contiguous() for n, g in zip(names, gradients)}, request["out"])
        return {"value": value.item()}
    return {"seconds": timed(value_and_gradients, request["repeats"])}


serve(answer)
