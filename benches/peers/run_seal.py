"""SEAL, through the bindings of its interface that TenSEAL ships."""

import math
from importlib.metadata import version

import tenseal.sealapi as seal

from measure import SETS, bytes_of, inputs, median_micros, precision_bits, report

for name, log_degree, first, bits, depth in SETS:
    degree = 1 << log_degree
    primes = seal.CoeffModulus.Create(degree, [first] + [bits] * depth + [60])
    parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
    parameters.set_poly_modulus_degree(degree)
    parameters.set_coeff_modulus(primes)
    context = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)
    assert context.parameters_set()
    log_qp = sum(math.log2(p.value()) for p in primes)
    log_q = log_qp - math.log2(primes[-1].value())

    keygen = seal.KeyGenerator(context)
    secret = keygen.secret_key()
    encryptor = seal.Encryptor(context, secret)
    decryptor, encoder, evaluator = seal.Decryptor(context, secret), seal.CKKSEncoder(context), seal.Evaluator(context)
    scale = 2.0**bits
    values, squares, rotated = inputs(degree // 2)

    plain, ciphertext, out, decrypted = seal.Plaintext(), seal.Ciphertext(), seal.Ciphertext(), seal.Plaintext()
    encoder.encode(values, scale, plain)
    encryptor.encrypt_symmetric(plain, ciphertext)
    relinearization, galois = seal.RelinKeys(), seal.GaloisKeys()
    keygen.create_relin_keys(relinearization)
    # The automorphism X -> X^3 rotates by one.
    keygen.create_galois_keys([3], galois)

    def decrypt(source):
        decryptor.decrypt(source, decrypted)
        return encoder.decode_double(decrypted)

    def multiply():
        evaluator.multiply(ciphertext, ciphertext_too, out)
        evaluator.relinearize_inplace(out, relinearization)
        evaluator.rescale_to_next_inplace(out)

    ciphertext_too = seal.Ciphertext()
    encryptor.encrypt_symmetric(plain, ciphertext_too)
    coefficients = seal.Ciphertext()

    def row(operation, call, expected=None, result=None):
        micros = median_micros(call)
        return operation, micros, None if expected is None else precision_bits(decrypt(result), expected)

    evaluator.transform_from_ntt(ciphertext, coefficients)
    transforms = median_micros(lambda: evaluator.transform_to_ntt(coefficients, out))
    report("SEAL (TenSEAL " + version("tenseal") + ")", name, log_qp, depth, bits, [
        ("forward transform, 30 bits of modulus", transforms / (2 * log_q) * 30, None),
        row("encode", lambda: encoder.encode(values, scale, plain)),
        ("decode", median_micros(lambda: encoder.decode_double(plain)), precision_bits(encoder.decode_double(plain), values)),
        row("encrypt symmetrically", lambda: encryptor.encrypt_symmetric(plain, ciphertext), values, ciphertext),
        row("decrypt and decode", lambda: decrypt(ciphertext), values, ciphertext),
        row("make one Galois key", lambda: keygen.create_galois_keys([3], seal.GaloisKeys())),
        row("rotate", lambda: evaluator.rotate_vector(ciphertext, 1, galois, out), rotated, out),
        row("multiply, relinearize, rescale", multiply, squares, out),
        row("multiply by plaintext", lambda: evaluator.multiply_plain(ciphertext, plain, out), squares, out),
        # Compressed as SEAL does by default.
        ("bytes of a fresh ciphertext", bytes_of(ciphertext.save), None),
        ("bytes of a fresh ciphertext, seeded", bytes_of(encryptor.encrypt_symmetric(plain).save), None),
        ("bytes of one Galois key", bytes_of(galois.save), None),
        ("bytes of one Galois key, seeded", bytes_of(keygen.create_galois_keys([3]).save), None),
    ])
