// Accepting what is proposed for a phase: what counts among readers who differ, what is carried, and masks.

import { change, send } from "./changes.js";
import { labelsOf } from "./labels.js";
import { masksOf } from "./masks.js";
import { state } from "./state.js";

export function accept() {
  const { active, current } = state;
  if (!active?.grid) return;
  const conflicts = current.conflicts.filter(({ phase }) => phase === active.phase);
  for (const { kind, counts } of conflicts) send(active.phase, kind, counts);
  for (const { kind, value, isCarried } of labelsOf(active)) {
    if (isCarried) change(active, kind, value, "accepted");
  }
  masksOf(active).accept();
}
