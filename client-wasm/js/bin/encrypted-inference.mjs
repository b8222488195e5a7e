#!/usr/bin/env node
// The command line: try a server, or use one from a script.

import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { EncryptedInferenceError, connect, openKeys } from "encrypted-inference";

import { keyFile, putAside } from "./key-file.mjs";
import { printable, printableJson } from "./printable.mjs";

const HELP = `Private predictions from the command line.

  encrypted-inference models  URL                list what a server offers
  encrypted-inference predict URL MODEL          encrypt, have the server evaluate, decrypt
  encrypted-inference keys    URL MODEL          make keys and upload the public ones; needs --keys
  encrypted-inference encrypt                    encrypt without a server; needs --keys
  encrypted-inference send    URL FILE           send what encrypt wrote; needs no keys
  encrypted-inference decrypt FILE               decrypt what send wrote; needs --keys
  encrypted-inference forget  URL MODEL          delete keys here and on the server; needs --keys

  --input FILE    the sample, - for standard input: a JSON array, nested arrays, {"data", "shape"}, an object
                  of numbers by the model's names, or numbers separated by spaces or commas. With more than one
                  line, each is a sample
  --random        a sample of random numbers in the model's range
  --keys FILE     keep the secret key there and go on with it; without it, a new one is made and thrown away. Keys
                  of another version of the model are put aside, in a file beside it
  --output FILE   write there instead of to standard output (encrypt, send)
  --token TOKEN   bearer token; the variable ENCRYPTED_INFERENCE_TOKEN is read too
  --insecure      send the token over plain HTTP too
  --version V     version of the model; the newest if not set
  --json          print JSON
`;

const OPTIONS = {
  input: { type: "string" },
  random: { type: "boolean" },
  keys: { type: "string" },
  output: { type: "string" },
  token: { type: "string" },
  insecure: { type: "boolean" },
  version: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
};

/** A mistake in the command line. */
class UsageError extends Error {}

const COMMANDS = {
  async models({ words: [url], json, ...options }) {
    const api = await reached(url, options);
    const lines = api.models.map(({ model_id, version, description, input, output, evaluation_keys: { bytes } }) =>
      [`${model_id} ${version}`, description, `  ${input.dimension} values (${input.shape.join(" × ")}) in, ${output.dimension} out, ${size(bytes)} of keys`].map(printable).join("\n"),
    );
    print(json, api.models, lines.join("\n\n"));
  },

  async predict(options) {
    const model = await opened(options);
    try {
      // Nothing is uploaded for an input that cannot be read.
      const samples = await readSamples(options, model.info);
      await model.prepareKeys({ onProgress: progress(options) });
      const started = performance.now();
      const predictions = await model.predictBatch(samples);
      const took = performance.now() - started;
      const shown = predictions.map(({ values, raw, labels, best, warnings }) => ({ values, raw, labels, best, warnings }));
      const [{ bytes, timings }] = predictions;
      print(options.json, shown.length === 1 ? { ...shown[0], bytes, timings } : shown, shown.map(describe).join("\n\n"));
      say(options, `${Math.round(took)} ms; ${size(bytes.request)} sent and ${size(bytes.response)} received for each request`);
    } finally {
      await model.close();
    }
  },

  async keys(options) {
    needKeys(options);
    const model = await opened(options);
    const { made, bytes, keyId } = await model.prepareKeys({ onProgress: progress(options) });
    await model.close();
    print(options.json, { key_id: keyId, made, bytes }, `${made} keys made, ${size(bytes)} uploaded; the secret key is in ${options.keys}`);
  },

  async encrypt(options) {
    const model = await fromFile(options);
    const samples = await readSamples(options, model.info);
    if (samples.length !== 1) throw new UsageError("encrypt takes one sample");
    const { input, fits } = await model.encrypt(samples[0]);
    await model.close();
    await write(options, input);
    if (!fits) say(options, "warning: a value of the input is too large for the model's scale, and the answer will mean nothing");
  },

  async send({ words: [url, file], ...options }) {
    const api = await reached(url, options);
    const { output } = await api.send(await readFile(need(file, "the file that encrypt wrote")));
    await write(options, output);
  },

  async decrypt(options) {
    const model = await fromFile(options);
    const output = await model.decrypt(await readFile(need(options.words[0], "the file that send wrote")));
    await model.close();
    print(options.json, output, describe(output));
  },

  async forget(options) {
    needKeys(options);
    await (await opened(options)).forget();
    say(options, `${options.keys} and the keys on the server are deleted`);
  },
};

function need(word, what) {
  if (word === undefined) throw new UsageError(`${what} is missing`);
  return word;
}

const needKeys = ({ keys }) => need(keys, "--keys FILE");

const reached = (url, { token, insecure }) => connect(need(url, "the server's address"), { token, allowInsecure: insecure });

async function opened({ words: [url, name], version, keys, ...options }) {
  const api = await reached(url, options);
  const open = () => api.model(need(name, "the model's name"), { version, ...(keys && { keep: keyFile(keys) }) });
  try {
    return await open();
  } catch (error) {
    if (error.code !== "KEYS_OUTDATED") throw error;
    // Kept: they decrypt what they encrypted.
    say(options, `${keys} is of another version of the model; it is ${await putAside(keys)} now, and new keys are made`);
    return open();
  }
}

async function fromFile(options) {
  const keys = await readFile(needKeys(options));
  try {
    return await openKeys(keys);
  } finally {
    keys.fill(0);
  }
}

async function readSamples({ input, random }, info) {
  if (random) {
    const { dimension, range = [-1, 1], feature_ranges: ranges } = info.input;
    const between = ([least, most]) => least + Math.random() * (most - least);
    return [Float64Array.from({ length: dimension }, (_, i) => between(ranges?.[i] ?? range))];
  }
  const file = need(input, "--input FILE, or --random,");
  const text = file === "-" ? await new Response(process.stdin).text() : await readFile(file, "utf8");
  const lines = text.split("\n").filter((line) => line.trim());
  // One JSON document may span lines.
  try {
    return [JSON.parse(text)];
  } catch {
    return lines.map((line, i) => readSample(line, i));
  }
}

function readSample(line, at) {
  if (/^\s*[[{]/.test(line)) {
    try {
      return JSON.parse(line);
    } catch (error) {
      throw new UsageError(`line ${at + 1} of the input is not JSON: ${error.message}`);
    }
  }
  const values = line.split(/[\s,;]+/).filter(Boolean).map(Number);
  const wrong = values.findIndex(Number.isNaN);
  if (wrong >= 0) throw new UsageError(`value ${wrong + 1} in line ${at + 1} of the input is not a number`);
  return values;
}

/** Outputs that are printed in order; of more, the largest. */
const [MOST, LARGEST] = [40, 10];

function describe({ values, labels, best, warnings }) {
  const line = (i) => `${i === best.index && values.length > 1 ? "*" : " "} ${printable(labels[i] ?? i)}\t${values[i].toFixed(5)}`;
  const places = [...values.keys()];
  const isLong = places.length > MOST;
  // Of many, the largest: all of them are in the JSON.
  if (isLong) places.sort((a, b) => values[b] - values[a]).splice(LARGEST);
  const shown = [...places.map(line), ...(isLong ? [`  the ${LARGEST} largest of ${values.length}; --json prints all`] : [])];
  return [...shown, ...warnings.map(({ message }) => `  warning: ${printable(message)}`)].join("\n");
}

async function write({ output }, bytes) {
  if (output) await writeFile(output, bytes);
  else process.stdout.write(bytes);
}

function print(json, value, text) {
  console.log(json ? printableJson(value) : text);
}

/** Remarks go to standard error, and only to people. */
function say({ json }, text) {
  if (!json) console.error(text);
}

const progress = ({ json }) =>
  json || !process.stderr.isTTY ? undefined : ({ done, total }) => process.stderr.write(`\rkeys: ${done} of ${total}${done === total ? "\n" : ""}`);

const size = (count) => (count < 1e6 ? `${(count / 1e3).toFixed(1)} KB` : `${(count / 1e6).toFixed(2)} MB`);

async function main() {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [command, ...words] = positionals;
  if (values.help || command === undefined) return console.log(HELP);
  if (!Object.hasOwn(COMMANDS, command)) throw new UsageError(`there is no command ${command}`);
  return COMMANDS[command]({ token: process.env.ENCRYPTED_INFERENCE_TOKEN, ...values, words });
}

try {
  await main();
} catch (error) {
  const isUsage = error instanceof UsageError || error.code?.startsWith?.("ERR_PARSE_ARGS");
  const code = error instanceof EncryptedInferenceError ? `${error.code}: ` : "";
  console.error(isUsage ? `${error.message}\n\n${HELP}` : printable(`error: ${code}${error.message}`));
  process.exitCode = isUsage ? 2 : 1;
}
