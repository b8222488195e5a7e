/** The form of `key_id` and `job_id` by `schemas/common.schema.json`: 128 bits, lower-case hexadecimal. */
const IDENTIFIER = /^[0-9a-f]{32}$/;

/** Tells whether a server's name for a key set or job is one. Paths are made of nothing else that a server says. */
export const isIdentifier = (value: unknown): value is string => typeof value === "string" && IDENTIFIER.test(value);
