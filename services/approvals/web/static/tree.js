// The tree as a treegrid: arrows move, right opens, left closes or goes up, Enter selects; children come when they are asked for.
"use strict";

(() => {
  const body = document.getElementById("rows");
  const found = document.getElementById("found");
  if (!body) return;
  const page = document.getElementById("run");
  const here = () => window.run;
  const shown = () => (found.hidden ? body : found);
  const level = (row) => Number(row.getAttribute("aria-level"));
  const below = (row) => {
    const rows = [];
    for (let next = row.nextElementSibling; next && level(next) > level(row); next = next.nextElementSibling) rows.push(next);
    return rows;
  };

  const settle = () => {
    const rows = [...shown().rows];
    if (!rows.some((row) => row.tabIndex === 0)) {
      const first = rows.find((row) => row.hasAttribute("aria-selected")) ?? rows[0];
      if (first) first.tabIndex = 0;
    }
    here().mark();
    here().tick();
  };
  const focus = (row) => {
    if (!row) return;
    for (const one of shown().querySelectorAll('tr[tabindex="0"]')) one.tabIndex = -1;
    row.tabIndex = 0;
    row.focus();
    row.scrollIntoView({ block: "nearest" });
  };

  const close = (row) => {
    if (row.getAttribute("aria-expanded") !== "true") return;
    for (const one of below(row)) one.remove();
    row.setAttribute("aria-expanded", "false");
    settle();
  };
  const open = async (row) => {
    if (row.getAttribute("aria-expanded") !== "false" || row.dataset.busy) return;
    row.dataset.busy = "yes";
    const text = await here().html("rows", { task: row.dataset.place });
    delete row.dataset.busy;
    if (text === null || row.getAttribute("aria-expanded") !== "false") return;
    row.setAttribute("aria-expanded", "true");
    row.after(here().fragment(text));
    settle();
  };
  const grow = async (row) => {
    if (row.dataset.busy) return;
    row.dataset.busy = "yes";
    const had = document.activeElement === row || row.contains(document.activeElement);
    const text = row.dataset.after ? await findMore(row.dataset.after) : await here().html("rows", values(row));
    delete row.dataset.busy;
    if (text === null) return;
    const content = here().fragment(text);
    // A window may overlap what is shown already: nothing is shown twice.
    for (const fresh of content.querySelectorAll("tr[data-place]")) {
      if ([...shown().rows].some((one) => one.id === fresh.id)) fresh.remove();
    }
    const first = content.querySelector("tr");
    row.replaceWith(content);
    settle();
    if (had) focus(first);
  };
  const values = (row) => {
    const parent = row.dataset.parent;
    return { task: parent, start: row.dataset.start, ...(row.dataset.before ? { before: "true" } : {}) };
  };

  const parentOf = (row) => {
    for (let one = row.previousElementSibling; one; one = one.previousElementSibling) if (level(one) < level(row)) return one;
    return null;
  };
  const act = (row) => {
    if (row.classList.contains("more")) grow(row);
    else here().select(row.dataset.place, { reveal: true });
  };

  document.getElementById("tree").addEventListener("click", (event) => {
    const row = event.target.closest("tbody tr");
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    focus(row);
    if (event.target.closest(".twist")) (row.getAttribute("aria-expanded") === "true" ? close : open)(row);
    else act(row);
  });
  document.getElementById("tree").addEventListener("dblclick", (event) => {
    const row = event.target.closest("tbody tr");
    if (row && !event.target.closest(".twist")) (row.getAttribute("aria-expanded") === "true" ? close : open)(row);
  });
  document.getElementById("tree").addEventListener("keydown", (event) => {
    const row = event.target.closest("tbody tr");
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = [...shown().rows];
    const at = rows.indexOf(row);
    const keys = {
      ArrowDown: () => focus(rows[at + 1]),
      ArrowUp: () => focus(rows[at - 1]),
      Home: () => focus(rows[0]),
      End: () => focus(rows.at(-1)),
      PageDown: () => focus(rows[Math.min(rows.length - 1, at + 15)]),
      PageUp: () => focus(rows[Math.max(0, at - 15)]),
      ArrowRight: () => (row.getAttribute("aria-expanded") === "false" ? open(row) : row.getAttribute("aria-expanded") && focus(below(row)[0])),
      ArrowLeft: () => (row.getAttribute("aria-expanded") === "true" ? close(row) : focus(parentOf(row))),
      Enter: () => act(row),
      " ": () => act(row),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // What is selected elsewhere, in the graph or the logs, is shown in the tree as well.
  const AGAIN = 2000;
  const rowOf = (place) => [...body.rows].find((row) => row.dataset.place === place);
  let asked = 0;
  const reveal = async ({ scroll }) => {
    const mine = ++asked;
    const text = (await here().html("tree", { task: here().place })) ?? (await here().html("tree"));
    if (mine !== asked) return;
    if (!text) { setTimeout(() => { if (mine === asked) reveal({ scroll }); }, AGAIN); return; }
    const opened = [...body.rows].filter((row) => row.getAttribute("aria-expanded") === "true").map((row) => row.dataset.place);
    const focused = body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.place : null;
    body.replaceChildren(here().fragment(text));
    settle();
    if (scroll) rowOf(here().place)?.scrollIntoView({ block: "nearest" });
    for (const place of opened) {
      const row = rowOf(place);
      if (row) await open(row);
    }
    if (focused !== null && document.activeElement === document.body) focus(rowOf(focused) ?? rowOf(here().place));
  };
  page.addEventListener("run:grew", () => reveal({ scroll: false }));
  page.addEventListener("run:hidden", () => reveal({ scroll: true }));
  page.addEventListener("run:selected", () => settle());

  // ---- find ----
  const form = document.getElementById("find");
  const wanted = () => Object.fromEntries(new FormData(form));
  const findMore = (after) => here().html("found", { ...wanted(), after });
  let finds = 0;
  let timer = 0;
  const find = async () => {
    const mine = ++finds;
    const { text, phase } = wanted();
    if (!text.trim() && !phase) {
      found.hidden = true;
      found.replaceChildren();
      body.hidden = false;
      settle();
      return;
    }
    const answer = await here().html("found", { text: text.trim(), phase });
    if (mine !== finds || answer === null) return;
    found.replaceChildren(here().fragment(answer));
    found.hidden = false;
    body.hidden = true;
    if (page.dataset.show !== "tree") here().show("tree");
    settle();
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, 250); });
  form.addEventListener("submit", (event) => { event.preventDefault(); delete form.dataset.sent; find(); });

  addEventListener("load", settle, { once: true });
})();
