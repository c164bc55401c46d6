// The inbox renews itself while nobody writes in it; else it says that there is something new.
"use strict";

(() => {
  const watch = document.getElementById("inbox-watch");
  const news = document.getElementById("inbox-news");
  const isBusy = () => {
    const written = [...document.querySelectorAll("textarea")].some((area) => area.value !== area.defaultValue);
    return written || document.activeElement?.closest("form, details") || document.querySelector(".split.chosen");
  };
  document.addEventListener("inbox-changed", () => {
    if (!isBusy()) { location.reload(); return; }
    news.hidden = false;
    watch.remove();
  });
})();
