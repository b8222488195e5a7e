// A strict TypeScript program of a stranger: it must compile, and its two mistakes must not.

import { type Api, EncryptedInferenceError, type KeyStore, type Model, connect, openKeys } from "encrypted-inference";

const store: KeyStore = { load: async () => undefined, save: async () => undefined, delete: async () => undefined };
export async function all(url: string): Promise<number[]> {
  const api: Api = await connect(url, { token: "t", timeout: 1000, retries: 2, worker: () => new Worker("w.js") });
  const model: Model = await api.model("m", { keep: store });
  await model.prepareKeys({ onProgress: ({ done, total }) => console.log(done / total) });
  const { values, best, warnings } = await model.predict([[0, 1], [2, 3]]);
  console.log(best.label?.length, warnings.map(({ code }) => code));
  await model.predict({ mean_radius: 17.99, mean_area: 1001 });
  await model.predict({ image: { data: new Float32Array(4), shape: [2, 2] } });
  await model.predictBatch({ data: new Float32Array(4), shape: [2, 2] });
  const output = await api.send(await model.encrypt(Float32Array.of(1)));
  await using offline = await openKeys(await model.exportKeys());
  const error = new Error("x", { cause: await offline.decrypt(output) });
  if (error instanceof EncryptedInferenceError && error.code === "NETWORK") return [];
  // @ts-expect-error a sample is made of numbers
  await model.predict("text");
  // @ts-expect-error there is no way to set the model's description
  model.info = {};
  return values;
}
