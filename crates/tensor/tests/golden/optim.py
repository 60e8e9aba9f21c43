"""Golden optimizer trajectories. Run with torch 2.11.0: python optim.py > optim.json

Two parameters, a fixed smooth loss, float64; every optimizer and option that we have.
"""

import json

import torch

STEPS = 25


def loss(a, b, step):
    # Smooth, not convex, and different at every step, so that moments matter.
    target = torch.cos(torch.arange(6, dtype=torch.float64).reshape(2, 3) + step)
    return ((a - target) ** 2).sum() + torch.sin(b).sum() + (a[0] * b).sum() + 0.5 * (b**4).sum()


def run(make, schedule=None):
    a = torch.linspace(-1.0, 1.0, 6, dtype=torch.float64).reshape(2, 3).requires_grad_()
    b = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64, requires_grad=True)
    optimizer = make([a, b])
    norms = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss(a, b, step).backward()
        if schedule == "clip":
            norms.append(float(torch.nn.utils.clip_grad_norm_([a, b], 1.5)))
        if schedule == "cosine":
            for group in optimizer.param_groups:
                group["lr"] = torch_cosine(step)
        optimizer.step()
    return {"a": a.detach().flatten().tolist(), "b": b.detach().tolist(), "norms": norms}


def torch_cosine(step):
    dummy = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.05)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(dummy, T_max=STEPS)
    for _ in range(step):
        dummy.step()
        scheduler.step()
    return dummy.param_groups[0]["lr"]


optim = torch.optim
cases = {
    "adam": run(lambda p: optim.Adam(p, lr=0.05)),
    "adam_betas": run(lambda p: optim.Adam(p, lr=0.02, betas=(0.5, 0.9), eps=1e-3)),
    "adam_l2": run(lambda p: optim.Adam(p, lr=0.05, weight_decay=0.1)),
    "adamw": run(lambda p: optim.AdamW(p, lr=0.05, weight_decay=0.1)),
    "adam_clip": run(lambda p: optim.Adam(p, lr=0.05), "clip"),
    "adam_cosine": run(lambda p: optim.Adam(p, lr=0.05), "cosine"),
    "adamax": run(lambda p: optim.Adamax(p, lr=0.05)),
    "adamax_l2": run(lambda p: optim.Adamax(p, lr=0.05, weight_decay=0.1)),
    "sgd": run(lambda p: optim.SGD(p, lr=0.01)),
    "sgd_momentum": run(lambda p: optim.SGD(p, lr=0.01, momentum=0.9)),
    "sgd_nesterov": run(
        lambda p: optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.01)
    ),
}
print(json.dumps({"torch": torch.__version__, "steps": STEPS, "cases": cases}, indent=1))
