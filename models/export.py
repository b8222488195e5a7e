"""Exports a trained PyTorch network and writes the files that every model has beside it."""

import json
import pathlib

import numpy as np
import torch
from torch import nn

SAMPLES = 1000


def write(folder: pathlib.Path, network: nn.Module, calibration, held_out, names, **metadata) -> None:
    """Writes model.onnx, calibration.npz, samples.npz and metadata.json."""
    network.eval()
    x, y = held_out
    torch.onnx.export(
        network,
        calibration[:1],
        str(folder / "model.onnx"),
        input_names=[names[0]],
        output_names=[names[1]],
        opset_version=17,
    )
    with torch.no_grad():
        right = sum(int((network(x[i : i + 500]).argmax(1) == y[i : i + 500]).sum()) for i in range(0, len(x), 500))
    np.savez_compressed(folder / "calibration.npz", x=calibration.numpy())
    np.savez_compressed(folder / "samples.npz", x=x[:SAMPLES].numpy(), y=y[:SAMPLES].numpy())
    metadata |= {"held_out": len(x), "accuracy": right / len(x)}
    if len(x) > SAMPLES:
        metadata["samples"] = f"the first {SAMPLES:,} of the held-out samples"
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
    print(f"held-out accuracy {right / len(x):.4f} on {len(x)} samples")
