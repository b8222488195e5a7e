// Reads what the page shows.

/** Waits for an answer to the newest question. */
export const settled = (page) => page.locator('[data-testid="answer"][data-state="answered"]').waitFor();

/** The bars as numbers. */
export const bars = (page) =>
  page.getByTestId("bars").locator("li").evaluateAll((items) => items.map(({ dataset }) => ({ label: dataset.label, value: Number(dataset.value) })));
