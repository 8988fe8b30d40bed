// The keyboard: the cross, labels at the cross, and a key for every tool.

import { accept, markSlice, removeAll, step, toggle } from "./changes.js";
import { clamp } from "./geometry.js";
import { next, previous } from "./patients.js";
import { draw } from "./screen.js";
import { byId, state, view } from "./state.js";
import { page, windows } from "./viewing.js";

function moveCross(across, down, isFine) {
  const { grid, slice } = state.active;
  const middle = grid.toMm([(grid.size[0] - 1) / 2, (grid.size[1] - 1) / 2, slice]);
  const at = grid.toIndex(view.cross ?? middle);
  const mm = isFine ? 1 : 5;
  const index = [at[0] + (across * mm) / grid.spacing[0], at[1] + (down * mm) / grid.spacing[1], slice];
  view.cross = grid.toMm(index.map((value, axis) => clamp(value, 0, grid.size[axis] - 1)));
  draw();
}

function crossOn(pane) {
  const at = pane.grid.toIndex(view.cross);
  return [at[0], at[1], pane.slice];
}

function setCorner() {
  if (!view.cross) return;
  const at = crossOn(state.active);
  if (state.corner && state.corner[2] === at[2]) {
    page.boxed(state.active, [state.corner, at]);
    state.corner = null;
  } else state.corner = at;
}

const KEYS = {
  ArrowUp: (event) => (event.shiftKey ? moveCross(0, -1, event.ctrlKey) : page.rolled(state.active, -1)),
  ArrowDown: (event) => (event.shiftKey ? moveCross(0, 1, event.ctrlKey) : page.rolled(state.active, 1)),
  ArrowLeft: (event) => event.shiftKey && moveCross(-1, 0, event.ctrlKey),
  ArrowRight: (event) => event.shiftKey && moveCross(1, 0, event.ctrlKey),
  PageUp: () => page.rolled(state.active, -10),
  PageDown: () => page.rolled(state.active, 10),
  Home: () => page.jumped(state.active.grid.heightOf(state.active.grid.size[2] - 1)),
  End: () => page.jumped(state.active.grid.heightOf(0)),
  "+": () => page.zoomed(1.25),
  "=": () => page.zoomed(1.25),
  "-": () => page.zoomed(0.8),
  0: () => page.zoomed(0),
  p: () => view.cross && page.clicked(state.active, crossOn(state.active)),
  b: setCorner,
  s: markSlice,
};
const KEYS_ALWAYS = {
  n: () => toggle("none"),
  u: () => toggle("unusable"),
  a: accept,
  c: () => byId("comment").focus(),
  Delete: removeAll,
  Backspace: removeAll,
  "?": () => byId("help").showModal(),
  h: () => byId("help").showModal(),
  Enter: (event) => (event.shiftKey ? previous() : next()),
};

export function pressed(event) {
  const { active, current } = state;
  if (byId("help").open || !current) return;
  const isTyping = event.target instanceof HTMLInputElement;
  if (isTyping) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target.id === "comment")) active?.canvas.focus();
    return;
  }
  const isCommand = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (isCommand && (key === "z" || key === "y")) {
    event.preventDefault();
    return step(key === "y" || event.shiftKey ? "redo" : "undo");
  }
  if (event.target instanceof HTMLButtonElement && (key === "Enter" || key === " ")) return;
  if (isCommand && !key.startsWith("Arrow")) return;
  const digit = Number(key);
  const does = KEYS_ALWAYS[key] ?? (active?.grid ? KEYS[key] : undefined);
  if (digit >= 1 && digit <= 9) windows()[digit - 1]?.[1]();
  else if (does) does(event);
  else return;
  event.preventDefault();
}
