"""Recomputes and decrypts every test vector, from docs/wire-format.md alone.

    python3 tests/vectors/reader/check.py

Shares no code with the project's implementation. Everything is compared to the bit, but what floating-point
arithmetic decides: decoded values to 2^-20 of their size, and the coefficients of encodings beyond 2^44 to one unit.
"""

import json
import math
import pathlib
import sys

import exchange
import ring
import scheme
import wire

FOLDER = pathlib.Path(__file__).resolve().parent.parent
FILES = ("parameters", "encoding", "keys", "ciphertexts", "evaluation", "refusals", "exchange")


def load(name):
    tree = json.loads((FOLDER / f"{name}.json").read_text())
    return [(v["name"], v["input"], v["output"]) for v in tree["vectors"]]


def same(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: {str(found)[:200]} instead of {str(wanted)[:200]}")


def close(found, wanted, what):
    found, wanted = list(found), list(wanted)
    same(len(found), len(wanted), f"length of {what}")
    for x, y in zip(found, wanted):
        if abs(x - y) > 2.0**-20 * max(1.0, abs(y)):
            raise AssertionError(f"{what}: {x} instead of {y}")


def parameter_sets():
    return {name: wire.Params.from_json(given["parameters"]) for name, given, _ in load("parameters")}


def check_parameters():
    for name, given, wanted in load("parameters"):
        params = wire.Params.from_json(given["parameters"])
        same(params.to_bytes().hex(), wanted["bytes"], name)
        same(wire.read_params(bytes.fromhex(wanted["bytes"])).to_bytes(), params.to_bytes(), name)
        same(params.id().hex(), wanted["params_id"], name)
        same(params.scales, wanted["scales"], name)
        yield name


def check_encoding():
    sets = parameter_sets()
    for name, given, wanted in load("encoding"):
        params = sets["composite" if name == "scale 2^50" else "small"]
        values = [complex(*v) if isinstance(v, list) else v for v in given["values"]]
        primes = params.main(given["level"])
        coefficients, read = scheme.encode(params, values, given["scale"]), scheme.centred(primes, wanted["residues"])
        slack = 1 if given["scale"] > 2.0**44 else 0
        for found, expected in zip(coefficients, read):
            if abs(found - expected) > slack:
                raise AssertionError(f"{name}: coefficient {found} instead of {expected}")
        same([p.residues(read) for p in primes], wanted["residues"], name)
        decoded = [complex(*v) if isinstance(v, list) else v for v in wanted["decoded"]]
        slots = scheme.decode(params, read, given["scale"])
        close(slots if name == "complex" else (slot.real for slot in slots), decoded, name)
        yield name


def world(given, params):
    keys = scheme.Keys(params, bytes.fromhex(given["secret_seed"]))
    return keys, lambda: ring.Seeds(bytes.fromhex(given["stream_seed"]))


def check_keys():
    params = parameter_sets()["small"]
    for name, given, wanted in load("keys"):
        if name == "stream":
            seeds = ring.Seeds(bytes.fromhex(given["stream_seed"]))
            same([seeds.next().hex() for _ in wanted["seeds"]], wanted["seeds"], name)
            yield name
            continue
        keys, seeds = world({"stream_seed": "", **given}, params)
        if name == "secret":
            same(keys.coefficients, wanted["coefficients"], name)
            key, kind = keys.secret(), wire.SECRET_KEY
        elif name == "public":
            key, kind = keys.public(seeds()), wire.PUBLIC_KEY
        elif "element" in given:
            key, kind = keys.galois(given["element"], given["level"], seeds()), wire.GALOIS_KEY
        else:
            key, kind = keys.relinearization(given["level"], seeds()), wire.RELINEARIZATION_KEY
        same(key.to_bytes(params).hex(), wanted["bytes"], name)
        same(wire.read(params, kind, bytes.fromhex(wanted["bytes"])).polys, key.polys, name)
        yield name


def check_ciphertexts():
    sets = parameter_sets()
    for name, given, wanted in load("ciphertexts"):
        params = sets["composite" if name.endswith("composite") else "small"]
        keys, seeds = world(given, params)
        level = given["level"]
        primes, scale = params.main(level), params.scales[level]
        encode = lambda values: scheme.encode(params, values, scale)
        decoded = lambda value: [s.real for s in scheme.decode(params, scheme.centred(primes, keys.decrypt(value)), scale)]
        if name.startswith("result"):
            pair = [scheme.expand(params, keys.encrypt(encode(given[v]), level, seeds())) for v in ("values", "second_values")]
            value = scheme.result(params, pair, given["dropped_bits"])
            same(value.to_bytes(params).hex(), wanted["bytes"], name)
            read = wire.read(params, wire.RESULT, bytes.fromhex(wanted["bytes"]))
            for ciphertext, expected in zip(scheme.whole_of_result(params, read), wanted["decoded"]):
                close(decoded(ciphertext), expected, name)
        else:
            if name == "public":
                whole = scheme.encrypt_public(params, keys.public(seeds()), encode(given["values"]), level, seeds())
                same(whole.to_bytes(params).hex(), wanted["bytes"], name)
            else:
                # The message is taken from the vector where doubles could round it either way.
                message = encode(given["values"])
                if scale > 2.0**44:
                    seed_stream = seeds()
                    seed_stream.next()
                    noise = ring.error(seed_stream.next(), params.degree)
                    found = scheme.centred(primes, wanted["message"])
                    exact = [m - e for m, e in zip(found, noise)]
                    same(all(abs(x - y) <= 1 for x, y in zip(exact, message)), True, name)
                    message = exact
                seeded = keys.encrypt(message, level, seeds())
                same(seeded.to_bytes(params).hex(), wanted["bytes"], name)
                whole = scheme.expand(params, wire.read(params, wire.SEEDED, bytes.fromhex(wanted["bytes"]), level))
                same(whole.polys[1], wanted["c1"], name)
                same(whole.to_bytes(params).hex(), wanted["whole"], name)
            same(keys.decrypt(whole), wanted["message"], name)
            close(decoded(whole), wanted["decoded"], name)
        yield name


def exact_message(params, keys, seeds, values, level):
    """A whole ciphertext of values at the level's scale."""
    return scheme.expand(params, keys.encrypt(scheme.encode(params, values, params.scales[level]), level, seeds()))


def check_evaluation():
    sets = parameter_sets()
    for name, given, wanted in load("evaluation"):
        params = sets["composite" if name == "composite" else "small"]
        keys, seeds = world(given, params)
        top = params.max_level
        scale = params.scales[top]
        if name == "composite":
            x, y = (scheme.expand(params, wire.read(params, wire.SEEDED, bytes.fromhex(given[v]), top)) for v in ("x", "y"))
        else:
            x = exact_message(params, keys, seeds, given["a"], top)
            y = exact_message(params, keys, seeds, given["b"], top) if "b" in given else None
        if name == "add":
            value = scheme.combine(params, lambda p, u, v: p.add(u, v), x, y)
        elif name == "subtract":
            value = scheme.combine(params, lambda p, u, v: p.subtract(u, v), x, y)
        elif name == "negate":
            value = scheme.map_halves(params, x, lambda p, limb: p.times(limb, -1))
        elif name == "add constant":
            constant = round(0.75 * scale)
            polys = [[[(r + constant) % p.value for r in limb] for p, limb in zip(params.main(top), x.polys[0])], x.polys[1]]
            value = wire.Value(wire.WHOLE, top, scale, polys=polys)
        elif name == "multiply plain":
            plain = scheme.encode(params, given["b"], scale)
            value = scheme.map_halves(params, x, lambda p, limb: p.multiply(limb, p.transform(p.residues(plain))), scale=scale * scale)
        elif name in ("multiply", "multiply, rescale", "composite"):
            parts = scheme.tensor(params, x, y)
            same(parts, wanted["tensor"], f"{name}: tensor")
            same(scheme.lift_digits(params, top, parts[2]), wanted["digits"], f"{name}: digits")
            value = scheme.relinearize(params, top, scale * scale, parts, keys.relinearization(top, seeds()))
            if name != "multiply":
                value = scheme.rescale(params, value)
        elif name == "drop level":
            value = scheme.drop_level(params, x, 1)
        elif name == "adjust level":
            value = scheme.adjust_level(params, x, 1)
        else:
            elements = {"rotate 1": 5, "rotate -1": pow(5, -1, 2 * params.degree), "conjugate": 2 * params.degree - 1}
            same(scheme.lift_digits(params, top, x.polys[1]), wanted["digits"], f"{name}: digits")
            value = scheme.apply_galois(params, x, keys.galois(elements[name], top, seeds()))
        same(value.to_bytes(params).hex(), wanted["bytes"], name)
        same((value.level, value.scale), (wanted["level"], wanted["scale"]), name)
        message = scheme.centred(params.main(value.level), keys.decrypt(value))
        close((s.real for s in scheme.decode(params, message, value.scale)), wanted["decoded"], name)
        yield name


KINDS = {
    "secret key": (wire.SECRET_KEY, None),
    "public key": (wire.PUBLIC_KEY, None),
    "relinearization key": (wire.RELINEARIZATION_KEY, None),
    "galois key": (wire.GALOIS_KEY, None),
    "seeded ciphertext": (wire.SEEDED, 1),
    "ciphertext": (wire.WHOLE, 1),
    "result": (wire.RESULT, None),
}


RULES = {
    "WrongMagic": "5.1", "UnsupportedVersion": "5.2", "WrongKind": "5.3", "WrongLength": "5.4", "ParamsMismatch": "5.5",
    "LevelOutOfRange": "5.6", "ReservedNotZero": "5.7", "InvalidScale": "5.8", "InvalidDroppedBits": "5.9",
    "InvalidCount": "5.10", "InvalidGaloisElement": "5.11", "ResidueOutOfRange": "5.12", "Transparent": "5.13",
    "LevelMismatch": "5.14", "ScaleMismatch": "5.14",
}


def check_refusals():
    params = parameter_sets()["small"]
    for name, given, wanted in load("refusals"):
        data = bytes.fromhex(given["bytes"])
        try:
            if given["as"] == "parameters":
                wire.read_params(data)
            else:
                kind, level = KINDS[given["as"]]
                wire.read(params, kind, data, level)
        except wire.Refused as refused:
            same(refused.name, wanted["error"], name)
            same(RULES[refused.name], wanted["rule"], name)
        else:
            raise AssertionError(f"{name}: not refused")
        yield name


def check_exchange():
    yield from exchange.check(load("exchange"), same, close)


def main():
    total = 0
    for file in FILES:
        try:
            names = list(globals()[f"check_{file}"]())
        except AssertionError as failure:
            sys.exit(f"{file}.json: {failure}")
        print(f"{file}.json: {len(names)} vectors")
        total += len(names)
    print(f"{total} passed, 0 failed")


if __name__ == "__main__":
    main()
