"""Exports a trained PyTorch network and writes the files that every model has beside it.

What is exported takes what callers have and gives probabilities: bytes are divided by 255 inside of it.
"""

import json
import pathlib

import numpy as np
import torch
from torch import nn

SAMPLES = 1000


class Divided(nn.Module):
    """Bytes of an image as parts of one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 255


def write(folder: pathlib.Path, network: nn.Module, calibration, held_out, name: str, image: bool, **metadata) -> None:
    """Writes model.onnx, calibration.npz, samples.npz and metadata.json.

    Samples of an image are parts of one, as the network was trained; they are written as the bytes they came from.
    """
    network.eval()
    x, y = held_out
    before = [Divided()] if image else []
    torch.onnx.export(
        nn.Sequential(*before, network, nn.Softmax(1)),
        calibration[:1],
        str(folder / "model.onnx"),
        input_names=[name],
        output_names=["probabilities"],
        opset_version=17,
    )
    as_callers_have = (lambda x: (x * 255).round().to(torch.uint8)) if image else (lambda x: x)
    with torch.no_grad():
        right = sum(int((network(x[i : i + 500]).argmax(1) == y[i : i + 500]).sum()) for i in range(0, len(x), 500))
    np.savez_compressed(folder / "calibration.npz", x=as_callers_have(calibration).numpy())
    np.savez_compressed(folder / "samples.npz", x=as_callers_have(x[:SAMPLES]).numpy(), y=y[:SAMPLES].numpy())
    metadata |= {"held_out": len(x), "accuracy": right / len(x)}
    if len(x) > SAMPLES:
        metadata["samples"] = f"the first {SAMPLES:,} of the held-out samples"
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
    print(f"held-out accuracy {right / len(x):.4f} on {len(x)} samples")
