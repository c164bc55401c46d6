// The form for a run: more texts, what was chosen to upload, and too much of it said before it is sent.
"use strict";

(() => {
  const form = document.getElementById("submit");
  if (!form) return;
  const files = document.getElementById("files");
  const list = document.getElementById("files-list");
  const problem = document.getElementById("files-problem");
  const size = (bytes) => (bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1048576).toFixed(1)} MiB`);

  const add = document.getElementById("add-note");
  add.hidden = false;
  add.addEventListener("click", () => {
    const all = form.querySelectorAll(".note-file");
    const fresh = all[all.length - 1].cloneNode(true);
    const number = all.length + 1;
    for (const one of fresh.querySelectorAll("[id]")) one.id = one.id.replace(/\d+$/, String(number));
    for (const one of fresh.querySelectorAll("label")) one.htmlFor = one.htmlFor.replace(/\d+$/, String(number));
    fresh.querySelector("input").value = `notes-${number}.md`;
    fresh.querySelector("textarea").value = "";
    all[all.length - 1].after(fresh);
    fresh.querySelector("textarea").focus();
  });

  // In bytes and with the line ends that a form is sent with, as the server counts it.
  const bytes = (text) => new Blob([text.replaceAll("\n", "\r\n")]).size;
  const check = () => {
    const most = Number(form.dataset.most);
    const chosen = [...files.files];
    const texts = [...form.querySelectorAll("textarea[name=note_text]")];
    const total = chosen.reduce((sum, file) => sum + file.size, 0) + texts.reduce((sum, one) => sum + bytes(one.value), 0);
    list.replaceChildren(...chosen.map((file) => {
      const line = document.createElement("li");
      line.textContent = `${file.name}, ${size(file.size)}`;
      return line;
    }));
    problem.textContent = total > most ? `413, too large: this is ${size(total)}, and at most ${size(most)} are taken. Leave out what is not needed, or split the run. Nothing was sent.` : "";
    return total <= most;
  };
  files.addEventListener("change", check);
  // Before htmx hears it: what is too large is not sent at all.
  form.addEventListener("submit", (event) => {
    if (check()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    files.focus();
  }, { capture: true });
})();
