// Connects the parts of the page: two tabs, each with a session; one answer, one receipt.

import { showAnswer, showBusy, showEmpty, showUnanswered } from "./answer.js";
import { setUpDigits } from "./digits.js";
import { byId } from "./dom.js";
import { showConnecting, showKeyProgress, showKeysFailed, showKeysReady } from "./keys.js";
import { setUpPatients } from "./patients.js";
import { Totals, showReceipt } from "./receipt.js";
import { Session } from "./session.js";
import { setUpTabs } from "./tabs.js";

const MODELS = { digits: "mnist_mlp", patients: "breast_cancer_logistic" };
let current = "digits";

/** A tab's session, and what to show of it when the tab is chosen again. */
function openTab(id) {
  const totals = new Totals();
  const tab = { showKeys: showConnecting, showLast: showEmpty, hasKeys: false, error: undefined };
  const show = (what, action) => {
    tab[what] = action;
    if (id === current) action();
  };
  tab.session = new Session(MODELS[id], {
    keys: (progress) => show("showKeys", () => showKeyProgress(progress)),
    ready(report) {
      totals.keys += report.bytes;
      tab.hasKeys = true;
      show("showKeys", () => showKeysReady({ ...report, bytes: totals.keys }));
      showError(tab, undefined);
    },
    asked: () => id === current && showBusy(),
    answered(question, prediction, model, newer) {
      totals.add(prediction.bytes);
      showError(tab, undefined);
      show("showLast", () => {
        showAnswer(question, prediction, newer);
        showReceipt(question, prediction, model, totals);
      });
    },
    failed(error) {
      if (!tab.hasKeys) show("showKeys", showKeysFailed);
      showError(tab, error);
    },
  });
  return tab;
}

const tabs = { digits: openTab("digits"), patients: openTab("patients") };

function showError(tab, error) {
  tab.error = error;
  if (tab !== tabs[current]) return;
  byId("notice").hidden = !error;
  if (!error) return;
  showUnanswered();
  byId("notice-text").textContent = `${error.message} (${error.code ?? error.name})`;
}

function choose(id) {
  current = id;
  const tab = tabs[id];
  byId("receipt").hidden = true;
  tab.showKeys();
  tab.showLast();
  showError(tab, tab.error);
  tab.session.start();
}

/** Sets a tab's content up, and says so when its data cannot be had. */
function setUp(id, start) {
  const { session } = tabs[id];
  const cleared = () => {
    tabs[id].showLast = showEmpty;
    showEmpty();
    byId("receipt").hidden = true;
  };
  start({ ask: (question) => session.ask(question), cleared }).catch((error) => showError(tabs[id], error));
}

byId("notice-retry").addEventListener("click", () => tabs[current].session.retry());
setUpTabs(document.querySelector("[role=tablist]"), choose);
setUp("digits", setUpDigits);
setUp("patients", setUpPatients);
choose(current);
