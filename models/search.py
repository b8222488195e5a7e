"""Makes a model that scores a query against many vectors: one matrix product.

python models/search.py 50000 128 /tmp/search
cargo run --release -p model-compiler -- compile /tmp/search/model.onnx -o /tmp/search/package --precision 14 --verify 0
cargo run --release -p layer-benches -- models /tmp/search/package

The vectors are unit vectors around 200 random centres, as embeddings of texts on 200 subjects would be; they are for
measuring, and are not shipped.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SUBJECTS, SPREAD, QUERIES = 200, 0.7, 64


def main(rows: int, dimension: int, folder: pathlib.Path) -> None:
    random = np.random.default_rng(1)
    centres = random.normal(size=(SUBJECTS, dimension))

    def vectors(count: int) -> np.ndarray:
        near = centres[random.integers(0, SUBJECTS, count)] + SPREAD * random.normal(size=(count, dimension))
        return (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)

    weights = numpy_helper.from_array(vectors(rows).T.copy(), "vectors")
    query = helper.make_tensor_value_info("query", TensorProto.FLOAT, [1, dimension])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, rows])
    product = helper.make_node("MatMul", ["query", "vectors"], ["scores"])
    graph = helper.make_graph([product], "search", [query], [scores], [weights])
    folder.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    np.savez_compressed(folder / "calibration.npz", x=vectors(QUERIES))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]))
