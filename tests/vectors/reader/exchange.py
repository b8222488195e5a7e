"""The client of a whole conversation: keys, request and decryption, from the session's seed."""

import base64
import hashlib
import json

import ring
import scheme
import wire


def layout(axes, dimension, slots):
    """Which element each slot holds; None where there is none."""
    out = []
    for slot in range(slots):
        element = 0
        for axis in axes:
            slot, digit = divmod(slot, axis["extent"])
            element += digit * axis["stride"]
        out.append(element if element < dimension else None)
    return out


def check(vectors, same, close):
    talk = {name: (given, wanted) for name, given, wanted in vectors}
    body = lambda name: json.loads(talk[name][1]["body"])
    model, published = body("models")["models"][0], body("parameter sets")["parameter_sets"][0]
    params = wire.Params.from_json(published)
    same(params.id().hex(), published["params_id"], "params_id")
    same(params.id().hex(), model["encryption_parameters"]["params_id"], "params_id of the model")
    yield from ("models", "parameter sets")

    for name in ("key set", "key set, CBOR"):
        same(talk[name][1]["status"], 201, name)
        yield name
    same(body("refusal")["code"], "INVALID_ENVELOPE", "refusal")
    yield "refusal"

    seeds = ring.Seeds(bytes.fromhex(talk["inference"][0]["session_seed"]))
    keys = scheme.Keys(params, seeds.next())
    for entry in body("key set")["keys"]:
        given, wanted = talk[f"key {entry['name']}"]
        if entry["name"] == "relinearization":
            key = keys.relinearization(entry["level"], seeds)
        else:
            key = keys.galois(int(entry["name"].split("-")[1]), entry["level"], seeds)
        data = key.to_bytes(params)
        same((len(data), hashlib.sha256(data).hexdigest()), (entry["bytes"], given["body_sha256"]), entry["name"])
        same(next(k for k in json.loads(wanted["body"])["keys"] if k["name"] == entry["name"])["present"], True, entry["name"])
        yield f"key {entry['name']}"

    given, wanted = talk["inference"]
    level, slots = model["input"]["level"], layout(model["input"]["layout"]["axes"], model["input"]["dimension"], params.slots)
    values = [0.0 if element is None else given["values"][element] for element in slots]
    seeded = keys.encrypt(scheme.encode(params, values, params.scales[level]), level, seeds)
    sent = json.loads(given["body"])["inputs"][0]
    same(base64.b64encode(seeded.to_bytes(params)).decode(), sent["payload"], "inference")
    same(wanted["status"], 202, "inference")
    yield "inference"
    same(body("job, queued")["status"], "queued", "job, queued")
    yield "job, queued"

    _, wanted = talk["job, completed"]
    output = model["output"]
    value = wire.read(params, wire.RESULT, base64.b64decode(body("job, completed")["result"]["payload"]))
    same((value.level, value.argument, value.dropped), (output["level"], output["ciphertexts"], output["dropped_bits"]), "result")
    (ciphertext,) = scheme.whole_of_result(params, value)
    message = scheme.centred(params.main(value.level), keys.decrypt(ciphertext))
    decoded = [slot.real * output.get("gain", 1.0) for slot in scheme.decode(params, message, value.scale)]
    elements = layout(output["layout"]["axes"], output["dimension"], params.slots)
    answer = [decoded[elements.index(element)] for element in range(output["dimension"])]
    close(answer, wanted["decrypted"], "decrypted")
    for found, clear in zip(answer, wanted["clear"]):
        same(abs(found - clear) < 0.01, True, f"{found} for {clear}")
    yield "job, completed"
