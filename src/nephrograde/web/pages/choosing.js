// Which model grades, which series shows which phase, and the panes of these series.

import { Pane } from "./pane.js";
import { describe, draw, say } from "./screen.js";
import { NO_KIDNEYS, byId, fill, get, phaseName, state, view } from "./state.js";
import { uploads } from "./uploads.js";
import { follow, page, setOut } from "./viewing.js";

export const chosen = { model: null, series: {}, masks: new Set() }; // series: by phase, "upload-id number"

export function listModels() {
  const { service } = state;
  const select = byId("model");
  select.replaceChildren(...service.models.map(({ model }) => new Option(model, model)));
  chosen.model = service.models.find(({ model }) => model === chosen.model?.model) ?? service.models[0];
  select.value = chosen.model.model;
  describeModel();
}

export function chooseModel(name) {
  chosen.model = state.service.models.find(({ model }) => model === name);
  chosen.series = {};
  chosen.masks.clear();
  useSeries();
}

function describeModel() {
  const { text } = state;
  const { model } = chosen;
  const synthetic = model.synthetic ? text.synthetic : "";
  byId("performance").textContent = [model.study, model.performance, synthetic].filter(Boolean).join(" · ");
  const [first] = model.places;
  const how = { point: text.mark_point, box: text.mark_box, slice: text.mark_slice_first, mask: text.mark_mask };
  byId("how").textContent = how[first] ?? text.mark_none;
  byId("mask-field").hidden = !model.places.includes("mask");
  byId("clinical").replaceChildren(...model.clinical.map((column) => {
    const field = Object.assign(document.createElement("label"), { className: "field" });
    const input = Object.assign(document.createElement("input"), { type: "text" });
    input.dataset.column = column;
    field.append(column, input);
    return field;
  }));
  listSeries();
}

// All series that can be shown, with the upload that they are from.
const usable = () => uploads.flatMap(({ id, series }) =>
  series.filter(({ problem }) => !problem).map((one) => ({ ...one, key: `${id} ${one.number}` })));

function listSeries() {
  const { text } = state;
  const found = usable();
  byId("series").replaceChildren(...chosen.model.phases.map(({ code, name }) => {
    const field = Object.assign(document.createElement("label"), { className: "field" });
    const select = document.createElement("select");
    select.dataset.phase = code;
    select.append(new Option(text.no_series, ""), ...found.map((one) => new Option(inWords(one), one.key)));
    select.value = chosen.series[code] ?? "";
    select.addEventListener("change", () => {
      chosen.series[code] = select.value;
      showSeries();
    });
    field.append(fill(text.series_of_phase, { phase: name }), select);
    return field;
  }));
}

function inWords({ number, description, phase, size }) {
  const { text } = state;
  const looks = phase ? fill(text.looks, { phase: phaseName(phase) }) : text.phase_unknown;
  const parts = [fill(text.series_n, { n: number }), description, fill(text.slices_n, { n: size[2] }), looks];
  return parts.filter(Boolean).join(" · ");
}

// Choose for each phase the series that looks most like it; a person may choose another one.
export function useSeries() {
  const found = usable();
  const known = new Set(found.map(({ key }) => key));
  for (const { code } of chosen.model.phases) {
    if (known.has(chosen.series[code])) continue;
    const taken = new Set(Object.values(chosen.series));
    const free = found.filter(({ key }) => !taken.has(key));
    const alike = free.filter(({ phase }) => phase === code).sort((a, b) => b.probability - a.probability);
    const only = chosen.model.phases.length === 1 ? free[0] : free.find(({ phase }) => !phase);
    chosen.series[code] = (alike[0] ?? only)?.key ?? "";
  }
  byId("choosing").hidden = !found.length;
  byId("tools").hidden = !found.length;
  describeModel();
  showSeries();
}

const addressOf = (key) => {
  const [id, number] = key.split(" ");
  return `/api/scans/${id}/series/${number}`;
};

// ---- the panes

function showSeries() {
  const phases = chosen.model.phases.filter(({ code }) => chosen.series[code]);
  state.current = {
    number: (state.current?.number ?? 0) + 1, patient_id: "", phases: {}, states: {}, seen: {}, conflicts: [],
    imported: [], comment: "", progress: "",
  };
  state.outbox.waiting.length = 0;
  Object.assign(view, { zoom: 1, centre: null, cross: null, isMoved: false });
  Object.assign(state, { corner: null, kidneys: NO_KIDNEYS, moving: null, active: null });
  chosen.masks.clear();
  byId("mask").value = "";
  byId("accept").checked = false;
  byId("accept-field").hidden = true;
  setOut(phases.map(({ code, name }) => new Pane(code, name, page)));
  dispatchEvent(new Event("shown"));
}

export async function show() {
  const { current, panes, text } = state;
  await Promise.all(panes.map(async (pane, n) => {
    pane.fail(text.reading);
    const address = addressOf(chosen.series[pane.phase]);
    try {
      const geometry = await get(address);
      if (state.current !== current) return;
      pane.show(address, geometry);
    } catch (error) {
      return pane.fail(fill(text.unreadable, { reason: error.message || text.unreachable }));
    }
    if (!view.isMoved && n === 0) view.height = pane.grid.heightOf(Math.floor(pane.grid.size[2] / 2));
    if (pane === state.active) follow();
    describe();
    draw();
  }));
  dispatchEvent(new Event("regions"));
}

// ---- a mask from a file

export async function acceptMask(file) {
  const { active, text } = state;
  if (!active) return;
  const reply = await fetch(`${addressOf(chosen.series[active.phase])}/mask`, { method: "PUT", body: file });
  if (!reply.ok) return say((await reply.json()).reason);
  chosen.masks.add(active.phase);
  say(text.mask_sent);
  dispatchEvent(new Event("regions"));
}
