// The coronal and sagittal views: shown on demand, and as before the next time.

import { Pane } from "./pane.js";
import { CORONAL, SAGITTAL } from "./planes.js";
import { draw } from "./screen.js";
import { byId, state } from "./state.js";
import { follow, page } from "./viewing.js";

const STORED = "nephrograde views";

export function toggleViews() {
  localStorage.setItem(STORED, state.views.length ? "" : "shown");
  build();
}

// Add the views if the reader wants them, otherwise remove them.
export function build() {
  const isWanted = localStorage.getItem(STORED) === "shown";
  const planes = isWanted ? [CORONAL, SAGITTAL] : [];
  state.views = planes.map((plane) => new Pane("", state.text[plane.name], page, plane));
  byId("views").replaceChildren(...state.views.map((one) => one.element));
  byId("screens").classList.toggle("with-views", isWanted);
  nameViews();
  follow();
  draw();
}

export function nameViews() {
  byId("tool-views").setAttribute("aria-pressed", state.views.length > 0);
  for (const one of state.views) one.call(state.text[one.plane.name]);
}
