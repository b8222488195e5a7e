"""Trains breast_cancer_logistic and writes everything the compiler, the tests and the page need.

Data: the Wisconsin diagnostic breast cancer set (Wolberg, Street, Mangasarian; 569 samples,
30 features), as scikit-learn ships it. Run from anywhere: `python models/breast_cancer_logistic/train.py`.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
SEED = 20261123


def export(scaler: StandardScaler, classifier: LogisticRegression) -> onnx.ModelProto:
    """(x − mean)/scale · wᵀ + b, then a sigmoid: the graph an exporter would write."""
    initializers = [
        numpy_helper.from_array(scaler.mean_.astype(np.float32), "mean"),
        numpy_helper.from_array(scaler.scale_.astype(np.float32), "scale"),
        numpy_helper.from_array(classifier.coef_.astype(np.float32), "weight"),
        numpy_helper.from_array(classifier.intercept_.astype(np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["centred"], name="centre"),
        helper.make_node("Div", ["centred", "scale"], ["standardised"], name="standardise"),
        helper.make_node("Gemm", ["standardised", "weight", "bias"], ["logit"], name="linear", transB=1),
        helper.make_node("Sigmoid", ["logit"], ["probability"], name="sigmoid"),
    ]
    graph = helper.make_graph(
        nodes,
        "breast_cancer_logistic",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 30])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [1, 1])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    data = load_breast_cancer()
    x_train, x_test, y_train, y_test = train_test_split(
        data.data, data.target, test_size=0.25, random_state=SEED, stratify=data.target
    )
    scaler = StandardScaler().fit(x_train)
    classifier = LogisticRegression(C=0.1, max_iter=10_000).fit(scaler.transform(x_train), y_train)
    model = export(scaler, classifier)
    onnx.save(model, HERE / "model.onnx")

    session = onnxruntime.InferenceSession(model.SerializeToString())
    rows = x_test.astype(np.float32)
    probability = np.array([session.run(None, {"features": row[None]})[0][0, 0] for row in rows])
    expected = classifier.predict_proba(scaler.transform(rows))[:, 1]
    assert np.abs(probability - expected).max() < 1e-5, "the exported graph is not the trained model"
    accuracy = float(((probability > 0.5) == y_test).mean())

    np.savez_compressed(HERE / "calibration.npz", x=x_train.astype(np.float32))
    np.savez_compressed(HERE / "samples.npz", x=rows, y=y_test.astype(np.int64))
    metadata = {
        "description": "Logistic regression on the Wisconsin breast cancer set: probability that a tumour is benign",
        "data": "scikit-learn load_breast_cancer: 426 rows to train, 143 held out, stratified",
        "feature_names": [str(name).replace(" ", "_") for name in data.feature_names],
        "labels": ["benign"],
        "threshold": 0.5,
        "held_out": len(y_test),
        "accuracy": accuracy,
    }
    (HERE / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
    logit = classifier.decision_function(scaler.transform(rows))
    order = np.argsort(np.abs(logit))
    picked = np.unique(np.concatenate([order[:3], np.linspace(3, len(rows) - 1, 9).astype(int)]))[:12]
    patients = {
        "feature_names": [str(name) for name in data.feature_names],
        "patients": [
            {
                "values": [float(v) for v in rows[i]],
                "label": "benign" if y_test[i] else "malignant",
                "logit": float(logit[i]),
                "probability": float(probability[i]),
            }
            for i in picked
        ],
    }
    (HERE / "demo_patients.json").write_text(json.dumps(patients) + "\n")
    print(f"held-out accuracy {accuracy:.4f} on {len(y_test)} rows, |logit| <= {np.abs(logit).max():.1f}")


if __name__ == "__main__":
    main()
