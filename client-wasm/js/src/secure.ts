import { EncryptedInferenceError } from "./errors.js";

/** Names and addresses of this machine. */
const LOOPBACK = /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Refuses an address to which a token would travel readable: plain HTTP to another machine. */
export function checkSecure(address: string): void {
  let url: URL;
  try {
    url = new URL(address, globalThis.location?.href);
  } catch {
    // Nothing is sent to what is no address.
    return;
  }
  if (url.protocol !== "http:" || LOOPBACK.test(url.hostname)) return;
  throw new EncryptedInferenceError("INSECURE", `The token would be sent over plain HTTP to ${url.host}, for everybody on the way to read`);
}
