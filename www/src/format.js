// Numbers, written for people.

/** `812 bytes`, `30.3 KB`, `5.70 MB`; decimal units, as networks count, that do not leave their number at the end of a line. */
export function bytes(count) {
  if (count < 1000) return `${count}\u00a0bytes`;
  if (count < 1e6) return `${(count / 1e3).toFixed(1)}\u00a0KB`;
  return `${(count / 1e6).toFixed(2)}\u00a0MB`;
}

/** `0.8 ms`, `17 ms`, `1.2 s`. */
export function milliseconds(time) {
  if (time < 10) return `${time.toFixed(1)}\u00a0ms`;
  return time < 1000 ? `${Math.round(time)}\u00a0ms` : `${(time / 1000).toFixed(1)}\u00a0s`;
}

/** `98.6 %`. */
export const percent = (fraction) => `${(fraction * 100).toFixed(1)}\u00a0%`;

/** What protects the input, in one sentence. */
export function security({ log_degree, security: { bits, log_qp, max_log_qp } }) {
  return `CKKS at ${bits} bits of classical security: ring degree 2^${log_degree}, log2(QP) = ${log_qp.toFixed(0)} where ${max_log_qp} is the most allowed (Bossuat et al. 2024, Table 5.2).`;
}
