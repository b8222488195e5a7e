// The panel with the digit.

import { EDGE, centred } from "./centre.js";
import { byId, element, paintGrey } from "./dom.js";
import { Pad } from "./pad.js";

/** Shortest time between two questions while the pen is down, in milliseconds. */
const PACE = 120;
/** The digit that the page asks about by itself, so that there is something to see. */
const FIRST = 7;

/** Models that take pictures of digits. */
export const takesDigits = ({ input, output }) =>
  input.dimension === EDGE * EDGE && output.labels?.length === 10 && output.labels.every((label, i) => label === String(i));

/** Sets the panel up; `ask` takes its questions, `cleared` is called when there is nothing to ask. */
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
      byId("hint").hidden = true;
      choose(undefined);
      if (performance.now() - asked > PACE) question();
    },
    done: question,
  });
  byId("clear").addEventListener("click", () => {
    pad.clear();
    byId("hint").hidden = false;
    choose(undefined);
    cleared();
  });

  const digits = await (await fetch("data/digits.json")).json();
  const buttons = digits.map(({ label, pixels: packed }) => {
    const pixels = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    const image = element("canvas", { width: EDGE, height: EDGE });
    paintGrey(image, pixels);
    const button = element("button", { type: "button", ariaLabel: `A ${label} of the test set`, ariaPressed: "false" }, image);
    button.addEventListener("click", () => {
      pad.show(pixels);
      byId("hint").hidden = true;
      choose(button);
      ask({ ...aboutDigit(pixels), expected: `The test set calls it a ${label}.` });
    });
    return button;
  });
  const choose = (chosen) => {
    for (const button of buttons) button.ariaPressed = String(button === chosen);
  };
  byId("digit-examples").append(...buttons);
  return () => buttons[FIRST].click();
}

/** The question which digit 28 by 28 grey values show. */
function aboutDigit(grey) {
  paintGrey(byId("seen"), grey);
  return {
    input: grey,
    outcomes: (values, labels) => values.map((value, i) => ({ label: labels[i] ?? String(i), value })),
    verdict: ({ label }) => `This is a ${label}.`,
  };
}
