// Serves the Worker until it is told to stop: `node local/serve.mjs --port 8787 --packages DIR --data DIR --set OPEN=true`.

import { parseArgs } from "node:util";

import { SHIPPED, packagesBelow, startWorker } from "./worker.mjs";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    packages: { type: "string" },
    data: { type: "string" },
    set: { type: "string", multiple: true, default: [] },
    "without-page": { type: "boolean", default: false },
    "without-rates": { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
  },
});
const worker = await startWorker({
  port: Number(values.port),
  packages: values.packages ? await packagesBelow(values.packages) : SHIPPED,
  data: values.data,
  variables: Object.fromEntries(values.set.map((setting) => setting.split(/=(.*)/s, 2))),
  page: !values["without-page"],
  rates: values["without-rates"] ? {} : undefined,
  log: values.quiet ? undefined : (line) => console.error(line),
});
console.log(`listening on ${worker.url}`);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await worker.stop();
    process.exit(0);
  });
}
