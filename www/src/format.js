// Numbers, written for people.

/** `812 bytes`, `30.3 KB`, `5.70 MB`; decimal units, as networks count. */
export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} KB`;
  return `${(count / 1e6).toFixed(2)} MB`;
}

/** `0.8 ms`, `17 ms`, `1.2 s`. */
export function milliseconds(time) {
  if (time < 10) return `${time.toFixed(1)} ms`;
  return time < 1000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`;
}

/** `98.6 %`. */
export const percent = (fraction) => `${(fraction * 100).toFixed(1)} %`;
