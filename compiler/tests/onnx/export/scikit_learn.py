"""Exports models from scikit-learn with skl2onnx, trained on a few made-up samples."""

import pathlib
import warnings

import numpy as np
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler
from sklearn.svm import SVC

FOLDER = pathlib.Path(__file__).parent.parent
FEATURES = 5

warnings.filterwarnings("ignore")
rng = np.random.default_rng(7)
x = rng.standard_normal((120, FEATURES)).astype(np.float32)
classes = (x[:, 0] + x[:, 1] > 0.5).astype(int) + (x[:, 2] > 0)
targets = x @ rng.standard_normal((FEATURES, 2)) + 1


def save(folder: str, name: str, model, y: np.ndarray, options: dict | None = None) -> None:
    model.fit(x, y)
    inputs = [("x", FloatTensorType([None, FEATURES]))]
    onnx = convert_sklearn(model, initial_types=inputs, target_opset={"": 17, "ai.onnx.ml": 3}, options=options)
    (FOLDER / folder / f"sklearn_{name}.onnx").write_bytes(onnx.SerializeToString())


classifier = make_pipeline(StandardScaler(), LogisticRegression())
save("accepted", "logistic", classifier, classes)
binary = LogisticRegression()
save("accepted", "logistic_binary", binary, (classes > 0).astype(int), {id(binary): {"zipmap": False}})
save("accepted", "ridge", make_pipeline(PCA(3), MinMaxScaler(), Ridge()), targets)
save("accepted", "mlp", MLPClassifier((8,), activation="tanh", max_iter=300, random_state=7), classes)

names = np.array(["low", "middle", "high"])[classes]
save("accepted", "one_versus_rest", OneVsRestClassifier(LogisticRegression()), names)

save("refused", "forest", RandomForestClassifier(3, max_depth=3, random_state=7), classes)
save("refused", "svc", SVC(random_state=7), classes)
save("refused", "neighbours", KNeighborsClassifier(3), classes)
save("refused", "normalizer", make_pipeline(Normalizer(), LogisticRegression()), classes)
