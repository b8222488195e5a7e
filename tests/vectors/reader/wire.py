"""The bytes of docs/wire-format.md: reading strictly, and writing."""

import hashlib
import math
import struct

from ring import Prime

MAGIC, VERSION, HEADER, SEED = b"CKKS", 2, 52, 32
PARAMS, SECRET_KEY, PUBLIC_KEY, RELINEARIZATION_KEY, GALOIS_KEY, SEEDED, WHOLE, RESULT = range(1, 9)


class Refused(Exception):
    """Bytes that break a rule; the name says which."""

    def __init__(self, name):
        super().__init__(name)
        self.name = name


def need(holds, name):
    if not holds:
        raise Refused(name)


class Params:
    """A parameter set."""

    def __init__(self, log_degree, levels, special_primes, digit_primes, scale):
        self.log_degree, self.degree, self.slots = log_degree, 1 << log_degree, 1 << log_degree - 1
        self.digit_primes = digit_primes
        self.level_values, self.special_values = levels, special_primes
        self.levels = [[Prime(q, self.degree) for q in group] for group in levels]
        self.special = [Prime(q, self.degree) for q in special_primes]
        self.scales = [float(scale)]
        for group in reversed(levels[1:]):
            self.scales.insert(0, self.scales[0] * self.scales[0] / float(math.prod(group)))
        self.max_level = len(levels) - 1

    @classmethod
    def from_json(cls, tree):
        return cls(tree["log_degree"], tree["levels"], tree["special_primes"], tree["digit_primes"], tree["scale"])

    def main(self, level):
        return [prime for group in self.levels[: level + 1] for prime in group]

    def place(self, level, limb):
        """The place among all primes of a limb at a level, those of special primes last."""
        main = len(self.main(level))
        return limb if limb < main else len(self.main(self.max_level)) + limb - main

    def digits(self, level):
        main, size = len(self.main(level)), self.digit_primes
        return [range(start, min(start + size, main)) for start in range(0, main, size)]

    def to_bytes(self):
        fixed = struct.pack("<4sBBBBBB2xd", MAGIC, VERSION, PARAMS, self.log_degree, self.digit_primes, len(self.level_values), len(self.special_values), self.scales[-1])
        sizes = bytes(len(group) for group in self.level_values)
        primes = [q for group in self.level_values for q in group] + self.special_values
        return fixed + sizes + struct.pack(f"<{len(primes)}I", *primes)

    def id(self):
        return hashlib.sha256(self.to_bytes()).digest()


def check_prefix(data, kind):
    prefix = data[:6] + bytes(max(0, 6 - len(data)))
    need(prefix[:4] == MAGIC, "WrongMagic")
    need(prefix[4] == VERSION, "UnsupportedVersion")
    need(prefix[5] == kind, "WrongKind")


def read_params(data):
    check_prefix(data, PARAMS)
    need(len(data) >= 20, "WrongLength")
    log_degree, digit_primes, groups, special = data[6:10]
    need(data[10:12] == b"\0\0", "ReservedNotZero")
    (scale,) = struct.unpack("<d", data[12:20])
    need(math.isfinite(scale) and scale >= 1, "InvalidScale")
    need(len(data) >= 20 + groups, "WrongLength")
    sizes = data[20 : 20 + groups]
    need(len(data) == 20 + groups + 4 * (sum(sizes) + special), "WrongLength")
    primes = list(struct.unpack(f"<{sum(sizes) + special}I", data[20 + groups :]))
    levels = []
    for size in sizes:
        levels.append(primes[:size])
        primes = primes[size:]
    return Params(log_degree, levels, primes, digit_primes, scale)


def pack(limb, bits):
    value = 0
    for i, residue in enumerate(limb):
        value |= residue << i * bits
    return value.to_bytes(len(limb) * bits // 8, "little")


def unpack(data, count, bits):
    # Residue by residue, since a whole limb as one integer would be shifted N times.
    out, value, have, mask = [], 0, 0, (1 << bits) - 1
    for byte in data:
        value |= byte << have
        have += 8
        while have >= bits:
            out.append(value & mask)
            value >>= bits
            have -= bits
    assert len(out) == count
    return out


def poly_length(params, primes, dropped=0):
    return sum(params.degree * (prime.bits() - dropped) // 8 for prime in primes)


def write_poly(limbs, primes, dropped=0):
    return b"".join(pack([r >> dropped for r in limb], p.bits() - dropped) for limb, p in zip(limbs, primes))


def read_poly(params, data, primes, dropped=0):
    limbs, at = [], 0
    for prime in primes:
        bits = prime.bits() - dropped
        length = params.degree * bits // 8
        limb = unpack(data[at : at + length], params.degree, bits)
        need(max(limb) <= (prime.value - 1) >> dropped, "ResidueOutOfRange")
        limbs.append([residue << dropped for residue in limb])
        at += length
    return limbs


def header(params, kind, level, dropped=0, argument=0, scale=0.0):
    return struct.pack("<4sBBBBId", MAGIC, VERSION, kind, level, dropped, argument, scale) + params.id()


class Value:
    """Anything with a header: its level and scale, and its polynomials as lists of limbs."""

    def __init__(self, kind, level, scale=0.0, argument=0, dropped=0, seed=b"", polys=()):
        self.kind, self.level, self.scale, self.argument = kind, level, scale, argument
        self.dropped, self.seed, self.polys = dropped, seed, list(polys)

    def primes(self, params):
        special = params.special if self.kind in (RELINEARIZATION_KEY, GALOIS_KEY) else []
        return params.main(self.level) + special

    def to_bytes(self, params):
        start = header(params, self.kind, self.level, self.dropped, self.argument, self.scale)
        return start + self.seed + b"".join(write_poly(poly, self.primes(params), self.dropped) for poly in self.polys)


def read(params, kind, data, level=None):
    """Reads one value of a kind, in the order of section 5; `level` is the one that is expected, if one is."""
    check_prefix(data, kind)
    need(len(data) >= HEADER, "WrongLength")
    found_level, dropped, argument, scale = struct.unpack("<BBId", data[6:20])
    need(data[20:HEADER] == params.id(), "ParamsMismatch")
    need(found_level <= params.max_level, "LevelOutOfRange")
    value = Value(kind, found_level, scale, argument, dropped)
    is_ciphertext = kind in (SEEDED, WHOLE, RESULT)
    has_scale = math.isfinite(scale) and scale >= 1
    if kind == RESULT:
        need(has_scale, "InvalidScale")
        group = params.levels[0] if found_level == 0 else []
        most = group[0].bits() - 2 if len(group) == 1 else 0
        need(dropped <= most, "InvalidDroppedBits")
        need(1 <= argument <= 4096, "InvalidCount")
    else:
        need(dropped == 0, "ReservedNotZero")
        need(kind == GALOIS_KEY or argument == 0, "ReservedNotZero")
        need(has_scale if is_ciphertext else data[12:20] == bytes(8), "InvalidScale" if is_ciphertext else "ReservedNotZero")
    if kind == GALOIS_KEY:
        need(argument % 2 == 1 and 1 < argument < 2 * params.degree, "InvalidGaloisElement")
    if kind in (SECRET_KEY, PUBLIC_KEY):
        need(found_level == (0 if kind == SECRET_KEY else params.max_level), "LevelMismatch")
    count = {SECRET_KEY: 0, PUBLIC_KEY: 1, SEEDED: 1, WHOLE: 2, RESULT: 2 * argument}.get(kind)
    count = len(params.digits(found_level)) if count is None else count
    primes, seeded = value.primes(params), kind not in (WHOLE, RESULT)
    length, start = poly_length(params, primes, dropped), HEADER + SEED * seeded
    need(len(data) == start + count * length, "WrongLength")
    value.seed = data[HEADER:start]
    value.polys = [read_poly(params, data[start + i * length : start + (i + 1) * length], primes, dropped) for i in range(count)]
    if kind == WHOLE:
        need(any(map(any, value.polys[1])), "Transparent")
    if level is not None:
        need(found_level == level, "LevelMismatch")
        need(not is_ciphertext or scale == params.scales[level], "ScaleMismatch")
    return value
