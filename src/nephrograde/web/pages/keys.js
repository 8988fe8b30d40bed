// The keyboard: the cross, labels at the cross, and a key for every tool.

import { accept } from "./accepting.js";
import { dab, interpolate, isBrush, resize, setMode } from "./brush.js";
import { markSlice, removeAll, step, toggle } from "./changes.js";
import { clamp } from "./geometry.js";
import { jumpToKidney } from "./kidneys.js";
import { isMovedByKeys, letGo, nudge, putDown, take, takePart } from "./moving.js";
import { masksOf } from "./masks.js";
import { next, previous } from "./patients.js";
import { draw } from "./screen.js";
import { byId, state, view } from "./state.js";
import { crossOn, page, windows } from "./viewing.js";
import { toggleViews } from "./views.js";

// The view that has the focus, otherwise the active phase.
const focused = () => state.views.find(({ canvas }) => canvas === document.activeElement) ?? state.active;

function moveCross(across, down, isFine) {
  const { grid, isAxial, plane } = focused();
  const mm = isFine ? 1 : 5;
  const index = crossOn(state.active);
  index[plane.across] += (across * mm) / grid.spacing[plane.across];
  const rows = mm / grid.spacing[plane.down];
  index[plane.down] += plane.sign * down * (isAxial ? rows : Math.max(rows, 1)); // at least one slice
  const inside = index.map((value, axis) => clamp(value, 0, grid.size[axis] - 1));
  if (!isAxial) return page.pointed(state.active, inside);
  view.cross = grid.toMm(inside);
  draw();
}

function setCorner() {
  if (!view.cross) return;
  const at = crossOn(state.active);
  if (state.corner && state.corner[2] === at[2]) {
    page.boxed(state.active, [state.corner, at]);
    state.corner = null;
  } else state.corner = at;
}

const far = (event) => (event.shiftKey ? 5 : 1); // mm

// What the keys do while a label is moved by them.
const MOVES = {
  ArrowUp: (event) => nudge(0, -far(event), state.moving.kind === "slice" ? 1 : 0),
  ArrowDown: (event) => nudge(0, far(event), state.moving.kind === "slice" ? -1 : 0),
  ArrowLeft: (event) => nudge(-far(event), 0, 0),
  ArrowRight: (event) => nudge(far(event), 0, 0),
  PageUp: () => nudge(0, 0, 1),
  PageDown: () => nudge(0, 0, -1),
  r: takePart,
  Enter: putDown,
  Escape: letGo,
};

const KEYS = {
  ArrowUp: (event) => (event.shiftKey ? moveCross(0, -1, event.ctrlKey) : page.rolled(focused(), -1)),
  ArrowDown: (event) => (event.shiftKey ? moveCross(0, 1, event.ctrlKey) : page.rolled(focused(), 1)),
  ArrowLeft: (event) => event.shiftKey && moveCross(-1, 0, event.ctrlKey),
  ArrowRight: (event) => event.shiftKey && moveCross(1, 0, event.ctrlKey),
  PageUp: () => page.rolled(focused(), -10),
  PageDown: () => page.rolled(focused(), 10),
  Home: () => page.jumped(state.active.grid.heightOf(state.active.grid.size[2] - 1)),
  End: () => page.jumped(state.active.grid.heightOf(0)),
  "+": () => page.zoomed(1.25),
  "=": () => page.zoomed(1.25),
  "-": () => page.zoomed(0.8),
  0: () => page.zoomed(0),
  p: () => {
    if (view.cross) (isBrush(state.active) ? dab : page.clicked.bind(page))(state.active, crossOn(state.active));
  },
  i: () => interpolate(state.active),
  x: () => masksOf(state.active).refuse(),
  q: () => state.study.has_assist && masksOf(state.active).ask(),
  b: setCorner,
  s: markSlice,
  m: take,
  k: jumpToKidney,
};
const KEYS_ALWAYS = {
  n: () => toggle("none"),
  u: () => toggle("unusable"),
  a: accept,
  v: toggleViews,
  c: () => byId("comment").focus(),
  d: () => setMode("paint"),
  e: () => setMode("erase"),
  "[": () => resize(-1),
  "]": () => resize(1),
  Delete: removeAll,
  Backspace: removeAll,
  Escape: () => {
    letGo();
    setMode("");
  },
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
    if (state.moving) return letGo();
    return step(key === "y" || event.shiftKey ? "redo" : "undo");
  }
  if (isCommand && !key.startsWith("Arrow")) return;
  if (isMovedByKeys()) {
    const moves = MOVES[key];
    if (moves) {
      event.preventDefault();
      return moves(event);
    }
    if (key !== "m" && key !== "Shift") putDown();
  }
  if (event.target instanceof HTMLButtonElement && (key === "Enter" || key === " ")) return;
  const digit = Number(key);
  const does = KEYS_ALWAYS[key] ?? (active?.grid ? KEYS[key] : undefined);
  if (digit >= 1 && digit <= 9) windows()[digit - 1]?.[1]();
  else if (does) does(event);
  else return;
  event.preventDefault();
}
