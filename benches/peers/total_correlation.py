"""Total correlation by minibatch weighted sampling: PyTorch's dense composition, with gradients."""

import math
import resource

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


def answer(request):
    if request["op"] == "load":
        inputs = load_file(request["inputs"])
        state["inputs"] = [inputs[name] for name in ("z", "mu", "log_sigma")]
        state["dataset_size"] = request["dataset_size"]
        # Nothing large has run in this process, so the peak grows by what the call takes.
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        value, gradients = value_and_gradients()
        extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        names = ("z", "mu", "log_sigma")
        save_file({n: g.contiguous() for n, g in zip(names, gradients)}, request["out"])
        return {"value": value.item(), "extra_bytes": 1024.0 * extra}
    return {"seconds": timed(value_and_gradients, request["repeats"])}


serve(answer)
