// Tabs by pointer and by arrow keys (WAI-ARIA Authoring Practices, tabs pattern).

/** Sets a tab list up; `chosen` gets the id of the panel shown. */
export function setUpTabs(list, chosen) {
  const every = [...list.querySelectorAll("[role=tab]")];
  const choose = (tab) => {
    for (const each of every) {
      const isChosen = each === tab;
      each.ariaSelected = String(isChosen);
      each.tabIndex = isChosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !isChosen;
    }
    chosen(tab.getAttribute("aria-controls"));
  };
  for (const tab of every) tab.addEventListener("click", () => choose(tab));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tabs = every.filter(({ hidden }) => !hidden);
    const tab = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    tab.focus();
    choose(tab);
  });
}
