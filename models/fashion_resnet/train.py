"""Trains fashion_resnet and writes everything the compiler and the tests need.

Data: Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) in its standard split, as Debian's package
`dataset-fashion-mnist` carries the original files. Run `apt-get install python3-torch dataset-fashion-mnist` and then
`/usr/bin/python3 models/fashion_resnet/train.py /usr/share/datasets/fashion-mnist`.

The network is the smallest with everything a residual network has: a convolution of stride 2, a block of two
convolutions with a connection around them, batch normalisation after each, a global average, a dense layer.
"""

import pathlib
import sys

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from export import write  # noqa: E402
from fitted import FittedRelu, train  # noqa: E402
from idx import fashion  # noqa: E402

SEED = 20261124
DEGREE = 2
MAPS = 16
BATCH = 100
LABELS = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]


class Block(nn.Module):
    """`relu(x + norm(conv(relu(norm(conv(x))))))`."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(MAPS, MAPS, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(MAPS)
        self.inner = FittedRelu(DEGREE)
        self.second = nn.Conv2d(MAPS, MAPS, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(MAPS)
        self.outer = FittedRelu(DEGREE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inside = self.inner(self.first_norm(self.first(x)))
        return self.outer(x + self.second_norm(self.second(inside)))


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, MAPS, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(MAPS),
        FittedRelu(DEGREE),
        nn.AvgPool2d(2),
        Block(),
        nn.Flatten(),
        nn.Linear(49 * MAPS, 10),
    )


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    x, y, test, test_labels = fashion(pathlib.Path(sys.argv[1]))
    x, test = ((images / 255).astype(np.float32).reshape(-1, 1, 28, 28) for images in (x, test))
    labels = torch.from_numpy(y)

    def batches():
        for part in rng.permutation(len(x)).reshape(-1, BATCH):
            images = x[part].copy()
            mirrored = rng.random(BATCH) < 0.5
            images[mirrored] = images[mirrored][..., ::-1]
            images = np.roll(images, tuple(rng.integers(-1, 2, 2)), (2, 3))
            yield torch.from_numpy(images), labels[part]

    model = network()
    calibration = torch.from_numpy(x[:500])
    held_out = torch.from_numpy(test), torch.from_numpy(test_labels)
    train(model, batches, calibration, held_out, plain=4, joint=24, rates=(0.003, 0.003))
    write(
        HERE,
        model,
        calibration,
        held_out,
        name="image",
        image=True,
        description="Clothes: a convolution and a residual block with batch normalisation and ReLU, 10 classes",
        data="Fashion-MNIST of Debian's dataset-fashion-mnist: the standard 60,000 to train, 10,000 held out",
        labels=LABELS,
        compile={"max_degree": DEGREE},
    )


if __name__ == "__main__":
    main()
