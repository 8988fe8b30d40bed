// What the page says about the patient who is shown, and the frame in which its panes are drawn.

import { kidneyText } from "./sides.js";
import { byId, fill, state } from "./state.js";

let isDrawing = false;
let reported = null; // what was last said about saving

export function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    for (const pane of [...state.panes, ...state.views]) pane.draw();
  });
}

export function describe() {
  const { active, current, panes, text } = state;
  if (!current || !active) return;
  for (const pane of panes) {
    const said = [text[current.states[pane.phase]], pane.note];
    pane.state.textContent = movedText(pane) || said.filter(Boolean).join(" · ");
  }
  byId("tool-refuse").hidden = !current.imported?.includes(active.phase) && !active.masks?.asked;
  byId("kidneys").textContent = kidneyText();
  byId("kidneys").dataset.state = state.kidneys.state;
  for (const tool of byId("actions").children) {
    if (tool.dataset.state) tool.setAttribute("aria-pressed", current.states[active.phase] === tool.dataset.state);
  }
  if (document.activeElement !== byId("comment")) byId("comment").value = current.comment;
}

// What the arrow keys move, and how it ends.
function movedText(pane) {
  const { moving, text } = state;
  if (moving?.phase !== pane.phase || !moving.part) return "";
  const part = moving.part === "whole" ? text[`part_${moving.kind}`] : text[`part_${moving.part}`];
  return fill(text.moving, { part });
}

export function say(sentence) {
  const conflict = state.current?.conflicts.length ? state.text.conflict : "";
  byId("message").textContent = sentence || conflict;
  byId("message").hidden = !(sentence || conflict);
}

export function report(news) {
  const { text } = state;
  const { waiting, fault, reason } = (reported = news);
  const saved = byId("saved");
  saved.className = fault && fault !== "refused" ? "unsaved" : waiting ? "" : "saved";
  saved.textContent = fault && fault !== "refused"
    ? fill(text.unsaved, { n: waiting })
    : waiting ? text.saving : text.saved;
  if (fault === "reopen") say(text.reopen);
  else if (fault === "refused") say(fill(text.refused, { reason }));
  else if (fault === "unreachable") say(text.unreachable);
  else say("");
}

export function reportAgain() {
  if (reported) report(reported);
}

export function button(label, does) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", does);
  return made;
}
