// A label on its way: shown where it is moved to, and saved once it is put down.

import { carriedTo } from "./carried.js";
import { send } from "./changes.js";
import { clamp } from "./geometry.js";
import { movedBy, spanOf } from "./grips.js";
import { labelsOf } from "./labels.js";
import { masksOf } from "./masks.js";
import { describe, draw } from "./screen.js";
import { state } from "./state.js";
import { page } from "./viewing.js";

const PARTS = ["whole", "high", "low"]; // what the arrows move, in the order of the key

// Show a label where the pointer has moved it.
export function dragTo(pane, grip, steps) {
  const { kind, value, isCarried, part } = grip;
  const moved = kind === "mask" ? steps : movedBy(pane, grip, part, steps);
  state.moving = { phase: pane.phase, kind, isCarried, first: value, value: moved };
  draw();
}

// Save where a label has been moved to.
export function putDown() {
  const { moving } = state;
  if (moving?.kind === "mask" && moving.value.some(Boolean)) {
    masksOf(state.panes.find(({ phase }) => phase === moving.phase)).acceptCarried();
  }
  state.moving = null;
  if (moving && moving.kind !== "mask" && moving.value !== moving.first) {
    send(moving.phase, moving.kind, moving.value, moving.isCarried ? "carried" : "drawn");
  }
  describe();
  draw();
}

// Leave a label where it was.
export function letGo() {
  Object.assign(state, { moving: null, corner: null });
  for (const pane of [...state.panes, ...state.views]) pane.drag = null;
  describe();
  draw();
}

// ---- by keys

// Take the next label of the active phase; after the last one, none.
export function take() {
  const { active, moving } = state;
  const kinds = movableOn(active).map(({ kind }) => kind);
  const following = moving ? kinds.indexOf(moving.kind) + 1 : 0;
  putDown();
  const label = movableOn(active)[following];
  if (!label) return;
  const { kind, value, isCarried } = label;
  state.moving = { phase: active.phase, kind, value, isCarried, first: value, part: "whole" };
  showMoved();
}

// What can be moved on a pane: its labels, and a mask that is carried to it.
function movableOn(pane) {
  const carried = carriedTo(masksOf(pane));
  return [...labelsOf(pane), ...(carried ? [{ kind: "mask", value: [0, 0, 0], isCarried: true }] : [])];
}

export function takePart() {
  const { moving } = state;
  if (moving?.kind !== "box") return;
  moving.part = PARTS[(PARTS.indexOf(moving.part) + 1) % PARTS.length];
  showMoved();
}

// Move what was taken by some mm across and down the axial slice, and by some slices.
export function nudge(across_mm, down_mm, slices) {
  const { active, moving } = state;
  const { grid } = active;
  if (active.phase !== moving.phase) return putDown();
  const steps = [across_mm / grid.spacing[0], down_mm / grid.spacing[1], slices];
  const part = moving.part === "whole" ? "whole" : [moving.part, moving.part, moving.part];
  if (moving.kind === "mask") moving.value = moving.value.map((value, axis) => value + steps[axis]);
  else moving.value = movedBy(active, moving, part, steps);
  showMoved();
}

// Keep the slice and the cross at what is moved.
function showMoved() {
  const { active, moving } = state;
  const [low, high] = moving.kind === "mask" ? carriedTo(masksOf(active)).mask.bounds : spanOf(active, moving);
  const last = active.grid.size[2] - 1;
  const part = { low, high }[moving.part];
  const at = part ?? low.map((value, axis) => (value + high[axis]) / 2);
  const index = moving.kind === "slice" ? [(active.grid.size[0] - 1) / 2, (active.grid.size[1] - 1) / 2, at[2]] : at;
  page.pointed(active, [index[0], index[1], clamp(Math.round(index[2]), 0, last)]);
  describe();
}

export const isMovedByKeys = () => Boolean(state.moving?.part);
