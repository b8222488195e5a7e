// Connects the parts of the page: panels that put questions, sessions that answer them, views that show both.

import { hideComparison, showAnswer, showBusy, showComparison, showEmpty, showUnanswered } from "./answer.js";
import { showFacts, showHistory, showStart } from "./charts.js";
import { setUpDigits, takesDigits } from "./digits.js";
import { byId, element } from "./dom.js";
import { bytes, security } from "./format.js";
import { showConnecting, showKeyProgress, showKeysFailed, showKeysOffered, showKeysReady } from "./keys.js";
import { setUpPatients, takesPatients } from "./patients.js";
import { hasPlain, plainly } from "./plain/plain.js";
import { Totals, showReceipt, showRequest } from "./receipt.js";
import { setUpSamples } from "./samples.js";
import { server, setUpServerDialog } from "./server.js";
import { Session } from "./session.js";
import { setUpCopy, showSnippet } from "./snippet.js";
import { showSteps } from "./steps.js";
import { setUpTabs } from "./tabs.js";
import { Traffic } from "./traffic.js";
import { setUpWords, takesWords } from "./words.js";

/** Keys that are larger are made and uploaded when the visitor says so. */
const MOST_UNASKED = 13_000_000;

performance.mark("started");
const traffic = new Traffic(showRequest);
/** What the time to the first answer went into. */
const start = [{ title: "this page and its scripts", begun: 0, ended: performance.now() }];
const figures = fetch("data/figures.json").then((answer) => answer.json());

/** The panels, in order: which models they take, how they are set up, and whether each model has questions of its own. */
const PANELS = {
  digits: { takes: takesDigits, setUp: setUpDigits },
  patients: { takes: takesPatients, setUp: setUpPatients },
  words: { takes: takesWords, setUp: setUpWords },
  samples: { takes: (info) => ![takesDigits, takesPatients, takesWords].some((takes) => takes(info)), setUp: setUpSamples, own: true },
};

/** What is on the page. */
const state = { panel: "digits", models: {}, chosen: {}, first: {}, last: {}, sessions: new Map(), compares: false };

const current = () => state.sessions.get(state.chosen[state.panel]?.model_id);

/** A model with its session, and what to show of it when it is chosen again. */
function openSession(info) {
  const totals = new Totals();
  const history = [];
  const { bytes: size } = info.evaluation_keys;
  const isAgreed = size <= MOST_UNASKED;
  const showKeys = isAgreed ? showConnecting : () => showKeysOffered(size);
  const entry = { info, isAgreed, showKeys, showLast: showEmpty, hasKeys: false, error: undefined };
  const show = (what, action) => {
    entry[what] = action;
    if (entry === current()) action();
  };
  const measured = [];
  entry.session = new Session(info.model_id, traffic, {
    opened(model, took) {
      Object.assign(entry, { model, took });
      measured.push({ title: "secret key, WebAssembly, worker", ...took });
      show("showSecurity", () => (byId("security").textContent = security(model.parameters)));
    },
    keys: (progress) => show("showKeys", () => showKeyProgress(progress)),
    ready(report, took) {
      totals.keys += report.bytes;
      entry.hasKeys = true;
      measured.push({ title: "evaluation keys, made and uploaded", ...took });
      show("showKeys", () => showKeysReady({ ...report, bytes: totals.keys }));
      showError(entry, undefined);
    },
    asked: () => entry === current() && showBusy(),
    answered(question, prediction, newer) {
      totals.add(prediction.bytes);
      history.push(prediction.timings);
      if (!start.isOver) finishStart(measured, prediction);
      showError(entry, undefined);
      entry.answered = { question, prediction };
      show("showLast", () => {
        showAnswer(question, prediction, info, newer);
        showReceipt(prediction, totals);
        showSteps(question, prediction, entry.model, traffic.requests, entry.took);
        showHistory(history);
        compare();
      });
    },
    failed(error) {
      if (!entry.hasKeys) show("showKeys", showKeysFailed);
      showError(entry, error);
    },
  });
  return entry;
}

/** Shows how the time to the first answer was spent. */
function finishStart(measured, { begun, timings: { encrypt, roundTrip, decrypt } }) {
  start.isOver = true;
  const steps = [["encrypt", encrypt], ["server and network", roundTrip], ["decrypt", decrypt]];
  start.push(...measured);
  for (const [title, took] of steps) {
    start.push({ title, begun, ended: begun + took });
    begun += took;
  }
  showStart(start);
}

function showError(entry, error) {
  entry.error = error;
  if (entry !== current()) return;
  byId("notice").hidden = !error;
  if (!error) return;
  showUnanswered();
  byId("notice-text").textContent = `${error.message} (${error.code ?? error.name})`;
}

/** Compares the newest answer with that on plain numbers, if the visitor wants it. */
async function compare() {
  const { info, answered } = current() ?? {};
  byId("compare").parentElement.hidden = !info || !hasPlain(info.model_id);
  byId("compare").ariaPressed = String(state.compares);
  hideComparison();
  if (!state.compares || !answered || !hasPlain(info.model_id)) return;
  const { question, prediction } = answered;
  try {
    const plain = await plainly(info, question.input);
    // Another answer may have come meanwhile.
    if (current()?.answered === answered && state.compares) showComparison(question, prediction, plain);
  } catch (error) {
    byId("compared").textContent = `The model on plain numbers could not be loaded: ${error.message}`;
  }
}

/** Shows a panel's model: its keys, its last answer, its figures. */
async function chooseModel(name) {
  const info = state.models[state.panel].find(({ model_id: id }) => id === name);
  state.chosen[state.panel] = info;
  if (!state.sessions.has(name)) state.sessions.set(name, openSession(info));
  const entry = current();
  hideComparison();
  entry.showKeys();
  entry.showLast();
  entry.showSecurity?.();
  showError(entry, entry.error);
  showSnippet(info);
  if (entry.isAgreed) entry.session.start();
  if (PANELS[state.panel].own) state.last[state.panel] = undefined;
  const last = state.last[state.panel];
  if (!last) state.first[state.panel]?.();
  // What was asked of one model of the panel is asked of the other too.
  else if (entry.answered?.question !== last) ask(state.panel, last);
  showFacts(info, await figures);
}

function choosePanel(panel) {
  state.panel = panel;
  const models = state.models[panel];
  const chosen = state.chosen[panel] ?? models[0];
  byId("model").replaceChildren(...models.map(({ model_id: id, evaluation_keys: keys }) => element("option", { value: id, selected: id === chosen.model_id }, `${id} (${bytes(keys.bytes)} of keys)`)));
  chooseModel(chosen.model_id);
}

function ask(panel, question) {
  state.last[panel] = question;
  const { isAgreed, session } = state.sessions.get(state.chosen[panel].model_id);
  // Otherwise it waits for the keys.
  if (isAgreed) session.ask(question);
}

/** Makes and uploads the keys of a model that waits for it, and asks what was to be asked. */
function agree() {
  const entry = current();
  const question = state.last[state.panel];
  Object.assign(entry, { isAgreed: true, showKeys: showConnecting });
  entry.showKeys();
  // The button is gone.
  byId("keys-text").focus();
  if (question) entry.session.ask(question);
  else entry.session.start();
}

/** Asks the server what it offers, and shows the panels that it has models for. */
async function discover() {
  const begun = performance.now();
  const api = await server(traffic.fetch);
  start.push({ title: "what the server offers", begun, ended: performance.now() });
  const panels = Object.entries(PANELS).map(([panel, { takes }]) => {
    // The newest version of each model; the package chooses the same.
    const newest = [...new Map(api.models.filter(takes).map((info) => [info.model_id, info])).values()];
    // The first one is chosen at first: that which is ready soonest.
    state.models[panel] = newest.sort((a, b) => a.evaluation_keys.bytes - b.evaluation_keys.bytes);
    byId(`tab-${panel}`).hidden = state.models[panel].length === 0;
    return panel;
  });
  const served = panels.filter((panel) => state.models[panel].length > 0);
  if (served.length === 0) throw new Error("This server offers no models.");
  for (const panel of served) {
    const cleared = () => {
      state.last[panel] = undefined;
      current().showLast = showEmpty;
      current().answered = undefined;
      showEmpty();
    };
    const model = () => state.chosen[panel];
    PANELS[panel].setUp({ ask: (question) => ask(panel, question), cleared, model }).then(
      (first) => {
        state.first[panel] = first;
        if (panel === state.panel && !state.last[panel]) first();
      },
      (error) => fail(error),
    );
  }
  byId(`tab-${served[0]}`).click();
}

function fail(error) {
  showKeysFailed();
  byId("notice").hidden = false;
  byId("notice-text").textContent = `${error.message} (${error.code ?? error.name})`;
}

byId("notice-retry").addEventListener("click", () => (current() ? current().session.retry() : discover().catch(fail)));
byId("keys-start").addEventListener("click", agree);
byId("model").addEventListener("change", ({ target }) => chooseModel(target.value));
byId("compare").addEventListener("click", () => {
  state.compares = !state.compares;
  compare();
});
addEventListener("pagehide", () => {
  for (const { session } of state.sessions.values()) session.close();
});
// A page that a browser brings back as it was has no keys any more.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
setUpTabs(byId("tabs"), choosePanel);
setUpServerDialog();
setUpCopy();
discover().catch(fail);
