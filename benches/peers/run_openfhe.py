"""OpenFHE, through its own Python package."""

import math
from importlib.metadata import version

import openfhe as fhe

from measure import SETS, inputs, median_micros, precision_bits, report

# Depth and digits with which Q and P stay inside the security table at the degree.
CHAINS = {"P1": (3, 2, 200), "P2": (6, 4, 420), "P3": (15, 6, 840)}

for name, log_degree, first, bits, _ in SETS:
    depth, digits, log_qp = CHAINS[name]
    parameters = fhe.CCParamsCKKSRNS()
    parameters.SetSecurityLevel(fhe.HEStd_NotSet)
    parameters.SetRingDim(1 << log_degree)
    parameters.SetMultiplicativeDepth(depth)
    parameters.SetFirstModSize(first)
    parameters.SetScalingModSize(bits)
    parameters.SetScalingTechnique(fhe.FIXEDMANUAL)
    parameters.SetKeySwitchTechnique(fhe.HYBRID)
    parameters.SetNumLargeDigits(digits)
    context = fhe.GenCryptoContext(parameters)
    for feature in (fhe.PKE, fhe.KEYSWITCH, fhe.LEVELEDSHE):
        context.Enable(feature)
    keys = context.KeyGen()
    slots = 1 << (log_degree - 1)
    values, squares, rotated = inputs(slots)
    context.EvalMultKeyGen(keys.secretKey)

    def make_key():
        context.ClearEvalAutomorphismKeys()
        context.EvalRotateKeyGen(keys.secretKey, [1])

    key_micros = median_micros(make_key)
    rotation_keys = context.GetEvalAutomorphismKeyMap(keys.secretKey.GetKeyTag())
    plain = context.MakeCKKSPackedPlaintext(values)
    ciphertext = context.Encrypt(keys.secretKey, plain)

    def decrypt(source):
        return context.Decrypt(source, keys.secretKey)

    def decoded(source):
        result = decrypt(source)
        result.SetLength(slots)
        return result.GetRealPackedValue()

    def row(operation, call, expected=None):
        micros = median_micros(call)
        return operation, micros, None if expected is None else precision_bits(decoded(call()), expected)

    decrypted_micros = median_micros(lambda: decrypt(ciphertext))
    report("OpenFHE " + version("openfhe"), name, log_qp, depth, bits, [
        row("encode", lambda: context.MakeCKKSPackedPlaintext(values)),
        row("encrypt symmetrically", lambda: context.Encrypt(keys.secretKey, plain), values),
        ("decrypt and decode", decrypted_micros, precision_bits(decoded(ciphertext), values)),
        ("make one Galois key", key_micros, None),
        row("rotate", lambda: context.EvalRotate(ciphertext, 1), rotated),
        row("multiply, relinearize, rescale", lambda: context.Rescale(context.EvalMult(ciphertext, ciphertext)), squares),
        row("multiply by plaintext", lambda: context.EvalMult(ciphertext, plain), squares),
        ("bytes of a fresh ciphertext", len(fhe.Serialize(ciphertext, fhe.BINARY)), None),
        ("bytes of one Galois key", len(fhe.Serialize(rotation_keys, fhe.BINARY)), None),
    ])
