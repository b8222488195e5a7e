// The server that this page asks: the one that serves it, or another that the visitor agrees to.

import { connect } from "encrypted-inference";

import { byId } from "./dom.js";

/** A visitor who waits can try again by hand. */
const RETRIES = 3;

const query = new URLSearchParams(location.search);
const home = new URL(".", document.baseURI);
/** The folder of this page, unless the address names a server: `?api=https://…`. */
const asked = parsed(query.get("api") ?? "") ?? home;

/** An address; nothing when it is none. */
function parsed(text) {
  try {
    return new URL(text, home);
  } catch {
    return undefined;
  }
}

/** An address without what this package appends. */
const trimmed = (url) => `${url.origin}${url.pathname}`.replace(/\/+$/, "");

/** The server as it is shown, asked, and remembered. */
export const serverAddress = () => trimmed(asked);

/** What stays for as long as the tab does; in a browser that keeps nothing, until the page is left. */
const tab = {
  read(name) {
    try {
      return sessionStorage.getItem(name);
    } catch {
      return null;
    }
  },
  write(name, value) {
    try {
      sessionStorage.setItem(name, value);
    } catch {
      // Then the page asks again, and the server refuses and says so.
    }
  },
};

/** A token belongs to the server that it was entered for, and goes to no other. */
const tokenOf = (address) => `token ${address}`;
/** Servers of other origins that the visitor has named or agreed to. */
const agreedTo = (address) => `agreed ${address}`;

let connection;

/** Connects, once; again after a failure. A server of another origin hears nothing before the visitor agrees. */
export function server(fetch) {
  connection ??= permitted()
    .then((address) => connect(address, { fetch, token: tab.read(tokenOf(address)) ?? "", retries: RETRIES }))
    .catch((error) => {
      connection = undefined;
      throw error;
    });
  return connection;
}

/** Whether a server may be asked: anybody can make a link to this page that names another one. */
const isAgreed = (address) => new URL(address).origin === home.origin || tab.read(agreedTo(address)) !== null;

/** The server's address, once it may be asked. */
async function permitted() {
  const address = serverAddress();
  if (isAgreed(address)) return address;
  if (!(await agrees(address))) {
    throw Object.assign(new Error(`Nothing was sent to ${address}. “Server” chooses another one`), { code: "DECLINED" });
  }
  tab.write(agreedTo(address), "");
  return address;
}

/** Asks the visitor whether a server may be asked. */
async function agrees(address) {
  const dialog = byId("stranger");
  byId("stranger-url").textContent = address;
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "agree";
}

/** Lets the visitor choose another server, which the page is opened again for. */
export function setUpServerDialog() {
  const dialog = byId("server");
  byId("server-open").addEventListener("click", () => {
    byId("server-url").value = isAgreed(serverAddress()) ? asked.href : home.href;
    dialog.showModal();
  });
  byId("server-form").addEventListener("submit", ({ submitter }) => {
    if (submitter?.value !== "connect") return;
    const chosen = byId("server-url").value;
    const address = trimmed(new URL(chosen));
    tab.write(agreedTo(address), "");
    tab.write(tokenOf(address), byId("server-token").value);
    query.set("api", chosen);
    location.search = query.toString();
  });
}
