// The logs of what is selected: the last lines first, earlier ones on demand, new ones while they are followed. A bounded number is kept.
"use strict";

(() => {
  const page = document.getElementById("run");
  const list = document.getElementById("log-lines");
  if (!page || !list) return;
  const form = document.getElementById("log-filter");
  const follow = document.getElementById("log-follow");
  const MOST = 2000;
  const PACE = 1500;
  let asked = 0;
  let busy = false;
  let due = 0;

  const about = () => ({ task: window.run.place, level: form.elements.level.value, text: form.elements.text.value.trim() });
  const atEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < 24;
  const toEnd = () => { list.scrollTop = list.scrollHeight; };
  const lastId = () => [...list.querySelectorAll("li[data-id]")].at(-1)?.dataset.id ?? "";
  const nothing = () => {
    const none = list.querySelector(".none");
    if (list.querySelector("li[data-id]")) none?.remove();
    else if (!none) list.innerHTML = '<li class="none muted">No lines yet.</li>';
  };

  const load = async () => {
    const mine = ++asked;
    const text = await window.run.html("logs", about());
    if (mine !== asked || text === null) return;
    list.replaceChildren(window.run.fragment(text));
    nothing();
    toEnd();
  };
  // Lines are held back for a second where services write in batches, so a signal is followed by a look a moment later.
  const look = async () => {
    due = 0;
    if (busy || !follow.checked || document.hidden) return;
    const after = lastId();
    if (!after) { await load(); return; }
    busy = true;
    const mine = asked;
    const text = await window.run.html("logs", { ...about(), after });
    busy = false;
    if (text === null || mine !== asked || lastId() !== after) return;
    const content = window.run.fragment(text);
    if (!content.querySelector("li")) return;
    const stay = !atEnd();
    const many = content.querySelectorAll("li[data-id]").length;
    list.append(content);
    const lines = list.querySelectorAll("li[data-id]");
    for (let at = 0; at < lines.length - MOST; at++) lines[at].remove();
    nothing();
    if (!stay) toEnd();
    if (many >= 200) plan(0);
  };
  const plan = (wait = PACE) => { if (!due) due = setTimeout(look, wait); };
  const start = () => { load(); plan(); };

  list.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-before]");
    if (!button) return;
    button.disabled = true;
    const text = await window.run.html("logs", { ...about(), before: button.dataset.before });
    if (text === null) { button.disabled = false; return; }
    const height = list.scrollHeight;
    button.closest("li").replaceWith(window.run.fragment(text));
    list.scrollTop += list.scrollHeight - height;
  });

  let timer = 0;
  form.addEventListener("input", (event) => {
    if (event.target === follow) { if (follow.checked) { toEnd(); plan(0); } return; }
    clearTimeout(timer);
    timer = setTimeout(start, 250);
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); delete form.dataset.sent; start(); });
  page.addEventListener("run:selected", () => { list.replaceChildren(); start(); });
  page.addEventListener("run:news", () => { plan(); setTimeout(plan, 2 * PACE); });
  addEventListener("load", start, { once: true });
})();
