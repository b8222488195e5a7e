"""DESILO FHE, through its own Python package, on one thread."""

from importlib.metadata import version

import desilofhe

from measure import SETS, inputs, median_micros, precision_bits, report

# Its engines are chosen by depth alone: the deepest at the degree of the set. It has none below 2^14 and does not say
# what the primes are.
DEPTHS = {"P2": 7, "P3": 17}

for name, log_degree, _, bits, _ in SETS:
    if name not in DEPTHS:
        continue
    engine = desilofhe.Engine(max_level=DEPTHS[name], mode="cpu", thread_count=1)
    assert engine.slot_count == 1 << (log_degree - 1)
    values, squares, rotated = inputs(engine.slot_count)
    secret = engine.create_secret_key()
    galois = engine.create_fixed_rotation_key(secret, 1)
    relinearization = engine.create_relinearization_key(secret)
    plain = engine.encode(values)
    ciphertext = engine.encrypt(values, secret)

    def row(operation, call, expected=None, result=None):
        micros = median_micros(call)
        return operation, micros, None if expected is None else precision_bits(result(call()), expected)

    def decrypt(source):
        return engine.decrypt(source, secret)

    report("DESILO FHE " + version("desilofhe"), name, None, DEPTHS[name], bits, [
        row("encode", lambda: engine.encode(values)),
        row("decode", lambda: engine.decode(plain), values, list),
        row("encrypt symmetrically", lambda: engine.encrypt(values, secret), values, decrypt),
        row("decrypt and decode", lambda: decrypt(ciphertext), values, list),
        row("make one Galois key", lambda: engine.create_fixed_rotation_key(secret, 1)),
        row("rotate", lambda: engine.rotate(ciphertext, galois), rotated, decrypt),
        row("multiply, relinearize, rescale", lambda: engine.multiply(ciphertext, ciphertext, relinearization), squares, decrypt),
        row("multiply by plaintext", lambda: engine.multiply(ciphertext, plain), squares, decrypt),
        ("bytes of a fresh ciphertext", ciphertext.serialized_nbytes, None),
        ("bytes of one Galois key", galois.serialized_nbytes, None),
    ])
