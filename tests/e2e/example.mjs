import { readFile } from "node:fs/promises";
import { connect } from "encrypted-inference";

const { digits } = JSON.parse(await readFile(new URL("../../models/mnist_mlp/demo_digits.json", import.meta.url)));
const { pixels } = digits[0]; // 784 bytes

const api = await connect(process.argv[2] ?? "http://localhost:8080");
const model = await api.model("mnist_mlp");
await model.prepareKeys({ onProgress: ({ done, total }) => console.log(`${done} of ${total} keys`) });
const { values, timings, bytes } = await model.predict(pixels);
console.log(`a ${values.indexOf(Math.max(...values))}:`, values, timings, bytes);
await model.close();
