// The labels of the patient who is shown: what each pane draws, and what a change does to them.

import { readPlace, writeBox } from "./geometry.js";
import { PLACES, state } from "./state.js";

// The labels that a pane shows: its own, those carried from another phase, and one on its way where it is moved to.
export function labelsOf(pane) {
  const { current, moving, study } = state;
  if (!current) return [];
  const found = [];
  const own = current.phases[pane.phase] ?? {};
  for (const kind of PLACES) {
    const from = study.phases.find(({ code }) => current.phases[code]?.[kind]);
    if (own[kind]) found.push({ kind, value: own[kind].value, isCarried: false });
    else if (from && !current.states[pane.phase]) {
      found.push({ kind, value: current.phases[from.code][kind].value, isCarried: true, from: from.name });
    }
  }
  if (moving?.phase !== pane.phase) return found;
  return found.map((one) =>
    one.kind === moving.kind ? { ...one, value: moving.value, isMoved: true, part: moving.part } : one,
  );
}

// A box on another slice than an earlier flat one makes it a box in 3D; otherwise a box starts again.
export function joined(pane, a, b) {
  const earlier = state.current.phases[pane.phase]?.box;
  if (earlier) {
    const [c, d] = readPlace(earlier.value).map((one) => pane.grid.toIndex(one));
    const isFlat = Math.abs(c[2] - d[2]) < 0.25;
    if (isFlat && Math.abs(c[2] - a[2]) >= 0.5) {
      const ends = (pick) => [0, 1, 2].map((axis) => pick(a[axis], b[axis], c[axis], d[axis]));
      return writeBox(pane.grid.toMm(ends(Math.min)), pane.grid.toMm(ends(Math.max)));
    }
  }
  return writeBox(pane.grid.toMm(a), pane.grid.toMm(b));
}

// Show a change before the server has answered.
export function apply(entry) {
  const { current } = state;
  const { phase, kind, value, origin } = entry;
  if (kind === "undo" || kind === "redo") return;
  current.seen[`${phase} ${kind}`] = entry.id;
  if (kind === "comment") current.comment = value;
  else if (kind === "none" || kind === "unusable") current.states[phase] = value ? kind : "";
  else if (kind === "done") current.progress = value ? "done" : "started";
  if (kind === "comment" || kind === "done") return;
  const given = (current.phases[phase] ??= {});
  const isRefusal = kind === "mask" && value === "none";
  if (value) given[kind] = { value: kind === "mask" && !isRefusal ? "waiting" : value, origin };
  else delete given[kind];
  if ([...PLACES, "mask"].includes(kind) && value && !isRefusal) current.states[phase] = "";
}
