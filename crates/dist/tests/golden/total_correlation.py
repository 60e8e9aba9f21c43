"""Minibatch estimates with the weights as they are copied from code to code, wrong stride included.

The weight matrix is filled as in the functions that circulate under the name
`log_importance_weight_matrix`; written with PyTorch 2.11.0 (CPU, f64). Run from this folder.
"""

import json
import math
from pathlib import Path

import torch

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(20)
BATCH, LATENT, DATASET = 6, 3, 50


def log_normal(z, mu, log_sigma):
    return -0.5 * (math.log(2 * math.pi) + 2 * log_sigma + ((z - mu) / log_sigma.exp()) ** 2)


def circulating_weights():
    m = BATCH - 1
    stratified = (DATASET - m) / (DATASET * m)
    w = torch.full((BATCH, BATCH), 1 / m)
    w.view(-1)[:: m + 1] = 1 / DATASET
    w.view(-1)[1 :: m + 1] = stratified
    w[m - 1, 0] = stratified
    return w.log()


mu = torch.randn(BATCH, LATENT, generator=generator)
log_sigma = 0.3 * torch.randn(BATCH, LATENT, generator=generator) - 0.5
z = mu + log_sigma.exp() * torch.randn(BATCH, LATENT, generator=generator)
pairs = log_normal(z[:, None], mu[None], log_sigma[None])
log_w = circulating_weights()
log_q = (log_w + pairs.sum(2)).logsumexp(1)
log_product = (log_w[:, :, None] + pairs).logsumexp(1).sum(1)
log_own = log_normal(z, mu, log_sigma).sum(1)
log_prior = log_normal(z, torch.zeros(()), torch.zeros(())).sum(1)
record = {
    "dataset_size": DATASET,
    "z": z.tolist(),
    "mu": mu.tolist(),
    "log_sigma": log_sigma.tolist(),
    "mutual_information": (log_own - log_q).mean().item(),
    "total_correlation": (log_q - log_product).mean().item(),
    "dimension_wise": (log_product - log_prior).mean().item(),
}
Path(__file__).with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
