// What every page does: say when the connection is gone, leave hidden tabs alone, log in by link. No library of ours, nothing inline.
"use strict";

(() => {
  const offline = document.getElementById("offline");
  const say = (gone) => { if (offline) offline.hidden = !gone; };

  document.addEventListener("htmx:error", () => say(true));
  document.addEventListener("htmx:sse:error", () => say(true));
  document.addEventListener("htmx:sse:after:connection", () => say(false));
  document.addEventListener("htmx:after:request", (event) => {
    say((event.detail.ctx?.response?.status ?? 0) >= 500);
  });

  // A tab that nobody sees asks for nothing; it catches up when it is shown again.
  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden && event.detail.ctx?.sourceEvent?.type === "every") event.preventDefault();
  });

  // One click is one decision: a form that was sent cannot be sent again while its answer is on the way.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.hasAttribute("data-again")) return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // The one-time link is exchanged by a POST, so that a preview of the link does not use it up.
  document.querySelector("form[data-at-once]")?.requestSubmit();
})();
