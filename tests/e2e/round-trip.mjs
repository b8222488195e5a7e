// Whole predictions over HTTP on loopback, from this Node to the real server: one line of JSON per model.

import { connect } from "encrypted-inference";

import { firstEncryption } from "./first.mjs";
import { digits, patients } from "./plain.mjs";
import { startServer } from "./server.mjs";

const RUNS = 101;
const KEY_RUNS = 9;
const { pixels: digit } = digits[0];
const INPUTS = { breast_cancer_logistic: patients[0].values, mnist_mlp: digit, mnist_cnn: digit };

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

const server = await startServer();
const api = await connect(server.url);
for (const [name, input] of Object.entries(INPUTS)) {
  const uploads = [];
  for (let i = 0; i < KEY_RUNS; i += 1) {
    const model = await api.model(name);
    uploads.push((await model.prepareKeys()).timings.total);
    await model.forget();
  }
  const model = await api.model(name);
  await model.prepareKeys();
  // The first calls also compile the module and prepare the keys on the server.
  for (let i = 0; i < 5; i += 1) await model.predict(input);
  const runs = [];
  for (let i = 0; i < RUNS; i += 1) runs.push(await model.predict(input));
  const of = (what) => median(runs.map(({ timings }) => timings[what]));
  const line = { model: name, first_ms: firstEncryption(name), keys_ms: median(uploads), total_ms: of("total"), encrypt_ms: of("encrypt"), round_trip_ms: of("roundTrip"), decrypt_ms: of("decrypt"), ...runs[0].bytes };
  console.log(JSON.stringify(line));
  await model.close();
}
await server.stop();
