"""Exports networks from PyTorch, untrained: what counts is what its exporter writes. Made with Debian's python3-torch 1.13."""

import pathlib

import torch
from torch import nn
from torch.nn import functional as f

FOLDER = pathlib.Path(__file__).parent.parent


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1))
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = torch.relu(x + self.block(x))
        return self.head(f.adaptive_avg_pool2d(x, 1).flatten(1))


class OpenBatch(nn.Module):
    """`view` with the size of an open batch makes the exporter write arithmetic of shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.dense = nn.Conv2d(2, 3, 3), nn.Linear(48, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.conv(x))
        return self.dense(x.view(x.size(0), -1))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.query(x) @ self.key(x).transpose(1, 2)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 5, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0].flatten(1)


def signal() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 4, 5, stride=2, padding=2),
        nn.LeakyReLU(0.1),
        nn.Conv1d(4, 4, 3, dilation=2, groups=2),
        nn.SiLU(),
        nn.AvgPool1d(3, stride=2, padding=1),
        nn.Flatten(),
        nn.Linear(16, 2),
    )


def depthwise() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 3, 3, padding=1, groups=3),
        nn.Hardswish(),
        nn.Conv2d(3, 4, 1),
        nn.PReLU(4),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 5),
        nn.Softmax(1),
    )


def autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 2, stride=2), nn.Tanh(), nn.ConvTranspose2d(4, 1, 2, stride=2), nn.Sigmoid()
    )


def save(folder: str, name: str, network: nn.Module, *shape: int, **options) -> None:
    torch.manual_seed(7)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.4)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean)
    network.eval()
    file = FOLDER / folder / f"pytorch_{name}.onnx"
    torch.onnx.export(network, torch.randn(1, *shape), str(file), input_names=["x"], opset_version=15, **options)


save("accepted", "residual", Residual(), 1, 8, 8)
save("accepted", "gelu", nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3)), 6)
save("accepted", "signal", signal(), 2, 24)
save("accepted", "depthwise", depthwise(), 3, 4, 4)
save("accepted", "autoencoder", autoencoder(), 1, 4, 6)
open_batch = {"dynamic_axes": {"x": {0: "batch"}}, "do_constant_folding": False}
save("accepted", "open_batch", OpenBatch(), 2, 6, 6, **open_batch)

pooled = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2))
save("refused", "max_pool", pooled, 1, 6, 6)
save("refused", "attention", Attention(), 3, 6)
save("refused", "lstm", Recurrent(), 3, 4)
save("refused", "layer_norm", nn.Sequential(nn.Linear(5, 6), nn.LayerNorm(6), nn.Linear(6, 2)), 5)
