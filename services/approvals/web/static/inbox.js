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
  // An answer that was not taken comes back as the page with the reason in it; whoever works by keyboard goes on there.
  document.addEventListener("htmx:after:swap", () => {
    const reason = document.querySelector("#main .question [role=alert]");
    if (!reason || document.activeElement !== document.body) return;
    reason.tabIndex = -1;
    reason.focus();
  });
})();
