"""Distorts images of digits at random, so that a small network sees more of them."""

import numpy as np


def augment(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rotates, scales and shifts each image a little, with bilinear interpolation."""
    count = len(images)
    angle = rng.normal(0, 0.13, count)
    stretch = np.exp(rng.normal(0, 0.07, (2, count)))
    shear = rng.normal(0, 0.10, count)
    shift = rng.normal(0, 1.1, (2, count))
    rows, columns = np.meshgrid(np.arange(28) - 13.5, np.arange(28) - 13.5, indexing="ij")
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    r, c = rows.ravel()[None], columns.ravel()[None]
    y = (cosine * r - sine * c) * stretch[0][:, None] + shift[0][:, None] + 13.5
    x = (sine * r + cosine * c + shear[:, None] * r) * stretch[1][:, None] + shift[1][:, None] + 13.5
    y0, x0 = np.floor(y).astype(np.int32), np.floor(x).astype(np.int32)
    fy, fx = (y - y0).astype(np.float32), (x - x0).astype(np.float32)
    padded = np.zeros((count, 36, 36), np.float32)
    padded[:, 4:32, 4:32] = images.reshape(-1, 28, 28)
    flat = padded.reshape(count, -1)

    def at(dy: int, dx: int) -> np.ndarray:
        index = np.clip(y0 + dy + 4, 0, 35) * 36 + np.clip(x0 + dx + 4, 0, 35)
        return np.take_along_axis(flat, index, axis=1)

    return (at(0, 0) * (1 - fx) + at(0, 1) * fx) * (1 - fy) + (at(1, 0) * (1 - fx) + at(1, 1) * fx) * fy
