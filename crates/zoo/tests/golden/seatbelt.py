"""Loss and gradients of small Seatbelt-VAEs in PyTorch, float64.

Run: python seatbelt.py   (writes seatbelt-*.safetensors beside itself)
Written with PyTorch 2.11.0, safetensors 0.8, NumPy 2.

Three latent layers of 5, 4 and 3; 12 pixels; data set of 1000 images; beta 4; minibatch weighted
sampling; Gaussian likelihood with standard deviation 0.1. `seatbelt-up` infers from the data up,
with free bits 0.05; `seatbelt-down` from the top down with the closed form in all layers.
Each file holds the state_dict under `w.`, the running statistics after the step under `after.`,
the input `x`, the noise `eps.0` to `eps.2` (nearest the data first), the loss terms under their
names, `loss`, and its gradient in every parameter under `g.`.
"""

import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.distributions import Normal, kl_divergence

HERE = Path(__file__).parent
SIZES, HIDDEN, PIXELS, FEATURES = [5, 4, 3], [8, 6], 12, 8
DATA, BETA, SIGMA, BATCH = 1000, 4.0, 0.1, 6


class Conditional(nn.Module):
    def __init__(self, num_inputs, num_hidden, num_outputs):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(num_inputs, num_hidden),
            nn.BatchNorm1d(num_hidden),
            nn.LeakyReLU(0.01),
            nn.Linear(num_hidden, num_hidden),
            nn.BatchNorm1d(num_hidden),
            nn.LeakyReLU(0.01),
        )
        self.mu = nn.Linear(num_hidden, num_outputs)
        self.log_sigma = nn.Linear(num_hidden, num_outputs)

    def forward(self, *inputs):
        h = self.net(torch.cat(inputs, 1))
        return Normal(self.mu(h), self.log_sigma(h).clamp(-12, 6).exp())


class Seatbelt(nn.Module):
    def __init__(self, is_up):
        super().__init__()
        self.is_up = is_up
        first = SIZES[0] if is_up else SIZES[-1]
        self.encoder = nn.Sequential(nn.Linear(PIXELS, 9), nn.ReLU(), nn.Linear(9, FEATURES), nn.ReLU())
        self.mu = nn.Linear(FEATURES, first)
        self.log_sigma = nn.Linear(FEATURES, first)
        given = [SIZES[i] if is_up else sum(SIZES[i + 1 :]) for i in range(2)]
        output = [SIZES[i + 1] if is_up else SIZES[i] for i in range(2)]
        self.inference = nn.ModuleList(
            Conditional(given[i] + FEATURES, HIDDEN[i], output[i]) for i in range(2)
        )
        self.generative = nn.ModuleList(
            Conditional(SIZES[i + 1], HIDDEN[i], SIZES[i]) for i in range(2)
        )
        self.decoder = nn.Sequential(
            nn.Linear(sum(SIZES), 8), nn.ReLU(), nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, PIXELS)
        )

    def posterior(self, x, eps):
        h = self.encoder(x.flatten(1))
        first = Normal(self.mu(h), self.log_sigma(h).clamp(-12, 6).exp())
        laws, z = [None] * 3, [None] * 3
        order = [0, 1, 2] if self.is_up else [2, 1, 0]
        for k, i in enumerate(order):
            if k == 0:
                laws[i] = first
            elif self.is_up:
                laws[i] = self.inference[i - 1](z[i - 1], h)
            else:
                laws[i] = self.inference[i](*z[i + 1 :], h)
            z[i] = laws[i].loc + laws[i].scale * eps[i]
        return laws, z


def total_correlation(law, z):
    pairs = Normal(law.loc[None], law.scale[None]).log_prob(z[:, None])  # [sample, posterior, d]
    constant = math.log(DATA * len(z))
    joint = pairs.sum(-1).logsumexp(1) - constant
    marginals = pairs.logsumexp(1) - constant
    return (joint - marginals.sum(-1)).mean()


def write(name, is_up, free_bits):
    model = Seatbelt(is_up).double().train()
    x = torch.rand(BATCH, 1, 3, 4, dtype=torch.float64) * 2 - 1
    eps = [torch.randn(BATCH, size, dtype=torch.float64) for size in SIZES]
    tensors = {f"w.{k}": v.clone() for k, v in model.state_dict().items()}
    laws, z = model.posterior(x, eps)
    output = model.decoder(torch.cat(z, 1))
    recon = -Normal(output, SIGMA).log_prob(x.flatten(1)).sum(1)
    kl = []
    for i in range(3):
        above = model.generative[i](z[i + 1]) if i < 2 else Normal(torch.zeros_like(z[2]), 1.0)
        if is_up and i < 2:
            terms = laws[i].log_prob(z[i]) - above.log_prob(z[i])
        else:
            terms = kl_divergence(laws[i], above)
        kl.append(terms.mean(0).clamp(min=free_bits).sum() if free_bits else terms.sum(1).mean())
    tc = total_correlation(laws[2], z[2])
    loss = recon.mean() + sum(kl) + (BETA - 1) * tc
    loss.backward()
    outputs = {"recon": recon.mean(), "kl1": kl[0], "kl2": kl[1], "kl3": kl[2], "tc": tc, "loss": loss}
    tensors |= {"x": x} | {f"eps.{i}": e for i, e in enumerate(eps)}
    tensors |= {k: v.detach().reshape(1) for k, v in outputs.items()}
    tensors |= {f"g.{k}": v.grad for k, v in model.named_parameters()}
    tensors |= {f"after.{k}": v for k, v in model.state_dict().items() if "running" in k}
    save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / f"{name}.safetensors")


if __name__ == "__main__":
    torch.manual_seed(0)
    write("seatbelt-up", True, 0.05)
    write("seatbelt-down", False, 0.0)
