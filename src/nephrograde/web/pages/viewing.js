// How the patient is looked at: the slice, zoom, window and active phase that all panes share, and what a pane calls.

import { carriedTo } from "./carried.js";
import { change } from "./changes.js";
import { clamp, writePoint } from "./geometry.js";
import { joined, labelsOf } from "./labels.js";
import { masksOf } from "./masks.js";
import { button, describe, draw } from "./screen.js";
import { sideOf } from "./sides.js";
import { byId, fill, state, store, view } from "./state.js";

const CT_WINDOWS = [["window_kidney", -60, 240], ["window_soft", -125, 225], ["window_bone", -500, 1300]];
let rolling = 0;

export const page = {
  view,
  store,
  labelsOf,
  kidneys: () => state.kidneys.kidneys,
  // A box whose first corner was set by key: to the cross.
  begun(pane) {
    const { active, corner } = state;
    return pane === active && corner?.[2] === pane.slice ? [corner, crossOn(pane)] : null;
  },
  chosen(pane) {
    if (!pane.isAxial) return;
    if (pane !== state.active) state.corner = null;
    state.active = pane;
    for (const one of state.panes) one.element.classList.toggle("active", one === pane);
    for (const tab of byId("tabs").children) tab.setAttribute("aria-pressed", tab.dataset.phase === pane.phase);
    follow();
    describe();
    draw();
  },
  rolled(pane, lines) {
    rolling += lines;
    const steps = Math.trunc(rolling);
    rolling -= steps;
    if (!steps) return;
    const { through } = pane.plane;
    const k = clamp(pane.slice - steps, 0, pane.grid.size[through] - 1);
    if (pane.isAxial) return page.jumped(pane.grid.heightOf(k));
    const index = crossOn(state.active);
    index[through] = k;
    page.pointed(pane, index);
  },
  // Move the cross and the axial slice to a position on the grid of a pane.
  pointed(pane, index) {
    view.cross = pane.grid.toMm(index);
    page.jumped(pane.grid.heightOf(clamp(Math.round(index[2]), 0, pane.grid.size[2] - 1)));
  },
  jumped(height) {
    Object.assign(view, { height, isMoved: true });
    draw();
  },
  zoomed(factor) {
    view.zoom = clamp(view.zoom * factor, 1, 20);
    if (view.zoom === 1) view.centre = null;
    draw();
  },
  panned(mm) {
    view.centre = mm;
    draw();
  },
  windowed(low, high) {
    Object.assign(view, { low, high });
    draw();
  },
  wanted(pane, numbers) {
    const panes = [...state.panes, ...state.views];
    pane.wanted = numbers.map((k) => pane.sliceAddress(k));
    const longest = Math.max(...panes.map((one) => one.wanted?.length ?? 0));
    const addresses = [];
    for (let n = 0; n < longest; n += 1) addresses.push(...panes.map((one) => one.wanted?.[n]).filter(Boolean));
    store.want(addresses);
  },
  drawn(pane, k) {
    const { text } = state;
    const { grid, plane } = pane;
    const z = grid.middleOf(plane.through, k)[plane.through].toFixed(1);
    const said = [fill(text.slice_of, { k: k + 1, n: grid.size[plane.through], z })];
    if (pane.isAxial) {
      const labels = labelsOf(pane);
      const carried = labels.find(({ isCarried }) => isCarried) ?? carriedTo(masksOf(pane));
      if (carried) said.push(fill(text.carried, { phase: carried.from }));
      said.push(...new Set(labels.map((label) => text[sideOf(pane, label)]).filter(Boolean)));
    }
    pane.place.textContent = said.join(" · ");
  },
  clicked(pane, index) {
    view.cross = pane.grid.toMm(index);
    change(pane, "point", writePoint(view.cross));
  },
  boxed(pane, [a, b]) {
    if (Math.abs(a[0] - b[0]) < 1 || Math.abs(a[1] - b[1]) < 1) return;
    change(pane, "box", joined(pane, a, b));
  },
};

// Put panes on the page, with a tab for each.
export function setOut(panes) {
  state.panes = panes;
  byId("panes").replaceChildren(...panes.map((pane) => pane.element));
  byId("tabs").replaceChildren(...panes.map((pane) => {
    const tab = button(pane.name.textContent, () => pane.canvas.focus() ?? page.chosen(pane));
    tab.dataset.phase = pane.phase;
    return tab;
  }));
  if (panes.length) page.chosen(panes[0]);
}

// The cross on the slice that a pane shows, as an index of its grid; the middle of the slice if there is no cross yet.
export function crossOn(pane) {
  const { grid, slice } = pane;
  const at = view.cross ? grid.toIndex(view.cross) : grid.size.map((count) => (count - 1) / 2);
  return [clamp(at[0], 0, grid.size[0] - 1), clamp(at[1], 0, grid.size[1] - 1), slice];
}

// Show the active phase in the coronal and sagittal views, which need a cross to know where.
export function follow() {
  const { active, views } = state;
  if (!views.length) return;
  if (active?.grid) view.cross ??= active.grid.toMm(crossOn(active));
  for (const one of views) {
    one.phase = active?.phase;
    if (!active?.grid) one.fail("");
    else if (one.address !== active.address || !one.grid) one.show(active.address, active.geometry);
  }
}

export const fullRange = (pane) => page.windowed(pane.geometry.low, pane.geometry.high);

// The windows by name, in the order of their digit keys.
export function windows() {
  const { study, text } = state;
  const ct = CT_WINDOWS.map(([name, low, high]) => [text[name], () => page.windowed(low, high)]);
  const own = study.windows.map(({ name, low, high }) => [name, () => page.windowed(low, high)]);
  return [...ct, [text.window_full, () => state.active?.grid && fullRange(state.active)], ...own];
}
