"""The scheme of docs/wire-format.md, sections 8 and 9: encoding, keys, encryption, evaluation."""

import cmath
import math

import ring
import wire
from wire import Value


def fft(values, sign):
    """Σ values[j]·exp(sign·2πi·jk/n) for every k."""
    if len(values) == 1:
        return list(values)
    even, odd = fft(values[::2], sign), fft(values[1::2], sign)
    half = len(values) // 2
    turned = [cmath.rect(1, sign * math.pi * k / half) * odd[k] for k in range(half)]
    return [e + o for e, o in zip(even, turned)] + [e - o for e, o in zip(even, turned)]


def encode(params, values, scale):
    """The rounded coefficients whose embedding has the values in its slots."""
    order = 2 * params.degree
    at_roots, exponent = [0j] * order, 1
    for value in values:
        at_roots[exponent], at_roots[order - exponent] = complex(value), complex(value).conjugate()
        exponent = exponent * 5 % order
    return [round(c.real / params.degree * scale) for c in fft(at_roots, -1)[: params.degree]]


def decode(params, coefficients, scale):
    order, exponent, slots = 2 * params.degree, 1, []
    values = fft([complex(c / scale) for c in coefficients] + [0j] * params.degree, 1)
    for _ in range(params.slots):
        slots.append(values[exponent])
        exponent = exponent * 5 % order
    return slots


def centred(primes, limbs):
    """The integers in (−Q/2, Q/2) that residues stand for."""
    product = math.prod(prime.value for prime in primes)
    factors = [product // p.value * pow(product // p.value, -1, p.value) for p in primes]
    out = []
    for residues in zip(*limbs):
        value = sum(r * factor for r, factor in zip(residues, factors)) % product
        out.append(value - product if value > product // 2 else value)
    return out


class Keys:
    """A secret key, expanded from its seed, and the keys made of it."""

    def __init__(self, params, seed):
        self.params, self.seed = params, seed
        self.coefficients = ring.ternary(seed, ring.SECRET, params.degree)
        primes = params.main(params.max_level) + params.special
        self.s = {p.value: p.transform(p.residues(self.coefficients)) for p in primes}

    def zero(self, level, special, seed, purpose, index, error_seed, number, secret=None):
        """−a·s + e over the primes of a level and, perhaps, the special ones."""
        out, primes = [], self.params.main(level) + (self.params.special if special else [])
        e = ring.error(error_seed, self.params.degree, number)
        for i, p in enumerate(primes):
            a = ring.uniform(seed, purpose, p, self.params.place(level, i), index)
            s = (secret or self.s)[p.value]
            out.append(p.subtract(p.transform(p.residues(e)), p.multiply(a, s)))
        return out

    def secret(self):
        return Value(wire.SECRET_KEY, 0, seed=self.seed)

    def public(self, seeds):
        seed, error_seed, level = seeds.next(), seeds.next(), self.params.max_level
        b = self.zero(level, False, seed, ring.PUBLIC_KEY, 0, error_seed, 0)
        return Value(wire.PUBLIC_KEY, level, seed=seed, polys=[b])

    def switching(self, kind, level, source, target, seeds, argument=0):
        """b_j = −a_j·t + e_j + P·[limb belongs to digit j]·f."""
        params, seed, error_seed = self.params, seeds.next(), seeds.next()
        special, digits = math.prod(p.value for p in params.special), []
        for j, own in enumerate(params.digits(level)):
            b = self.zero(level, True, seed, ring.DIGIT, j, error_seed, j, target)
            for i in own:
                p = params.main(level)[i]
                b[i] = p.add(b[i], p.times(source[p.value], special))
            digits.append(b)
        return Value(kind, level, argument=argument, seed=seed, polys=digits)

    def relinearization(self, level, seeds):
        square = {p.value: p.multiply(self.s[p.value], self.s[p.value]) for p in self.params.main(level)}
        return self.switching(wire.RELINEARIZATION_KEY, level, square, self.s, seeds)

    def galois(self, element, level, seeds):
        inverse = pow(element, -1, 2 * self.params.degree)
        primes = self.params.main(level) + self.params.special
        target = {p.value: p.permute(self.s[p.value], inverse) for p in primes}
        return self.switching(wire.GALOIS_KEY, level, self.s, target, seeds, element)

    def encrypt(self, message, level, seeds, scale=None):
        """A seeded ciphertext of integer coefficients."""
        seed, error_seed = seeds.next(), seeds.next()
        zero = self.zero(level, False, seed, ring.CIPHERTEXT, 0, error_seed, 0)
        primes = self.params.main(level)
        c0 = [p.add(limb, p.transform(p.residues(message))) for p, limb in zip(primes, zero)]
        return Value(wire.SEEDED, level, scale or self.params.scales[level], seed=seed, polys=[c0])

    def decrypt(self, ciphertext):
        """The residues of c₀ + c₁·s, as coefficients."""
        c0, c1 = ciphertext.polys
        primes = self.params.main(ciphertext.level)
        return [p.back(p.add(a, p.multiply(b, self.s[p.value]))) for p, a, b in zip(primes, c0, c1)]


def encrypt_public(params, key, message, level, seeds):
    """(b·u + e₀ + m, a·u + e₁)."""
    seed = seeds.next()
    u, halves = ring.ternary(seed, ring.EPHEMERAL, params.degree), []
    for number in (0, 1):
        e, limbs = ring.error(seed, params.degree, number), []
        for i, p in enumerate(params.main(level)):
            half = key.polys[0][i] if number == 0 else ring.uniform(key.seed, ring.PUBLIC_KEY, p, i)
            summand = [x + y for x, y in zip(e, message)] if number == 0 else e
            limbs.append(p.add(p.multiply(half, p.transform(p.residues(u))), p.transform(p.residues(summand))))
        halves.append(limbs)
    return Value(wire.WHOLE, level, params.scales[level], polys=halves)


def expand(params, seeded):
    """The whole form of a seeded ciphertext."""
    c1 = [ring.uniform(seeded.seed, ring.CIPHERTEXT, p, i) for i, p in enumerate(params.main(seeded.level))]
    return Value(wire.WHOLE, seeded.level, seeded.scale, polys=[seeded.polys[0], c1])


def expand_digit(params, key, j):
    """The uniform half of one digit of a switching key."""
    primes = params.main(key.level) + params.special
    return [ring.uniform(key.seed, ring.DIGIT, p, params.place(key.level, i), j) for i, p in enumerate(primes)]


def result(params, ciphertexts, dropped):
    """Ciphertexts as an answer carries them: coefficients, rounded to multiples of 2^dropped."""
    first, polys, step = ciphertexts[0], [], 1 << dropped

    def cut(value, q):
        down, rest = divmod(value, step)
        up = rest * 2 > step or (rest * 2 == step and down % 2 == 1)
        rounded = (down + up) * step
        return rounded if rounded < q else 0

    for ciphertext in ciphertexts:
        for half in ciphertext.polys:
            limbs = [p.back(limb) for p, limb in zip(params.main(first.level), half)]
            polys.append([[cut(r, p.value) for r in limb] for p, limb in zip(params.main(first.level), limbs)])
    return Value(wire.RESULT, first.level, first.scale, len(ciphertexts), dropped, polys=polys)


def whole_of_result(params, value):
    """The ciphertexts of a result, transformed."""
    primes = params.main(value.level)
    polys = [[p.transform(limb) for p, limb in zip(primes, poly)] for poly in value.polys]
    pairs = zip(polys[::2], polys[1::2])
    return [Value(wire.WHOLE, value.level, value.scale, polys=list(pair)) for pair in pairs]


def map_halves(params, ciphertext, change, **fields):
    primes = params.main(ciphertext.level)
    polys = [[change(p, limb) for p, limb in zip(primes, half)] for half in ciphertext.polys]
    return Value(wire.WHOLE, fields.get("level", ciphertext.level), fields.get("scale", ciphertext.scale), polys=polys)


def combine(params, operation, a, b):
    primes = params.main(a.level)
    polys = [[operation(p, x, y) for p, x, y in zip(primes, u, v)] for u, v in zip(a.polys, b.polys)]
    return Value(wire.WHOLE, a.level, a.scale, polys=polys)


def tensor(params, a, b):
    """(c₀·d₀, c₀·d₁ + c₁·d₀, c₁·d₁)."""
    out = []
    for i, p in enumerate(params.main(a.level)):
        (a0, a1), (b0, b1) = [half[i] for half in a.polys], [half[i] for half in b.polys]
        out.append((p.multiply(a0, b0), p.add(p.multiply(a0, b1), p.multiply(a1, b0)), p.multiply(a1, b1)))
    return [list(component) for component in zip(*out)]


def lift_digits(params, level, poly):
    """Each digit of a polynomial over all primes of the level and the special ones, transformed."""
    main, digits = params.main(level), []
    coefficients, primes = [p.back(limb) for p, limb in zip(main, poly)], main + params.special
    for own in params.digits(level):
        others = [i for i in range(len(primes)) if i not in own]
        lifted = ring.convert([main[i] for i in own], [coefficients[i] for i in own], [primes[i] for i in others])
        digit = {i: poly[i] for i in own}
        digit.update((i, primes[i].transform(limb)) for i, limb in zip(others, lifted))
        digits.append([digit[i] for i in range(len(primes))])
    return digits


def divide(params, primes, limbs, remaining):
    """Divides, with rounding, by the primes from `remaining` on."""
    kept, gone = primes[:remaining], primes[remaining:]
    divided = [p.back(limb) for p, limb in zip(gone, limbs[remaining:])]
    product, out = math.prod(p.value for p in gone), []
    for p, limb, rest in zip(kept, limbs, ring.convert(gone, divided, kept)):
        out.append(p.times(p.subtract(limb, p.transform(rest)), pow(product, -1, p.value)))
    return out


def switch(params, level, digits, key):
    """(b, a) with b + a·t ≈ f·poly: the inner product with a key, divided by P."""
    main = params.main(level)
    primes, key_main = main + params.special, len(params.main(key.level))
    sums = [[[0] * params.degree for _ in primes] for _ in range(2)]
    for j, digit in enumerate(digits):
        for half, poly in enumerate((key.polys[j], expand_digit(params, key, j))):
            for i, p in enumerate(primes):
                limb = poly[i if i < len(main) else key_main + i - len(main)]
                sums[half][i] = p.add(sums[half][i], p.multiply(digit[i], limb))
    return [divide(params, primes, half, len(main)) for half in sums]


def relinearize(params, level, scale, parts, key):
    switched, primes = switch(params, level, lift_digits(params, level, parts[2]), key), params.main(level)
    polys = [[p.add(x, y) for p, x, y in zip(primes, half, part)] for half, part in zip(switched, parts)]
    return Value(wire.WHOLE, level, scale, polys=polys)


def rescale(params, a):
    primes, group = params.main(a.level), params.level_values[a.level]
    remaining = len(primes) - len(group)
    polys = [divide(params, primes, half, remaining) for half in a.polys]
    return Value(wire.WHOLE, a.level - 1, a.scale / float(math.prod(group)), polys=polys)


def drop_level(params, a, level):
    count = len(params.main(level))
    return Value(wire.WHOLE, level, a.scale, polys=[half[:count] for half in a.polys])


def adjust_level(params, a, level):
    """To a level with exactly that level's scale: by the right constant, then rescaled."""
    divisor = float(math.prod(params.level_values[level + 1]))
    factor = round(params.scales[level] * divisor / a.scale)
    above = drop_level(params, a, level + 1)
    out = rescale(params, map_halves(params, above, lambda p, limb: p.times(limb, factor)))
    out.scale = params.scales[level]
    return out


def apply_galois(params, a, key):
    """Switches first and permutes then."""
    primes = params.main(a.level)
    b, c1 = switch(params, a.level, lift_digits(params, a.level, a.polys[1]), key)
    c0 = [p.add(x, y) for p, x, y in zip(primes, b, a.polys[0])]
    polys = [[p.permute(limb, key.argument) for p, limb in zip(primes, half)] for half in (c0, c1)]
    return Value(wire.WHOLE, a.level, a.scale, polys=polys)
