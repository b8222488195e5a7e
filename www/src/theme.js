// Light, dark, or as the system says. A script of its own that runs before the page is painted.
{
  const THEMES = ["auto", "light", "dark"];
  const kept = () => {
    try {
      return localStorage.getItem("theme") ?? "auto";
    } catch {
      return "auto";
    }
  };
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // A browser that keeps nothing shows the choice until the page is left.
    }
  };
  apply(THEMES.includes(kept()) ? kept() : "auto");
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => (button.lastChild.data = document.documentElement.dataset.theme);
    button.addEventListener("click", () => {
      const at = THEMES.indexOf(document.documentElement.dataset.theme);
      apply(THEMES[(at + 1) % THEMES.length]);
      show();
    });
    show();
  });
}
