"""A training step of the Seatbelt-VAE in PyTorch eager: loss, backward, Adam.

Three layers on the convolutional trunk for 3 x 32 x 32, minibatch weighted sampling on the top
layer, free bits. Noise is drawn in the step, as a user would. The total correlation is the usual
composition over all pairs.
"""

import math

import torch
from common import ConvVae, load, serve, set_threads, timed
from safetensors.torch import load_file
from torch import nn

set_threads()
state = {}
WARM_UP = 5
LOG_SIGMA_RANGE = (-12.0, 6.0)


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

    def forward(self, x):
        h = self.net(x)
        return self.mu(h), self.log_sigma(h).clamp(*LOG_SIGMA_RANGE)


def draw(law, eps):
    return law[0] + law[1].exp() * eps


def energy(law, z):
    return 0.5 * ((z - law[0]) * (-law[1]).exp()).square() + law[1]


class Seatbelt(ConvVae):
    def __init__(self, sizes, hidden, beta, free_bits):
        super().__init__(latent=sum(sizes))
        self.sizes, self.beta, self.free_bits = sizes, beta, free_bits
        self.mu = nn.Linear(512, sizes[0])
        self.log_sigma = nn.Linear(512, sizes[0])
        pairs = list(zip(sizes, sizes[1:], hidden))
        self.inference = nn.ModuleList(Conditional(a + 512, h, b) for a, b, h in pairs)
        self.generative = nn.ModuleList(Conditional(b, h, a) for a, b, h in pairs)

    def total_correlation(self, law, z, num_data):
        mu, log_sigma = law
        pairs = -0.5 * ((z[:, None] - mu[None]) * (-log_sigma).exp()[None]).square()
        pairs = pairs - log_sigma[None] - 0.5 * math.log(2 * math.pi)
        constant = math.log(num_data * len(z))
        joint = pairs.sum(-1).logsumexp(1) - constant
        marginals = pairs.logsumexp(1) - constant
        return (joint - marginals.sum(-1)).mean()

    def loss(self, x, eps, num_data):
        h = self.encoder(x)
        laws = [(self.mu(h), self.log_sigma(h).clamp(*LOG_SIGMA_RANGE))]
        z = [draw(laws[0], eps[0])]
        for i, net in enumerate(self.inference):
            laws.append(net(torch.cat([z[i], h], 1)))
            z.append(draw(laws[-1], eps[i + 1]))
        recon = self.recon(x, torch.cat(z, 1)).mean()
        divergence = 0.0
        for i, net in enumerate(self.generative):
            terms = energy(net(z[i + 1]), z[i]) - energy(laws[i], z[i])
            divergence = divergence + terms.mean(0).clamp(min=self.free_bits).sum()
        mu, log_sigma = laws[-1]
        top = 0.5 * (mu.square() + torch.expm1(2 * log_sigma) - 2 * log_sigma)
        divergence = divergence + top.mean(0).clamp(min=self.free_bits).sum()
        return recon + divergence + (self.beta - 1) * self.total_correlation(
            laws[-1], z[-1], num_data
        )


def step_of(model, optimizer, x, num_data):
    def step():
        optimizer.zero_grad(set_to_none=True)
        eps = [torch.randn(x.shape[0], size) for size in model.sizes]
        model.loss(x, eps, num_data).backward()
        optimizer.step()

    return step


def answer(request):
    if request["op"] == "load":
        inputs = load_file(request["inputs"])
        x, num_data = inputs["x"], request["num_data"]
        arguments = [request[key] for key in ("sizes", "hidden", "beta", "free_bits")]

        def fresh():
            return load(request["weights"], Seatbelt(*arguments))

        eps = [inputs[f"eps.{i}"] for i in range(len(request["sizes"]))]
        # The loss on given noise shows that both sides compute the same thing.
        with torch.no_grad():
            check = fresh().loss(x, eps, num_data).item()
        variants = {"eager": False, "eager, fused Adam": True}
        for name, fused in variants.items():
            model = fresh()
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
            state[name] = step_of(model, optimizer, x, num_data)
            timed(state[name], WARM_UP)
        return {"loss": check, "variants": list(variants)}
    return {"seconds": timed(state[request["variant"]], request["steps"])}


serve(answer)
