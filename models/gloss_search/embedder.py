"""A small embedder for pages: the vector of a text is the sum of the vectors of its words.

The words' vectors are those whose sums come closest, in the least squares, to what MiniLM says of 117,659 definitions:
the large network's answers are distilled into a table of 8,000 rows of bytes, 1 MB, which a page can load. Models of this
kind are Model2Vec (MinishLab 2024, minishlab/model2vec) and, before it, SIF (Arora and others, ICLR 2017).
"""

import pathlib
import re
from collections import Counter

import numpy as np
import scipy.sparse as sparse

from minilm import unit

WORDS = 8000
# Shorter beginnings stand for too many words.
LEAST_LETTERS = 3
RIDGE = 0.3
STEPS = 60


def words(text: str) -> list[str]:
    return re.findall("[a-z]+", text.lower())


class Embedder:
    def __init__(self, vocabulary: list[str], vectors: np.ndarray) -> None:
        self.vocabulary = vocabulary
        self.places = {word: at for at, word in enumerate(vocabulary)}
        # One byte for each number, one scale for each word.
        self.scales = np.maximum(np.abs(vectors).max(1), 1e-9).astype(np.float32) / 127
        self.bytes = np.round(vectors / self.scales[:, None]).astype(np.int8)

    @classmethod
    def distil(cls, texts: list[str], vectors: np.ndarray) -> "Embedder":
        """Learns from texts and their unit vectors."""
        counts = Counter(word for text in texts for word in words(text))
        vocabulary = [word for word, _ in counts.most_common(WORDS)]
        empty = cls(vocabulary, np.zeros((WORDS, vectors.shape[1])))
        sums = empty.sums(texts)
        # Long texts have long sums: one over the square root makes them alike.
        lengths = np.maximum(np.asarray(sums.sum(1)).ravel(), 1)
        sums = sparse.diags(1 / np.sqrt(lengths)) @ sums
        matrix = (sums.T @ sums + RIDGE * sparse.eye(WORDS)).tocsr()
        return cls(vocabulary, conjugate_gradients(matrix, sums.T @ vectors))

    def sums(self, texts: list[str]) -> sparse.csr_matrix:
        """How often each word is in each text."""
        found = [(row, at) for row, text in enumerate(texts) for word in words(text) if (at := self.place(word)) is not None]
        rows, columns = zip(*found)
        ones = np.ones(len(rows), np.float32)
        return sparse.csr_matrix((ones, (rows, columns)), shape=(len(texts), len(self.vocabulary)))

    def place(self, word: str) -> int | None:
        """A word that is not known counts as the longest beginning of it that is."""
        beginnings = (word[:length] for length in range(len(word), LEAST_LETTERS - 1, -1))
        return self.places.get(word, next((self.places[part] for part in beginnings if part in self.places), None))

    def embed(self, texts: list[str]) -> np.ndarray:
        """Unit vectors of texts."""
        return unit(self.sums(texts) @ (self.bytes * self.scales[:, None])).astype(np.float32)

    def write(self, folder: pathlib.Path) -> None:
        """Writes the words, and after all scales, as float32, all vectors, as bytes."""
        (folder / "vocabulary.txt").write_text("\n".join(self.vocabulary))
        (folder / "embedder.bin").write_bytes(self.scales.astype("<f4").tobytes() + self.bytes.tobytes())

    @classmethod
    def read(cls, folder: pathlib.Path) -> "Embedder":
        vocabulary = (folder / "vocabulary.txt").read_text().split("\n")
        content, count = (folder / "embedder.bin").read_bytes(), len(vocabulary)
        made = cls(vocabulary, np.zeros((count, 1)))
        made.scales = np.frombuffer(content, "<f4", count)
        made.bytes = np.frombuffer(content, np.int8, offset=4 * count).reshape(count, -1)
        return made


def conjugate_gradients(matrix: sparse.csr_matrix, right: np.ndarray) -> np.ndarray:
    """Solves for every column at once."""
    found, rest = np.zeros_like(right), right.copy()
    step, square = rest.copy(), (rest * rest).sum(0)
    for _ in range(STEPS):
        along = matrix @ step
        length = square / (step * along).sum(0)
        found += length * step
        rest -= length * along
        before, square = square, (rest * rest).sum(0)
        step = rest + square / before * step
    return found
