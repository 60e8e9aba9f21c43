"""Forward pass, loss and gradients of small VAEs in PyTorch, float64.

Run: python vae.py   (writes one .safetensors file per model beside itself)
Written with PyTorch 2.11.0, safetensors 0.8, NumPy 2.

Each file holds the state_dict under `w.`, the running statistics after the step
under `after.`, inputs `x` and `eps`, outputs `mu`, `log_sigma`, `recon`, `kl`, `loss`,
and the gradient of the loss in every parameter under `g.`.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent


class Mlp(nn.Module):
    """12 pixels, 9 and 8 hidden units, 3 latents."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 8), nn.ReLU())
        self.mu = nn.Linear(8, 3)
        self.log_sigma = nn.Linear(8, 3)
        self.decoder = nn.Sequential(
            nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, 12)
        )

    def encode(self, x):
        h = self.encoder(x.flatten(1))
        return self.mu(h), self.log_sigma(h)

    def decode(self, z):
        return self.decoder(z).unflatten(1, (1, 3, 4))


class Conv(nn.Module):
    """A 28 x 28 color net with 1/32 of the filters, 3 latents."""

    def __init__(self):
        super().__init__()
        down = [(4, 2, 1), (4, 2, 1), (3, 2, 1), (4, 1, 0)]
        filters = [2, 4, 4, 16]
        layers, size = [], 3
        for count, window in zip(filters, down):
            layers += [nn.Conv2d(size, count, *window), nn.BatchNorm2d(count), nn.ReLU()]
            size = count
        self.encoder = nn.Sequential(*layers)
        self.mu = nn.Linear(16, 3)
        self.log_sigma = nn.Linear(16, 3)
        layers, size = [], 3
        for count, window in zip([16, 4, 4, 2, 3], [(1, 1, 0), *reversed(down)]):
            layers += [nn.ConvTranspose2d(size, count, *window), nn.BatchNorm2d(count), nn.ReLU()]
            size = count
        self.decoder = nn.Sequential(*layers[:-2])

    def encode(self, x):
        h = self.encoder(x).flatten(1)
        return self.mu(h), self.log_sigma(h)

    def decode(self, z):
        return self.decoder(z[..., None, None])


def write(name, model, shape, likelihood, beta, tau):
    model.double().train()
    x = torch.rand(4, *shape, dtype=torch.float64)
    eps = torch.randn(4, 3, dtype=torch.float64)
    tensors = {f"w.{k}": v.clone() for k, v in model.state_dict().items()}
    mu, s = model.encode(x)
    sigma = tau + s.clamp(-12, 6).exp()
    output = model.decode(mu + sigma * eps)
    if likelihood == "bernoulli":
        recon = F.binary_cross_entropy_with_logits(output, x, reduction="none")
    else:
        recon = -torch.distributions.Normal(output, likelihood).log_prob(x)
    recon = recon.flatten(1).sum(1)
    posterior = torch.distributions.Normal(mu, sigma)
    prior = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    kl = torch.distributions.kl_divergence(posterior, prior).sum(1)
    loss = (recon + beta * kl).mean()
    loss.backward()
    outputs = {"mu": mu, "log_sigma": sigma.log(), "recon": recon, "kl": kl, "loss": loss[None]}
    tensors |= {"x": x, "eps": eps} | {k: v.detach() for k, v in outputs.items()}
    tensors |= {f"g.{k}": v.grad for k, v in model.named_parameters()}
    tensors |= {f"after.{k}": v for k, v in model.state_dict().items() if "running" in k}
    save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / f"{name}.safetensors")


if __name__ == "__main__":
    torch.manual_seed(0)
    write("mlp", Mlp(), (1, 3, 4), "bernoulli", 4.0, 0.1)
    write("conv", Conv(), (3, 28, 28), 0.3, 1.0, 0.0)
