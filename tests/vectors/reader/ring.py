"""Polynomials modulo X^N + 1 and several primes, and the expansion of seeds.

Written from docs/wire-format.md, sections 1, 3, 7 and 9, with nothing but Python's standard library.
"""

import struct


def reverse_bits(value, bits):
    return int(format(value, f"0{bits}b")[::-1], 2) if bits else 0


def root_of(prime, degree):
    """The least primitive 2N-th root of unity."""
    order, exponent = 2 * degree, (prime - 1) // (2 * degree)
    base = next(x for x in range(2, prime) if pow(pow(x, exponent, prime), degree, prime) == prime - 1)
    root = pow(base, exponent, prime)
    square, power, least = root * root % prime, root, root
    for _ in range(order // 2):
        least = min(least, power)
        power = power * square % prime
    return least


class Prime:
    """One prime, with the powers that its transform takes."""

    def __init__(self, value, degree):
        self.value, self.degree, self.log = value, degree, degree.bit_length() - 1
        root = root_of(value, degree)
        powers = [1]
        for _ in range(2 * degree - 1):
            powers.append(powers[-1] * root % value)
        self.roots = [powers[reverse_bits(k, self.log)] for k in range(degree)]
        self.inverse_roots = [pow(power, -1, value) for power in self.roots]

    def bits(self):
        return (self.value - 1).bit_length()

    def transform(self, limb):
        """Entry i becomes the value at the root to the power of 2·rev(i) + 1."""
        q, out, half, blocks = self.value, list(limb), self.degree, 1
        while blocks < self.degree:
            half //= 2
            for block in range(blocks):
                factor, start = self.roots[blocks + block], 2 * block * half
                for j in range(start, start + half):
                    low, high = out[j], out[j + half] * factor
                    out[j], out[j + half] = (low + high) % q, (low - high) % q
            blocks *= 2
        return out

    def back(self, limb):
        """The inverse of `transform`."""
        q, out, half, blocks = self.value, list(limb), 1, self.degree
        while blocks > 1:
            blocks //= 2
            for block in range(blocks):
                factor, start = self.inverse_roots[blocks + block], 2 * block * half
                for j in range(start, start + half):
                    low, high = out[j], out[j + half]
                    out[j], out[j + half] = (low + high) % q, (low - high) * factor % q
            half *= 2
        scale = pow(self.degree, -1, q)
        return [value * scale % q for value in out]

    def add(self, a, b):
        return [(x + y) % self.value for x, y in zip(a, b)]

    def subtract(self, a, b):
        return [(x - y) % self.value for x, y in zip(a, b)]

    def multiply(self, a, b):
        return [x * y % self.value for x, y in zip(a, b)]

    def times(self, a, factor):
        return [x * factor % self.value for x in a]

    def residues(self, integers):
        return [x % self.value for x in integers]

    def permute(self, limb, element):
        """The transform of p(X^element), from that of p."""
        mask = 2 * self.degree - 1
        place = {(2 * reverse_bits(i, self.log) + 1): i for i in range(self.degree)}
        return [limb[place[(2 * reverse_bits(i, self.log) + 1) * element & mask]] for i in range(self.degree)]


def convert(sources, limbs, targets):
    """Coefficients modulo `sources` to coefficients modulo `targets`: the centred representative."""
    product = 1
    for source in sources:
        product *= source.value
    hats = [product // source.value for source in sources]
    reciprocals = [(1 << 52) // source.value for source in sources]
    out = [[] for _ in targets]
    for residues in zip(*limbs):
        digits = [r * pow(hat, -1, s.value) % s.value for r, hat, s in zip(residues, hats, sources)]
        quotient = (1 << 19) + sum(digit * reciprocal >> 32 for digit, reciprocal in zip(digits, reciprocals))
        value = sum(digit * hat for digit, hat in zip(digits, hats)) - (quotient >> 20) * product
        for limb, target in zip(out, targets):
            limb.append(value % target.value)
    return out


def chacha_words(seed, nonce, rounds=20):
    """The key stream of ChaCha20 (RFC 8439) as 32-bit little-endian words, block counter from 0; or of fewer rounds."""
    mask = 0xFFFFFFFF
    constants = struct.unpack("<4I", b"expand 32-byte k")
    key, nonce = struct.unpack("<8I", seed), struct.unpack("<3I", nonce)
    counter = 0
    while True:
        start = [*constants, *key, counter, *nonce]
        state = list(start)

        def quarter(a, b, c, d):
            for (x, y, z, shift) in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                state[x] = (state[x] + state[y]) & mask
                mixed = state[z] ^ state[x]
                state[z] = (mixed << shift | mixed >> (32 - shift)) & mask

        for _ in range(rounds // 2):
            for i in range(4):
                quarter(i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        yield from ((x + y) & mask for x, y in zip(state, start))
        counter += 1


CIPHERTEXT, PUBLIC_KEY, DIGIT, SECRET, EPHEMERAL, ERROR = 1, 2, 3, 4, 5, 6


def stream(seed, purpose, index=0, prime=0):
    rounds = 8 if purpose in (CIPHERTEXT, PUBLIC_KEY, DIGIT) else 20
    return chacha_words(seed, struct.pack("<3I", purpose, index, prime), rounds)


def uniform(seed, purpose, prime, place, index=0):
    """A limb of uniform values of the transform; `place` is the prime's among all primes."""
    q, limb = prime.value, []
    bound = q * ((1 << 32) // q)
    for word in stream(seed, purpose, index, place):
        if word < bound:
            limb.append(word % q)
            if len(limb) == prime.degree:
                return limb


def ternary(seed, purpose, degree):
    out = []
    for word in stream(seed, purpose):
        if word != 0xFFFFFFFF:
            out.append(word % 3 - 1)
            if len(out) == degree:
                return out


def error(seed, degree, number=0):
    words, low, out = stream(seed, ERROR, number), (1 << 21) - 1, []
    while len(out) < degree:
        a, b, c = ([next(words) for _ in range(16)] for _ in range(3))
        out += [(x & low).bit_count() - (y & low).bit_count() for x, y in zip(a, b)]
        out += [(z & low).bit_count() - (x >> 21).bit_count() - (y >> 22).bit_count() for x, y, z in zip(a, b, c)]
    return out


class Seeds:
    """The stream of seeds that a client draws from."""

    def __init__(self, seed):
        self.seed, self.count = seed, 0

    def next(self):
        words = chacha_words(self.seed, b"seed" + struct.pack("<Q", self.count))
        self.count += 1
        return struct.pack("<8I", *(next(words) for _ in range(8)))
