// The calls of the package that this page makes for the model that is chosen, without the `fetch` that it watches them by.

import { byId } from "./dom.js";
import { serverAddress } from "./server.js";

export function showSnippet({ model_id: name, input }) {
  byId("code").textContent = `// npm install encrypted-inference
import { connect } from "encrypted-inference";

const api = await connect("${serverAddress()}");
const model = await api.model("${name}"); // , { keep: true } goes on with the same keys at the next visit
await model.prepareKeys({ onProgress: ({ done, total }) => show(done / total) });

// ${input.dimension} numbers: ${input.shape.join(" × ")}
const { best, values, timings } = await model.predict(input);
addEventListener("pagehide", () => model.close());
`;
}

export function setUpCopy() {
  byId("copy").addEventListener("click", async () => {
    const copied = await navigator.clipboard?.writeText(byId("code").textContent).then(() => true, () => false);
    byId("copy").textContent = copied ? "Copied" : "Select and copy";
    setTimeout(() => (byId("copy").textContent = "Copy"), 2000);
  });
}
