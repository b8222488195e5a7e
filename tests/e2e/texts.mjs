// What turns texts into vectors for gloss_search, as the page has it, and texts with their vectors from its script.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { Embedder } from "../../www/src/embed.js";
import { ROOT } from "./server.mjs";

const file = (name) => readFile(join(ROOT, "models/gloss_search", name));

/** `{ text, vector }` of each question that the page offers. */
export const examples = JSON.parse(await file("examples.json"));

const table = await file("embedder.bin");

/** The page's embedder. */
export const embedder = new Embedder(String(await file("vocabulary.txt")), Uint8Array.from(table).buffer);
