// The page of one run: what is selected, and keeping what is shown as it is now. Tree, graph and logs hang on it by `run:` events.
"use strict";

(() => {
  const page = document.getElementById("run");
  if (!page) return;
  const runId = page.dataset.run;
  const base = `/ui/runs/${encodeURIComponent(runId)}`;
  const panel = document.getElementById("panel");
  const head = document.getElementById("run-head");
  const rows = () => document.querySelectorAll("#rows tr[data-place], #found:not([hidden]) tr[data-place]");
  const MOVING = new Set(["ready", "running", "checking", "expanding", "integrating", "retrying", "replanning"]);
  const PACE = 500;
  const LOOK_AGAIN = 2000;
  const LONGEST_ANSWER = 20000;
  const MOST_AT_ONCE = 150;

  const run = { base, place: page.dataset.place, seen: 0, refreshes: 0 };
  window.run = run;
  const tell = (name) => page.dispatchEvent(new Event(`run:${name}`));

  // A part of the page, by GET. Null: there is no answer now, and whoever needs it asks again. Undefined: there is nothing to show yet.
  run.ask = async (path, values = {}) => {
    const query = new URLSearchParams(values).toString();
    try {
      const answer = await fetch(`${base}/${path}${query ? `?${query}` : ""}`, { headers: { "HX-Request": "true" }, credentials: "same-origin", signal: AbortSignal.timeout(LONGEST_ANSWER) });
      if (answer.status === 204) return undefined;
      return answer.ok ? answer : null;
    } catch { return null; }
  };
  run.html = async (path, values) => {
    const answer = await run.ask(path, values);
    return answer ? answer.text().catch(() => null) : answer;
  };
  run.fragment = (text) => {
    const template = document.createElement("template");
    template.innerHTML = text;
    return template.content;
  };

  // Replace what is in an element, only if it changed; what the reader opened, focused and scrolled stays.
  run.put = (element, text) => {
    if (element.dataset.was === text) return false;
    const open = new Map([...element.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
    const focused = element.contains(document.activeElement) ? document.activeElement : null;
    const texts = () => element.querySelectorAll(".output[id], .prose[id]");
    const scrolls = new Map([...texts()].map((one) => [one.id, one.scrollTop]));
    const keyOf = (one) => one.id || one.getAttribute("href") || one.value || one.closest("details")?.id;
    const key = focused && keyOf(focused);
    element.innerHTML = text;
    element.dataset.was = text;
    for (const one of element.querySelectorAll("details[id]")) {
      if (open.has(one.id)) one.open = open.get(one.id);
    }
    for (const one of texts()) if (scrolls.has(one.id)) one.scrollTop = scrolls.get(one.id);
    if (focused) {
      const same = key && [...element.querySelectorAll("a, button, summary, [tabindex]")].find((one) => key === keyOf(one));
      (same || element.querySelector("h2[tabindex]"))?.focus({ preventScroll: true });
    }
    return true;
  };

  // ---- selection ----
  const address = () => {
    const values = new URLSearchParams();
    if (run.place) values.set("task", run.place);
    if (page.dataset.show === "graph") values.set("show", "graph");
    const query = values.toString();
    return `/runs/${encodeURIComponent(runId)}${query ? `?${query}` : ""}`;
  };
  const mark = () => {
    for (const row of document.querySelectorAll("#run tr[aria-selected]")) row.removeAttribute("aria-selected");
    for (const row of rows()) if (row.dataset.place === run.place) row.setAttribute("aria-selected", "true");
  };
  run.mark = mark;
  const isHidden = (place) => ![...document.querySelectorAll("#rows tr[data-place]")].some((row) => row.dataset.place === place);

  let asked = 0;
  const showPanel = async () => {
    const mine = ++asked;
    const text = await run.html("panel", { task: run.place });
    if (text && mine === asked) run.put(panel, text);
    return text !== null;
  };

  run.select = async (place, { push = true, reveal = false } = {}) => {
    run.place = place;
    mark();
    if (isHidden(place)) tell("hidden");
    if (push) history.pushState({ place }, "", address());
    tell("selected");
    if (!(await showPanel())) run.changed([], true);
    if (reveal && matchMedia("(max-width: 64rem)").matches) panel.scrollIntoView({ block: "start" });
  };

  run.show = (what, { push = true } = {}) => {
    page.dataset.show = what;
    for (const one of ["tree", "graph"]) {
      document.getElementById(`pane-${one}`).hidden = one !== what;
      document.getElementById(`tab-${one}`).setAttribute("aria-selected", String(one === what));
      document.getElementById(`tab-${one}`).tabIndex = one === what ? 0 : -1;
    }
    if (push) history.replaceState(history.state, "", address());
    tell("shown");
  };

  addEventListener("popstate", () => {
    const values = new URLSearchParams(location.search);
    const place = values.get("task") ?? "";
    if ((values.get("show") ?? "tree") !== page.dataset.show) run.show(values.get("show") ?? "tree", { push: false });
    if (place !== run.place) run.select(place, { push: false });
  });

  page.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-select]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    run.select(link.dataset.select);
  });
  for (const what of ["tree", "graph"]) {
    const tab = document.getElementById(`tab-${what}`);
    tab.addEventListener("click", () => run.show(what));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = what === "tree" ? "graph" : "tree";
      run.show(other);
      document.getElementById(`tab-${other}`).focus();
    });
  }

  // ---- live ----
  const stale = new Set();
  let all = false;
  let busy = false;
  let last = 0;
  let timer = 0;
  let heard = 0;
  let lookAgain = 0;

  const around = (places) => {
    const groups = new Set([""]);
    for (const place of places) {
      groups.add(place);
      for (let cut = place.lastIndexOf("."); cut > 0; cut = place.lastIndexOf(".", cut - 1)) groups.add(place.slice(0, cut));
    }
    return groups;
  };
  run.changed = (places, everything = false) => {
    for (const place of around(places)) stale.add(place);
    all = all || everything;
    plan();
  };
  const plan = () => {
    if (timer || busy || document.hidden) return;
    timer = setTimeout(refresh, Math.max(0, last + PACE - performance.now()));
  };

  const refresh = async () => {
    timer = 0;
    busy = true;
    const shown = [...rows()].filter((row) => all || stale.has(row.dataset.place));
    const now = shown.slice(0, MOST_AT_ONCE);
    const later = shown.slice(MOST_AT_ONCE).map((row) => row.dataset.place);
    const panelToo = all || stale.has(run.place);
    const asked = performance.now();
    stale.clear();
    all = false;
    for (const place of later) stale.add(place);
    const text = await run.html("live", { rows: now.map((row) => row.dataset.place || "-").join(",") });
    if (text) take(run.fragment(text), asked);
    const missed = !text || (panelToo && !(await showPanel()));
    run.refreshes += 1;
    busy = false;
    all = all || missed;
    last = performance.now() + (missed ? LOOK_AGAIN : 0);
    if (stale.size || all) plan();
  };

  const take = (content, asked) => {
    const newHead = content.getElementById("new-head");
    if (newHead) {
      run.put(head, newHead.innerHTML);
      // What adds up may have been counted before the last news: it is asked for until it was counted after them.
      const counted = asked - 1000 * Number(newHead.dataset.age);
      if (counted < heard + LOOK_AGAIN / 2 && !lookAgain) lookAgain = setTimeout(countedAnew, LOOK_AGAIN);
    }
    for (const fresh of content.querySelectorAll("tr[data-place]")) {
      for (const row of document.querySelectorAll(`#rows tr[data-place="${fresh.dataset.place}"], #found tr[data-place="${fresh.dataset.place}"]`)) update(row, fresh);
    }
    tick();
  };
  const countedAnew = () => {
    lookAgain = 0;
    run.changed([...rows()].filter((row) => row.hasAttribute("aria-expanded")).map((row) => row.dataset.place));
  };
  const update = (row, fresh) => {
    const grew = row.dataset.grown !== fresh.dataset.grown && row.parentElement.id === "rows";
    const first = grew && !row.hasAttribute("aria-expanded");
    // What the address names may be there before the group around it lists it.
    const holds = first && run.place.startsWith(`${row.dataset.place}.`) && isHidden(run.place);
    if (first) row.setAttribute("aria-expanded", "false");
    row.dataset.grown = fresh.dataset.grown;
    row.dataset.phase = fresh.dataset.phase;
    [...row.cells].forEach((cell, at) => {
      const next = fresh.cells[at];
      if (next && cell.dataset.was !== next.innerHTML) {
        cell.dataset.was = next.innerHTML;
        cell.innerHTML = next.innerHTML;
      }
    });
    if (holds || (grew && (row.dataset.place === "" || row.getAttribute("aria-expanded") === "true"))) tell("grew");
  };

  // ---- signals ----
  const live = document.getElementById("live");
  const data = (event) => { try { return JSON.parse(event.detail.data); } catch { return {}; } };
  live.addEventListener("hello", () => {
    page.dataset.live = "yes";
    heard = performance.now();
    run.changed([], true);
    tell("news");
  });
  live.addEventListener("changed", (event) => {
    const signal = data(event);
    run.seen = Number(event.detail.id);
    heard = performance.now();
    run.changed(signal.tasks ?? [], signal.all);
    if (signal.all) setTimeout(() => run.changed([], true), LOOK_AGAIN);
    tell("news");
  });
  // hx-sse reconnects what was connected once; a first try that failed is made again here.
  document.addEventListener("htmx:sse:close", (event) => { if (event.target === live) page.dataset.live = "no"; });
  for (const name of ["htmx:error", "htmx:response:error"]) {
    live.addEventListener(name, () => setTimeout(() => {
      if (!live._htmx?.sse) htmx.ajax("GET", `${base}/stream?after=${run.seen}`, { source: live });
    }, LOOK_AGAIN));
  }
  // That an executor took a task up is said nowhere: it is read. So what moves is looked at now and then.
  setInterval(() => {
    if (document.hidden) return;
    const moving = [...rows()].filter((row) => MOVING.has(row.dataset.phase) && !row.hasAttribute("aria-expanded"));
    if (moving.length) run.changed(moving.map((row) => row.dataset.place));
  }, LOOK_AGAIN);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) run.changed([], true); });

  // ---- orders ----
  const meaningOf = async (url) => {
    const answer = await fetch(url, { headers: { "HX-Request": "true" }, credentials: "same-origin" }).catch(() => null);
    return answer?.ok ? answer.text() : "What this means could not be found out. Do it all the same?";
  };
  page.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-order]");
    if (!form) return;
    event.preventDefault();
    const button = event.submitter;
    if (form.dataset.busy) return;
    form.dataset.busy = "yes";
    const question = button?.dataset.ask ? await meaningOf(button.dataset.ask) : button?.dataset.confirm;
    if (question && !confirm(question)) { delete form.dataset.busy; return; }
    for (const one of form.querySelectorAll("button")) one.disabled = true;
    const body = new URLSearchParams(new FormData(form));
    body.set("action", button.value);
    try {
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { "HX-Request": "true" }, credentials: "same-origin" });
      document.getElementById("notice").innerHTML = answer.ok ? "" : await answer.text();
    } catch { document.getElementById("notice").textContent = "The order did not arrive: there is no connection. Try again."; }
    panel.dataset.was = "";
    run.changed([], true);
    await showPanel();
  });

  // ---- clocks ----
  const words = (seconds) => {
    if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    const minutes = Math.floor(seconds / 60);
    return minutes < 60 ? `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  };
  const tick = () => {
    const now = Date.now();
    for (const one of document.querySelectorAll("time.ticks")) {
      const text = words((now - Date.parse(one.dataset.since)) / 1000);
      if (one.textContent !== text) one.textContent = text;
    }
  };
  run.tick = tick;
  setInterval(tick, 1000);
  tick();
  history.replaceState({ place: run.place }, "", location.href);
})();
