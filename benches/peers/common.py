"""What the peer scripts share: the network, and a line protocol on stdin/stdout.

A script is started once, sets itself up, and then answers each line on stdin
(a JSON request) with one line of JSON on stdout. Times are measured inside the
answer, after a warm-up, so that starting Python costs the peer nothing.
"""

import json
import sys
import time

import torch
from safetensors.torch import load_file
from torch import nn


class Vae(nn.Module):
    """The MLP VAE of the benchmarks; parameter names are those of the checkpoint."""

    def __init__(self, pixels=784, hidden=400, latent=20):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.mu = nn.Linear(hidden, latent)
        self.log_sigma = nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, pixels),
        )

    def encode(self, x):
        h = self.trunk(x)
        return self.mu(h), self.log_sigma(h).clamp(-12.0, 6.0)

    def loss(self, x):
        mu, log_sigma = self.encode(x)
        z = mu + log_sigma.exp() * torch.randn_like(mu)
        logits = self.decoder(z)
        recon = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = 0.5 * (mu.square() + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum()
        return (recon + kl) / x.shape[0]


def serve(answer):
    """Answers requests until stdin closes."""
    print(json.dumps({"ready": True, "torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


def timed(work, repeats):
    """Seconds of each of `repeats` calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def load(path, model):
    """Loads a vaegis checkpoint into a module by name."""
    model.load_state_dict(load_file(path))
    return model
