// Writes docs/reference.md from the types and their comments; with --check, compares it with what is there.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Application } from "typedoc";

const TARGET = fileURLToPath(new URL("docs/reference.md", import.meta.url));
const NOTE = "<!-- Written by `npm run reference` from the types. -->\n\n";

const folder = await mkdtemp(join(tmpdir(), "reference-"));
try {
  const app = await Application.bootstrapWithPlugins({ outputs: [{ name: "markdown", path: folder }] });
  const project = await app.convert();
  if (!project) throw new Error("the types cannot be read");
  app.validate(project);
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error("the reference has gaps");
  const text = NOTE + (await readFile(join(folder, "reference.md"), "utf8"));
  if (!process.argv.includes("--check")) await writeFile(TARGET, text);
  else if ((await readFile(TARGET, "utf8")) !== text) throw new Error("docs/reference.md is out of date: npm run reference");
} finally {
  await rm(folder, { recursive: true, force: true });
}
