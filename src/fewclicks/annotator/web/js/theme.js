/** @file Light or dark before anything is drawn. Not a module: it must not wait. */

(() => {
  try {
    const theme = JSON.parse(localStorage.getItem("fewclicks.settings") ?? "{}").theme;
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Nothing is kept: as the system has it.
  }
})();
