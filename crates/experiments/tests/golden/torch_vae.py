"""A small VAE written by PyTorch, for the tests of `vaegis audit`.

Run: python torch_vae.py   (writes torch_vae.safetensors beside itself)
Written with PyTorch 2.11.0, safetensors 0.8.

The file has a plain state_dict and no description of the model, as any other program would
write it. It is trained for a moment on bars, so that it reconstructs something.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

SIDE, HIDDEN, LATENT = 8, 16, 3


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(SIDE * SIDE, HIDDEN), nn.ReLU())
        self.mu = nn.Linear(HIDDEN, LATENT)
        self.log_sigma = nn.Linear(HIDDEN, LATENT)
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, SIDE * SIDE)
        )

    def loss(self, x):
        h = self.encoder(x)
        mu, log_sigma = self.mu(h), self.log_sigma(h)
        z = mu + log_sigma.exp() * torch.randn_like(mu)
        recon = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum(1)
        kl = 0.5 * (mu**2 + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(1)
        return (recon + kl).mean()


def bars(n):
    x = torch.zeros(n, SIDE, SIDE)
    for i in range(n):
        at = torch.randint(0, SIDE - 1, (2,))
        x[i, at[0] : at[0] + 2, :] = 1
        x[i, :, at[1]] = 1
    return x.flatten(1)


def main():
    torch.manual_seed(0)
    model = Vae()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(400):
        loss = model.loss(bars(64))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("loss", loss.item())
    save_file(model.state_dict(), Path(__file__).parent / "torch_vae.safetensors")


if __name__ == "__main__":
    main()
