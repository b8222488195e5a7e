"""Lattigo, through the client half of its interface that Orion's bindings export: they have no evaluator."""

import math
from importlib.metadata import version

from lattigo import ckks, rlwe

from measure import SETS, inputs, median_micros, precision_bits, report

# The bits of Q's primes and of P's, with digits as large as P.
CHAINS = {
    "P1": ([50, 30, 30, 30], [60]),
    "P2": ([60] + [40] * 6, [50, 50]),
    "P3": ([60] + [40] * 16, [47, 47, 46]),
}

for name, log_degree, _, bits, _ in SETS:
    main, special = CHAINS[name]
    params = ckks.Parameters(log_degree, main, special, bits, "standard")
    log_qp = math.log2(math.prod(params.moduli_chain() + params.aux_moduli_chain()))
    slots, level, scale = params.max_slots(), params.max_level(), 1 << bits
    values, _, _ = inputs(slots)
    keygen, encoder = rlwe.KeyGenerator(params), ckks.Encoder(params)
    secret = keygen.gen_secret_key()
    plain = encoder.encode(values, level, scale)
    ciphertext = rlwe.Encryptor(params, keygen.gen_public_key(secret)).encrypt_new(plain)
    decryptor, element = rlwe.Decryptor(params, secret), params.galois_element(1)

    def decrypt():
        return encoder.decode(decryptor.decrypt_new(ciphertext), slots)

    def decode():
        return encoder.decode(plain, slots)

    report(f"Lattigo (Orion {version('orion-v2-lattigo')})", name, log_qp, len(main) - 1, bits, [
        ("encode", median_micros(lambda: encoder.encode(values, level, scale)), None),
        ("decode", median_micros(decode), precision_bits(decode(), values)),
        ("decrypt and decode", median_micros(decrypt), precision_bits(decrypt(), values)),
        ("make one Galois key", median_micros(lambda: keygen.gen_galois_key(secret, element)), None),
    ])
