"""Per-example Jacobians of the encoder's mean by torch.func.vmap(jacrev)."""

import torch
from common import MlpVae, load, serve, set_threads, timed
from safetensors.torch import load_file, save_file
from torch.func import jacrev, vmap

set_threads()
state = {}


def answer(request):
    if request["op"] == "load":
        model = load(request["weights"], MlpVae()).eval().requires_grad_(False)
        state["x"] = load_file(request["inputs"])["x"].flatten(1)
        state["jacobian"] = vmap(jacrev(lambda x: model.encode(x)[0]))
        timed(lambda: state["jacobian"](state["x"]), 3)
        save_file({"jacobian": state["jacobian"](state["x"]).contiguous()}, request["out"])
        return {}
    return {"seconds": timed(lambda: state["jacobian"](state["x"]), request["repeats"])}


serve(answer)
