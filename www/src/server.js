// The server that this page asks: the one that serves it, or another that the visitor names.

import { connect } from "encrypted-inference";

import { byId } from "./dom.js";

/** A visitor who waits can try again by hand. */
const RETRIES = 3;

const query = new URLSearchParams(location.search);

/** The folder of this page, unless the address names a server: `?api=https://…`. */
const address = () => query.get("api") ?? new URL(".", document.baseURI).href;

/** A token stays for as long as the tab does; in a browser that keeps nothing, until the page is left. */
const tokens = {
  read() {
    try {
      return sessionStorage.getItem("token") ?? "";
    } catch {
      return "";
    }
  },
  write(token) {
    try {
      sessionStorage.setItem("token", token);
    } catch {
      // Then the server refuses, and says so.
    }
  },
};

let connection;

/** Connects, once; again after a failure. */
export function server(fetch) {
  connection ??= connect(address(), { fetch, token: tokens.read(), retries: RETRIES }).catch((error) => {
    connection = undefined;
    throw error;
  });
  return connection;
}

/** The address without what this package appends. */
export const serverAddress = () => address().replace(/\/+$/, "");

/** Lets the visitor choose another server, which the page is opened again for. */
export function setUpServerDialog() {
  const dialog = byId("server");
  byId("server-open").addEventListener("click", () => {
    byId("server-url").value = address();
    dialog.showModal();
  });
  byId("server-form").addEventListener("submit", ({ submitter }) => {
    if (submitter?.value !== "connect") return;
    tokens.write(byId("server-token").value);
    query.set("api", byId("server-url").value);
    location.search = query.toString();
  });
}
