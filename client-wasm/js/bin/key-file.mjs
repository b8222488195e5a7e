// Where the command line keeps a secret key.

import { randomUUID } from "node:crypto";
import { link, open, readFile, realpath, rename, rm } from "node:fs/promises";

/** Nothing where a file is not there. */
const ifThere = (error) => (error.code === "ENOENT" ? undefined : Promise.reject(error));

/** A `KeyStore` that is one file, for its owner only. It has the old key or the new one whole, whenever this program ends. */
export const keyFile = (path) => ({
  load: () => readFile(path).catch(ifThere),
  async save(_, bytes) {
    // What a link points to is replaced, not the link.
    const place = (await realpath(path).catch(ifThere)) ?? path;
    const fresh = `${place}.${randomUUID()}`;
    try {
      const file = await open(fresh, "wx", 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(fresh, place);
    } catch (error) {
      await rm(fresh, { force: true });
      throw error;
    }
  },
  delete: () => rm(path, { force: true }),
});

/** Puts a key file aside, under a name that no other file has, and gives that name. */
export async function putAside(path) {
  const aside = `${path}.${new Date().toISOString().replaceAll(":", "-")}`;
  // Not renamed: that would replace a file of that name.
  await link(path, aside);
  await rm(path);
  return aside;
}
