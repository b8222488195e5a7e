// What tests of the page stand on: a server, a browser, and for each test a door in between that records.

import { after, afterEach, before, beforeEach } from "node:test";

import { startChromium } from "./chromium.mjs";
import { record } from "./recorder.mjs";
import { startServer } from "./server.mjs";

/** Sets the stage up for the tests of a file; it is filled when they run. */
export function setStage() {
  const stage = { server: undefined, browser: undefined, door: undefined };
  before(async () => {
    [stage.server, stage.browser] = await Promise.all([startServer(), startChromium()]);
  });
  after(async () => {
    await stage.browser?.close();
    await stage.server?.stop();
  });
  beforeEach(async () => {
    stage.door = await record(stage.server.url);
  });
  afterEach(() => stage.door.close());
  return stage;
}
