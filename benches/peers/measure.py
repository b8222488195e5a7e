"""What the programs of the rivals share: parameter sets, inputs, medians, checked precision."""

import json
import math
import os
import tempfile
import time

# Name, log2 N, bits of Q's first prime, of the others, how many of those, repetitions.
SETS = [("P1", 13, 50, 30, 3, 21), ("P2", 14, 60, 40, 7, 7), ("P3", 15, 60, 40, 18, 3)]


def inputs(slots):
    values = [math.sin(i) for i in range(slots)]
    return values, [v * v for v in values], values[1:] + values[:1]


def median_micros(runs, call):
    call()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return sorted(times)[len(times) // 2] * 1e6


def precision_bits(found, expected):
    error = max(abs(a - b) for a, b in zip(found, expected))
    assert error < 1e-3, f"a result is wrong by {error}"
    return -math.log2(error)


def bytes_of(save):
    """The bytes that a library writes into the file of a name."""
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "written")
        save(name)
        return os.path.getsize(name)


def report(program, name, log_qp, depth, scale_bits, rows):
    for operation, micros, precision in rows:
        line = {"program": program, "set": name, "operation": operation, "value": micros}
        line |= {"precision_bits": precision, "log_qp": log_qp, "depth": depth, "scale_bits": scale_bits}
        print(json.dumps(line), flush=True)
