"""Runs every accepted model in ONNX Runtime and writes inputs and outputs beside it."""

import json
import pathlib

import numpy as np
import onnxruntime

FOLDER = pathlib.Path(__file__).parent.parent / "accepted"
SAMPLES = 4

for file in sorted(FOLDER.glob("*.onnx")):
    session = onnxruntime.InferenceSession(str(file))
    (info,) = session.get_inputs()
    shape = [extent if isinstance(extent, int) else 1 for extent in info.shape]
    # Where a classifier gives a label first, the probabilities are its second output.
    output = session.get_outputs()[-1].name
    rng = np.random.default_rng(7)
    samples = []
    for _ in range(SAMPLES):
        x = rng.standard_normal(shape).astype(np.float32)
        (y,) = session.run([output], {info.name: x})
        y = np.array(list(y[0].values())) if isinstance(y, list) else y
        samples.append({"x": x.ravel().round(7).tolist(), "y": np.asarray(y, np.float64).ravel().round(7).tolist()})
    text = ",\n  ".join(json.dumps(sample) for sample in samples)
    file.with_suffix(".json").write_text(f"[\n  {text}\n]\n")
