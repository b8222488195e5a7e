// The tab with the digit.

import { EDGE, centred } from "./centre.js";
import { byId, element, paintGrey } from "./dom.js";
import { percent } from "./format.js";
import { Pad } from "./pad.js";

/** Shortest time between two questions while the pen is down, in milliseconds. */
const PACE = 120;

/** Sets the tab up; `ask` takes its questions, `cleared` is called when there is nothing to ask. */
export async function setUpDigits({ ask, cleared }) {
  let asked = 0;
  const question = () => {
    const grey = centred(pad.brightness(), pad.size);
    if (!grey) return;
    asked = performance.now();
    ask(aboutDigit(grey));
  };
  const pad = new Pad(byId("pad"), {
    drawn() {
      choose(undefined);
      if (performance.now() - asked > PACE) question();
    },
    done: question,
  });
  byId("clear").addEventListener("click", () => {
    pad.clear();
    choose(undefined);
    cleared();
  });

  const { digits } = await (await fetch("data/digits.json")).json();
  const buttons = digits.filter(isFirstOfItsLabel).map((digit) => {
    const image = element("canvas", { width: EDGE, height: EDGE });
    paintGrey(image, digit.pixels);
    const button = element("button", { type: "button", ariaLabel: `A ${digit.label} of the test set`, ariaPressed: "false" }, image);
    button.addEventListener("click", () => {
      pad.show(digit.pixels);
      choose(button);
      ask({ ...aboutDigit(digit.pixels), expected: describe(digit) });
    });
    return button;
  });
  const choose = (chosen) => {
    for (const button of buttons) button.ariaPressed = String(button === chosen);
  };
  byId("digit-examples").append(...buttons);
}

const isFirstOfItsLabel = (digit, at, all) => all.findIndex(({ label }) => label === digit.label) === at;

/** The question which digit 28 by 28 grey values show. */
function aboutDigit(grey) {
  return {
    input: Float64Array.from(grey, (value) => value / 255),
    grey,
    outcomes: (values, labels) => values.map((value, i) => ({ label: labels[i], value })),
    verdict: ({ label }) => `This is a ${label}.`,
  };
}

function describe({ label, probabilities }) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  return `The test set calls it a ${label}. The same model on plain numbers: ${best}, ${percent(probabilities[best])}.`;
}
