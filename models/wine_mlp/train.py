"""Trains wine_mlp and writes everything the compiler and the tests need.

Data: the wine recognition set (Forina and others, 1991; 178 wines of three growers, 13 measurements), as
scikit-learn ships it. Run from anywhere: `python models/wine_mlp/train.py`.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
SEED = 20261124


def export(scaler: StandardScaler, classifier: MLPClassifier) -> onnx.ModelProto:
    """Standardised features, two layers with tanh, one with softmax."""
    arrays = {"mean": scaler.mean_, "scale": scaler.scale_}
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["centred"], name="centre"),
        helper.make_node("Div", ["centred", "scale"], ["h0"], name="standardise"),
    ]
    last = len(classifier.coefs_) - 1
    for at, (weight, bias) in enumerate(zip(classifier.coefs_, classifier.intercepts_)):
        arrays |= {f"w{at}": weight, f"b{at}": bias}
        nodes.append(helper.make_node("Gemm", [f"h{at}", f"w{at}", f"b{at}"], [f"z{at}"], name=f"dense{at}"))
        if at < last:
            nodes.append(helper.make_node("Tanh", [f"z{at}"], [f"h{at + 1}"], name=f"tanh{at}"))
    nodes.append(helper.make_node("Softmax", [f"z{last}"], ["probabilities"], name="softmax", axis=1))
    graph = helper.make_graph(
        nodes,
        "wine_mlp",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 13])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    data = load_wine()
    x_train, x_test, y_train, y_test = train_test_split(
        data.data, data.target, test_size=0.4, random_state=SEED, stratify=data.target
    )
    scaler = StandardScaler().fit(x_train)
    classifier = MLPClassifier((16, 8), activation="tanh", alpha=0.3, max_iter=5000, random_state=SEED)
    classifier.fit(scaler.transform(x_train), y_train)
    model = export(scaler, classifier)
    onnx.save(model, HERE / "model.onnx")

    session = onnxruntime.InferenceSession(model.SerializeToString())
    rows = x_test.astype(np.float32)
    probability = np.array([session.run(None, {"features": row[None]})[0][0] for row in rows])
    assert np.abs(probability - classifier.predict_proba(scaler.transform(x_test))).max() < 1e-5
    accuracy = float((probability.argmax(1) == y_test).mean())
    np.savez_compressed(HERE / "calibration.npz", x=x_train.astype(np.float32))
    np.savez_compressed(HERE / "samples.npz", x=rows, y=y_test.astype(np.int64))
    metadata = {
        "description": "Wines of three growers by 13 measurements: two hidden layers with tanh",
        "data": "wine recognition (UCI), as scikit-learn ships it: 106 to train, 72 held out",
        "feature_names": data.feature_names,
        "labels": [f"grower {grower}" for grower in (1, 2, 3)],
        "held_out": len(rows),
        "accuracy": accuracy,
        "compile": {"batch": 16},
    }
    (HERE / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
    print(f"held-out accuracy {accuracy:.4f} on {len(rows)} samples")


if __name__ == "__main__":
    main()
