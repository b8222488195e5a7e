"""Exports networks from Keras with tf2onnx, untrained."""

import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf
import tf2onnx
from keras import layers

FOLDER = pathlib.Path(__file__).parent.parent


def save(folder: str, name: str, shape: tuple, *stack) -> None:
    keras.utils.set_random_seed(7)
    network = keras.Sequential([keras.Input(shape), *stack])
    function = tf.function(lambda x: network(x))
    signature = [tf.TensorSpec((1, *shape), tf.float32, name="x")]
    file = FOLDER / folder / f"keras_{name}.onnx"
    tf2onnx.convert.from_function(function, signature, opset=15, output_path=str(file))


save("accepted", "mlp", (6,), layers.Dense(8, "selu"), layers.Dense(8, "softplus"), layers.Dense(3, "softmax"))
save(
    "accepted",
    "cnn",
    (8, 8, 2),
    layers.Conv2D(4, 3, 2, "same", activation="swish"),
    layers.BatchNormalization(),
    layers.DepthwiseConv2D(3, padding="same"),
    layers.ReLU(),
    layers.GlobalAveragePooling2D(),
    layers.Dense(3),
)
save("refused", "gru", (4, 3), layers.GRU(5))
save("refused", "max_pool", (6, 6, 1), layers.Conv2D(2, 3, activation="relu"), layers.GlobalMaxPooling2D())
