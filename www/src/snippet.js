// The calls of the package that this page makes for the model that is chosen, without the `fetch` that it watches them by.

import { byId } from "./dom.js";
import { serverAddress } from "./server.js";

/** A text as it stands in a script, also in one within a page: it may come from a link or a server. */
const literal = (text) => JSON.stringify(String(text)).replaceAll("<", "\\u003c");

export function showSnippet({ model_id: name, input }) {
  const [dimension, ...shape] = [input.dimension, ...input.shape].map(Number);
  byId("code").textContent = `// npm install encrypted-inference
import { connect } from "encrypted-inference";

const api = await connect(${literal(serverAddress())});
const model = await api.model(${literal(name)}); // , { keep: true } goes on with the same keys at the next visit
await model.prepareKeys({ onProgress: ({ done, total }) => show(done / total) });

// ${dimension} numbers${shape.length > 1 ? `: ${shape.join(" × ")}` : ""}
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
