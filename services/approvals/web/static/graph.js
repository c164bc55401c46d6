// The dependency graph of the selected group, drawn by cytoscape with dagre. Shape, border and words say what colour says.
"use strict";

(() => {
  const page = document.getElementById("run");
  const canvas = document.getElementById("graph");
  const note = document.getElementById("graph-note");
  if (!page || !canvas) return;
  const PACE = 1000;
  let graph = null;
  let drawn = null;
  let group = null;
  let wanted = null;
  let asked = 0;
  let timer = 0;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const visible = () => page.dataset.show === "graph";
  const label = (node) => `${node.mark} ${node.title.length > 40 ? `${node.title.slice(0, 39)}…` : node.title}\n${node.words}`;
  const element = (node) => ({ ...node, id: `n${node.place}`, label: label(node) });

  const style = () => {
    const tones = ["idle", "active", "wait", "good", "bad", "off"];
    return [
      { selector: "node", style: {
        shape: "round-rectangle", width: 190, height: 46, label: "data(label)", "text-wrap": "wrap", "text-max-width": 180, "text-valign": "center",
        "font-size": 12, "line-height": 1.25, "font-family": "system-ui, sans-serif", "border-width": 1, "border-color": colour("border-strong"),
        "background-color": colour("idle-bg"), color: colour("idle"),
      } },
      ...tones.map((tone) => ({ selector: `node[tone = "${tone}"]`, style: { "background-color": colour(`${tone}-bg`), color: colour(tone) } })),
      { selector: 'node[kind = "integration"]', style: { shape: "diamond", width: 220, height: 90 } },
      { selector: "node[?opens]", style: { "border-style": "double", "border-width": 4 } },
      { selector: "node[?critical]", style: { "border-width": 3, "border-color": colour("text") } },
      { selector: "node.chosen", style: { "outline-width": 3, "outline-color": colour("focus"), "outline-offset": 2 } },
      { selector: "edge", style: { width: 1.2, "line-color": colour("border-strong"), "target-arrow-color": colour("border-strong"), "target-arrow-shape": "triangle", "curve-style": "bezier", "arrow-scale": 0.9 } },
      { selector: "edge[?critical]", style: { width: 3, "line-color": colour("text"), "target-arrow-color": colour("text") } },
    ];
  };

  const say = (answer) => {
    note.replaceChildren();
    if (!answer.nodes) {
      note.append(`“${answer.title}” has ${answer.total} tasks; a drawing of more than ${answer.most} says little. `);
      const back = document.createElement("button");
      back.type = "button";
      back.textContent = "Show the list";
      back.addEventListener("click", () => window.run.show("tree"));
      note.append(back);
    } else if (!answer.nodes.length) note.append(`“${answer.title}” has no tasks below it yet.`);
    else note.append(`${answer.title}: ${answer.total} tasks${answer.moreEdges ? `, ${answer.moreEdges} arrows left out` : ""}`);
  };

  const draw = (answer) => {
    say(answer);
    canvas.hidden = !answer.nodes?.length;
    const shape = JSON.stringify([answer.place, answer.nodes?.map((node) => node.place), answer.edges]);
    if (graph && shape === drawn) {
      graph.batch(() => { for (const node of answer.nodes) graph.getElementById(`n${node.place}`).data(element(node)); });
      choose();
      return;
    }
    graph?.destroy();
    graph = null;
    drawn = shape;
    group = answer.place;
    if (!answer.nodes?.length) return;
    const wide = canvas.clientWidth > 700;
    graph = cytoscape({
      container: canvas, style: style(), minZoom: 0.1, maxZoom: 2, autoungrabify: true, boxSelectionEnabled: false,
      elements: {
        nodes: answer.nodes.map((node) => ({ data: element(node) })),
        edges: answer.edges.map((edge) => ({ data: { ...edge, source: `n${edge.source}`, target: `n${edge.target}` } })),
      },
      layout: { name: "dagre", rankDir: wide ? "LR" : "TB", nodeSep: 18, rankSep: 46, animate: false, fit: true, padding: 16 },
    });
    if (graph.zoom() > 1) { graph.zoom(1); graph.center(); }
    graph.on("tap", "node", (event) => window.run.select(event.target.data("place")));
    graph.on("dbltap", "node[?opens]", (event) => load(event.target.data("place")));
    choose();
  };
  const choose = () => {
    graph?.nodes().removeClass("chosen");
    graph?.getElementById(`n${window.run.place}`).addClass("chosen");
  };

  const load = async (place = window.run.place) => {
    const mine = ++asked;
    wanted = place;
    const answer = await window.run.ask("graph", { task: place });
    if (mine !== asked) return;
    if (!answer) { note.textContent = "There is no graph yet: the run is not planned."; return; }
    const told = await answer.json().catch(() => null);
    if (!told || mine !== asked) return;
    draw(told);
    canvas.dataset.drawn = String(graph ? graph.nodes().length : 0);
  };
  const inside = () => {
    const own = window.run.place;
    return graph && own !== group && own.startsWith(group ? `${group}.` : "") && !graph.getElementById(`n${own}`).empty();
  };

  page.addEventListener("run:selected", () => { if (visible()) { if (inside()) choose(); else load(); } });
  page.addEventListener("run:shown", () => { if (visible()) load(); });
  page.addEventListener("run:news", () => {
    if (!visible() || timer) return;
    timer = setTimeout(() => { timer = 0; load(wanted ?? window.run.place); }, PACE);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => graph?.style(style()));
  addEventListener("load", () => { if (visible()) load(); }, { once: true });
})();
