// What a server says may hold sequences that a terminal obeys, or that turn the order of what stands around them.

const UNSEEN = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** A line of text with a mark in place of each such character. */
export const printable = (text) => String(text).replace(UNSEEN, "\u{fffd}");

/** The same of JSON on one line, which keeps its meaning: they can only stand within its strings. */
export const printableJson = (value) =>
  JSON.stringify(value).replace(UNSEEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
