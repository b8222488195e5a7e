"""Writes models message by message: operators that no exporter above happened to write, and files that are wrong."""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent.parent
rng = np.random.default_rng(7)


def array(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array((rng.standard_normal(shape) / 2).astype(np.float32), name)


def integers(name: str, *numbers: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def node(operator: str, inputs: str, outputs: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), name=f"{operator}_{outputs[0]}", **attributes)


def model(nodes: list, tensors: list, shape: list, inputs: str = "x", output: str = "y", kind=TensorProto.FLOAT) -> onnx.ModelProto:
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in inputs.split()]
    result = [helper.make_tensor_value_info(output, kind, None)]
    graph = helper.make_graph(nodes, "graph", infos, result, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def save(folder: str, name: str, made: onnx.ModelProto) -> None:
    (FOLDER / folder / f"hand_{name}.onnx").write_bytes(made.SerializeToString())


movements = [
    node("Split", "x sizes", "a b", axis=1),
    node("Slice", "a from to axes steps", "s"),
    node("Pad", "s pads", "p"),
    node("Concat", "p b", "c", axis=1),
    node("Transpose", "c", "t", perm=[0, 2, 1]),
    node("Gather", "t order", "g", axis=1),
    node("ReduceSum", "g last", "r", keepdims=0),
    node("Pow", "r three", "q"),
    node("Neg", "q", "n"),
    node("ReduceMean", "g", "m", axes=[2], keepdims=0),
    node("Sub", "n m", "d"),
    node("Div", "d halves", "e"),
    node("Unsqueeze", "e one", "u"),
    node("Squeeze", "u one", "y"),
]
tensors = [
    integers("sizes", 2, 1), integers("from", -1), integers("to", -5), integers("axes", 2), integers("steps", -2),
    integers("pads", 0, 0, 1, 0, 0, 1), integers("order", 3, 0, 0), integers("last", 2), integers("one", 1),
    numpy_helper.from_array(np.array(3, np.float32), "three"),
    numpy_helper.from_array(np.array([0.5, 2, -4], np.float32), "halves"),
]  # fmt: skip
save("accepted", "movements", model(movements, tensors, [1, 3, 4]))

gates = [
    node("MatMul", "x w", "h"),
    node("Add", "h b", "i"),
    node("Elu", "i", "e", alpha=0.7),
    node("HardSigmoid", "e", "g", alpha=0.25),
    node("Mul", "g h", "p"),
    node("Erf", "p", "f"),
    node("Exp", "f", "x2"),
    node("Abs", "x2", "a"),
    node("Sqrt", "a", "s"),
    node("Gemm", "s v", "z", transB=1, alpha=0.5),
    node("Softmax", "z", "y", axis=-1),
]
save("accepted", "gates", model(gates, [array("w", 4, 6), array("b", 6), array("v", 3, 6)], [1, 4]))

halves = rng.standard_normal((4, 3)).astype(np.float16)
stored = [node("Cast", "w", "f", to=1), node("MatMul", "x f", "h"), node("Relu", "h", "r"), node("Cast", "r", "y", to=1)]
save("accepted", "half_weights", model(stored, [numpy_helper.from_array(halves, "w")], [1, 4]))

save("refused", "two_inputs", model([node("Add", "x z", "y")], [], [1, 4], inputs="x z"))
cycle = [node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")]
save("refused", "cycle", model(cycle, [], [1, 4]))
outside = array("w", 4, 2)
outside.data_location = TensorProto.EXTERNAL
outside.ClearField("raw_data")
outside.external_data.add(key="location", value="../../../../etc/passwd")
save("refused", "external_data", model([node("MatMul", "x w", "y")], [outside], [1, 4]))
inside = [node("Softmax", "x", "s", axis=1), node("MatMul", "s w", "y")]
save("refused", "softmax_inside", model(inside, [array("w", 4, 2)], [1, 4]))
quantised = [node("QuantizeLinear", "x scale", "q"), node("DequantizeLinear", "q scale", "y")]
save("refused", "quantised", model(quantised, [numpy_helper.from_array(np.array(0.1, np.float32), "scale")], [1, 4]))
wide = model([node("Relu", "x", "y")], [], [64, 4])
save("refused", "batch_of_64", wide)

layer = [array("w", 4, 3), array("b", 3)]
dense = node("Gemm", "x w b", "s")
save("accepted", "class", model([dense, node("ArgMax", "s", "y", axis=1)], layer, [1, 4], kind=TensorProto.INT64))
farthest = [dense, node("Softmax", "s", "p"), node("ArgMin", "p", "a", axis=-1, keepdims=0), node("Cast", "a", "y", to=1)]
save("accepted", "least_class", model(farthest, layer, [1, 4]))
save("accepted", "unit_length", model([dense, node("LpNormalization", "s", "y")], layer, [1, 4]))
classifier = node(
    "LinearClassifier", "x", "label p", coefficients=rng.standard_normal(12).tolist(), intercepts=[0.5, 0.0, -0.5],
    classlabels_strings=["no", "perhaps", "yes"], post_transform="LOGISTIC",
)  # fmt: skip
shares = [classifier, node("Normalizer", "p", "y", norm="L1")]
for part in shares:
    part.domain = "ai.onnx.ml"
made = model(shares, [], [1, 4])
made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
save("accepted", "one_versus_rest", made)
