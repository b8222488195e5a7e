// Texts as vectors: the sum of the vectors of their words, of which the model's folder has a table.
// The twin of `models/gloss_search/embedder.py`.

/** Shorter beginnings stand for too many words. */
const LEAST_LETTERS = 3;

/** A table of words: their names, one a line, and after a scale for each, of 32 bits, the bytes of their vectors. */
export class Embedder {
  #places;
  #scales;
  #numbers;

  constructor(vocabulary, table) {
    const words = vocabulary.split("\n");
    this.#places = new Map(words.map((word, at) => [word, at]));
    this.#scales = new Float32Array(table, 0, words.length);
    this.#numbers = new Int8Array(table, this.#scales.byteLength);
    /** Numbers of a vector. */
    this.dimension = this.#numbers.length / words.length;
  }

  /** The unit vector of a text, with the words that it has none for; no vector where no word is known. */
  embed(text) {
    const sum = new Float64Array(this.dimension);
    const unknown = [];
    for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
      const place = this.#place(word);
      if (place === undefined) unknown.push(word);
      else this.#add(sum, place);
    }
    const length = Math.hypot(...sum);
    return { vector: length > 0 ? sum.map((number) => number / length) : undefined, unknown };
  }

  /** A word that is not known counts as the longest beginning of it that is. */
  #place(word) {
    if (this.#places.has(word)) return this.#places.get(word);
    for (let length = word.length - 1; length >= LEAST_LETTERS; length -= 1) {
      const place = this.#places.get(word.slice(0, length));
      if (place !== undefined) return place;
    }
    return undefined;
  }

  #add(sum, place) {
    for (let i = 0; i < sum.length; i += 1) sum[i] += this.#scales[place] * this.#numbers[place * sum.length + i];
  }
}
