// The inbox renews itself where nobody is at work in it; else it says that there is something new.
"use strict";

(() => {
  // A question with its form is never exchanged: a click that is on its way to a button would answer the one that slid into its place.
  const isInUse = () => document.querySelector("form.decide, .split.chosen") || document.activeElement !== document.body;
  document.addEventListener("inbox-changed", () => {
    if (!isInUse()) { location.reload(); return; }
    document.getElementById("inbox-news").hidden = false;
    document.getElementById("inbox-watch").remove();
  });
})();
