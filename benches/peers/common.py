"""What the peer scripts share: the networks, and a line protocol on stdin/stdout.

A script is started once, sets itself up, and then answers each line on stdin
(a JSON request) with one line of JSON on stdout. Times are measured inside the
answer, after a warm-up, so that starting Python costs the peer nothing. The
number of threads is argument 1.
"""

import json
import math
import sys
import time

import torch
from safetensors.torch import load_file
from torch import nn

LOG_SIGMA_RANGE = (-12.0, 6.0)


def kl_to_standard(mu, log_sigma):
    return 0.5 * (mu.square() + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(-1)


class MlpVae(nn.Module):
    """784-400-400, 20 latents; parameter names are those of the checkpoint."""

    def __init__(self, pixels=784, hidden=400, latent=20):
        super().__init__()
        self.encoder = nn.Sequential(
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
        h = self.encoder(x)
        return self.mu(h), self.log_sigma(h).clamp(*LOG_SIGMA_RANGE)

    def recon(self, x, z):
        logits = self.decoder(z)
        return nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)

    def loss(self, x, eps):
        mu, log_sigma = self.encode(x)
        z = mu + log_sigma.exp() * eps
        return (self.recon(x, z) + kl_to_standard(mu, log_sigma)).mean()


class ConvVae(MlpVae):
    """3 x 32 x 32, 64 latents, Gaussian with standard deviation 0.1, filters 64, 64-128, 512."""

    def __init__(self, latent=64, sigma=0.1):
        nn.Module.__init__(self)
        self.sigma = sigma
        # Output channels, kernel, stride, padding.
        down = [(64, 4, 2, 1), (128, 4, 2, 1), (128, 4, 2, 1), (512, 4, 1, 0)]
        up = [(512, 1, 1, 0), (128, 4, 1, 0), (128, 4, 2, 1), (64, 4, 2, 1), (3, 4, 2, 1)]

        def stack(layer, channels, windows):
            layers = []
            for outputs, *window in windows:
                layers += [layer(channels, outputs, *window), nn.BatchNorm2d(outputs), nn.ReLU()]
                channels = outputs
            return layers

        self.encoder = nn.Sequential(*stack(nn.Conv2d, 3, down), nn.Flatten())
        self.mu = nn.Linear(512, latent)
        self.log_sigma = nn.Linear(512, latent)
        # No normalization and no rectifier after the last layer.
        self.decoder = nn.Sequential(*stack(nn.ConvTranspose2d, latent, up)[:-2])

    def recon(self, x, z):
        mean = self.decoder(z[:, :, None, None])
        square = ((x - mean) / self.sigma).square().flatten(1)
        constant = math.log(self.sigma) + 0.5 * math.log(2 * math.pi)
        return 0.5 * square.sum(-1) + constant * square.shape[1]


def serve(answer):
    """Answers requests until stdin closes."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # The other side reports it.
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


def set_threads():
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    return threads


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
    missing, extra = model.load_state_dict(load_file(path), strict=False)
    wrong = [name for name in missing if not name.endswith("num_batches_tracked")] + extra
    if wrong:
        raise ValueError(f"parameters without counterpart: {wrong}")
    return model
