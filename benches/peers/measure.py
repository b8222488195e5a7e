"""What the programs of the rivals share: parameter sets, inputs, medians, checked precision."""

import json
import math
import os
import tempfile
import time

# Name, log2 N, bits of Q's first prime, of the others, how many of those.
SETS = [("P1", 13, 50, 30, 3), ("P2", 14, 60, 40, 7), ("P3", 15, 60, 40, 18)]

# The same for all programs: seconds before anything counts, seconds and numbers of runs that count.
WARM_UP = 0.03
SECONDS = 0.15
RUNS = (7, 101)


def inputs(slots):
    values = [math.sin(i) for i in range(slots)]
    return values, [v * v for v in values], values[1:] + values[:1]


def median_micros(call):
    def timed():
        begun = time.perf_counter()
        call()
        return time.perf_counter() - begun

    begun, last = time.perf_counter(), timed()
    while time.perf_counter() - begun < WARM_UP:
        last = timed()
    runs = max(RUNS[0], min(RUNS[1], int(SECONDS / last)))
    return sorted(timed() for _ in range(runs))[runs // 2] * 1e6


def precision_bits(found, expected):
    errors = [abs(a - b) for a, b in zip(found, expected, strict=True)]
    assert all(error < 1e-3 for error in errors), f"a result is wrong by {max(errors)}"
    return -math.log2(max(errors))


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
