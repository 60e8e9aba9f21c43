"""Training steps in PyTorch, eager and compiled: loss, backward, Adam.

Noise is drawn in the step, as a user would.
"""

import torch
from common import ConvVae, MlpVae, load, serve, set_threads, timed
from safetensors.torch import load_file

set_threads()
state = {}
WARM_UP = 10


def step_of(model, optimizer, x, loss):
    latent = model.mu.out_features

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(x, torch.randn(x.shape[0], latent)).backward()
        optimizer.step()

    return step


def answer(request):
    if request["op"] == "load":
        make = {"mlp": MlpVae, "conv": ConvVae}[request["model"]]
        inputs = load_file(request["inputs"])
        x = inputs["x"].flatten(1) if request["model"] == "mlp" else inputs["x"]
        # The loss on given noise shows that both sides compute the same thing.
        with torch.no_grad():
            check = load(request["weights"], make()).loss(x, inputs["eps"]).item()

        def fresh(fused):
            model = load(request["weights"], make())
            return model, torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)

        model, optimizer = fresh(False)
        state["eager"] = step_of(model, optimizer, x, model.loss)
        model, optimizer = fresh(True)
        state["eager, fused Adam"] = step_of(model, optimizer, x, model.loss)
        reply = {"loss": check, "variants": ["eager", "eager, fused Adam"], "skipped": {}}
        model, optimizer = fresh(True)
        try:
            step = step_of(model, optimizer, x, torch.compile(model.loss))
            step()
            state["torch.compile, fused Adam"] = step
            reply["variants"].append("torch.compile, fused Adam")
        except Exception as error:  # Usually no C++ compiler.
            reason = str(error).strip().splitlines()[0]
            reply["skipped"]["torch.compile, fused Adam"] = f"{type(error).__name__}: {reason}"
        for name in reply["variants"]:
            timed(state[name], WARM_UP)
        return reply
    return {"seconds": timed(state[request["variant"]], request["steps"])}


serve(answer)
