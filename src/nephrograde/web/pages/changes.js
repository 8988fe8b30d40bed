// Changes that a reader makes: each becomes an entry on its way to the journal, and is shown at once.

import { writeSlice } from "./geometry.js";
import { apply } from "./labels.js";
import { describe, draw } from "./screen.js";
import { state } from "./state.js";

export function send(phase, kind, value, origin = "drawn") {
  const { current, outbox } = state;
  const key = `${phase} ${kind}`;
  const entry = { patient_id: current.patient_id, phase, kind, value, origin, follows: current.seen[key] ?? "" };
  apply(outbox.add(current.number, entry));
  describe();
  draw();
}

export function change(pane, kind, value, origin = "drawn") {
  if (!state.current || !pane?.grid) return;
  send(pane.phase, kind, value, origin);
}

export function step(kind) {
  const { current, outbox } = state;
  if (!current) return;
  const isQuiet = !outbox.waiting.length;
  if (isQuiet && !current[kind]) return;
  send("", kind, isQuiet ? current[kind] : "");
}

export function toggle(kind) {
  const { active, current } = state;
  if (!active) return;
  const isSet = current.states[active.phase] === kind;
  send(active.phase, kind, isSet ? "" : "yes");
}

export function removeAll() {
  const { active, current } = state;
  if (!active) return;
  const given = Object.keys(current.phases[active.phase] ?? {});
  for (const kind of given) send(active.phase, kind, "");
}

export function markSlice() {
  const { active } = state;
  if (active?.grid) change(active, "slice", writeSlice(active.grid.heightOf(active.slice)));
}
