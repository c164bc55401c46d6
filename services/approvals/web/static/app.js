// What every page does: say when the connection is gone, leave hidden tabs alone, log in by link. No library of ours, nothing inline.
"use strict";

(() => {
  const offline = document.getElementById("offline");
  const say = (gone) => { if (offline) offline.hidden = !gone; };

  document.addEventListener("htmx:error", () => say(true));
  document.addEventListener("htmx:sse:error", (event) => say(event.detail.status !== 401));
  document.addEventListener("htmx:sse:after:connection", () => say(false));
  document.addEventListener("htmx:after:request", (event) => {
    say((event.detail.ctx?.response?.status ?? 0) >= 500);
  });

  // A tab that nobody sees asks for nothing; it catches up when it is shown again.
  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden && ["every", "visibilitychange"].includes(event.detail.ctx?.sourceEvent?.type)) event.preventDefault();
  });

  // The end of a session ends no page: it goes on with the next one, if that is the same person's.
  const over = document.getElementById("over");
  const other = document.getElementById("other");
  const now = () => document.getElementById("waiting")?.dataset ?? {};
  const { who, csrf } = now();
  let token = csrf;
  document.addEventListener("htmx:after:request", (event) => {
    const status = event.detail.ctx?.response?.status ?? 0;
    if (over && status && status < 500) over.hidden = status !== 401;
  });
  document.addEventListener("htmx:after:swap", () => {
    const next = now();
    if (!token || !next.csrf || next.csrf === token) return;
    other.querySelector("b").textContent = next.who;
    other.hidden = next.who === who;
    if (!other.hidden) return;
    token = next.csrf;
    document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRF-Token": token }));
    for (const field of document.querySelectorAll("input[name=csrf]")) field.value = token;
  });

  // What came of a form that htmx sends stands in #notice until it is sent again: what is not known is said to be so, with what to do then.
  const notice = document.getElementById("notice");
  const sent = (event) => (event.target instanceof Element ? event.target.closest("form[data-unsure]") : null);
  const tell = (...words) => {
    const note = document.createElement("div");
    note.className = "note bad";
    note.setAttribute("role", "alert");
    note.textContent = words.join(" ");
    notice.replaceChildren(note);
    note.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("htmx:before:request", (event) => { if (sent(event)) notice.replaceChildren(); });
  document.addEventListener("htmx:after:swap", (event) => { if (sent(event)) notice.scrollIntoView({ block: "nearest" }); });
  document.addEventListener("htmx:response:error", (event) => {
    const form = sent(event);
    const { status } = event.detail.ctx.response;
    if (form && status === 401) tell("Your session is over, and this was not taken. Log in in another tab, then send it again.");
    if (form && status >= 500) tell(`Taskgrove answered with an error (${status}); perhaps it has what you sent all the same.`, form.dataset.unsure);
  });
  document.addEventListener("htmx:error", (event) => {
    const form = sent(event);
    if (form) tell("No answer came: the connection broke off, or it took too long. Perhaps Taskgrove has what you sent.", form.dataset.unsure);
  });

  // One click is one decision: a form that was sent cannot be sent twice by a second click. Later it can: that loading was stopped says no event.
  const SECOND_CLICK = 5000;
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.hasAttribute("data-again")) return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "yes";
    setTimeout(() => { delete event.target.dataset.sent; }, SECOND_CLICK);
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // The one-time link is exchanged by a POST, so that a preview of the link does not use it up.
  document.querySelector("form[data-at-once]")?.requestSubmit();
})();
