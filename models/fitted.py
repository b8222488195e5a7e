"""ReLU that a network is trained with in two forms: as it is, and as the polynomial that the compiler puts in its place.

The compiler fits a polynomial to the values that calibration samples show: nine tenths of the weight on
those values, one tenth evenly on their range, widened by a tenth at both ends. Here the same is done
between epochs, so that the network learns weights for which both forms are right.
"""

import numpy as np
import torch
from torch import nn

BINS = 512
MARGIN = 0.1
EVEN = 0.1
# Values beyond this are pulled back, so that ranges stay narrow.
NARROW = 3.0
TAIL = 0.1


def fit(values: np.ndarray, degree: int) -> np.ndarray:
    """Coefficients, constant first, of the polynomial that replaces ReLU where these values occur."""
    low, high = float(values.min()), float(values.max())
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    counts, edges = np.histogram(values, BINS, (low, high))
    x = (edges[1:] + edges[:-1]) / 2
    weight = np.sqrt((1 - EVEN) * counts / counts.sum() + EVEN / BINS)
    powers = x[:, None] ** np.arange(degree + 1)
    return np.linalg.lstsq(powers * weight[:, None], np.maximum(x, 0) * weight, rcond=None)[0]


class FittedRelu(nn.Module):
    """ReLU, or its polynomial while `fitted` is set."""

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree
        self.fitted = self.watching = False
        self.seen: list[torch.Tensor] = []
        self.tail = torch.zeros(())
        self.coefficients: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.watching:
            self.seen.append(x.detach().flatten())
        if self.training:
            self.tail = torch.relu(x.abs() - NARROW).square().mean()
        if not self.fitted:
            return torch.relu(x)
        y = torch.full_like(x, self.coefficients[-1])
        for coefficient in self.coefficients[-2::-1]:
            y = y * x + coefficient
        return y


def activations(network: nn.Module) -> list[FittedRelu]:
    return [module for module in network.modules() if isinstance(module, FittedRelu)]


def refit(network: nn.Module, calibration: torch.Tensor) -> None:
    """Fits every activation to what the calibration samples show of the network with ReLU."""
    network.eval()
    for activation in activations(network):
        activation.fitted, activation.watching, activation.seen = False, True, []
    with torch.no_grad():
        network(calibration)
    for activation in activations(network):
        activation.watching = False
        activation.coefficients = fit(torch.cat(activation.seen).numpy(), activation.degree).tolist()


def accuracy(network: nn.Module, x: torch.Tensor, y: torch.Tensor, fitted: bool) -> float:
    network.eval()
    for activation in activations(network):
        activation.fitted = fitted
    with torch.no_grad():
        right = sum(int((network(x[i : i + 500]).argmax(1) == y[i : i + 500]).sum()) for i in range(0, len(x), 500))
    for activation in activations(network):
        activation.fitted = False
    return right / len(x)


def train(network, batches, calibration, held_out, plain: int, joint: int, rates: tuple[float, float]) -> None:
    """Trains with ReLU alone for some epochs, then, with frozen statistics, in both forms at once.

    `batches()` gives the batches of an epoch; `held_out` is only looked at to print progress.
    """
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    for phase, epochs, rate in (("plain", plain, rates[0]), ("joint", joint, rates[1])):
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
        for epoch in range(epochs):
            refit(network, calibration)
            network.train()
            if phase == "joint":
                for module in network.modules():
                    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                        module.eval()
            for x, y in batches():
                total = torch.zeros(())
                for form in (False,) if phase == "plain" else (False, True):
                    for activation in activations(network):
                        activation.fitted = form
                    total = total + loss(network(x), y)
                    total = total + TAIL * sum(activation.tail for activation in activations(network))
                optimizer.zero_grad()
                total.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
            schedule.step()
            refit(network, calibration)
            found = [accuracy(network, *held_out, fitted) for fitted in (False, True)]
            print(f"{phase} {epoch + 1}: {found[0]:.4f} with ReLU, {found[1]:.4f} fitted", flush=True)
