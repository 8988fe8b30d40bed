// The patients: their list, the one who is opened with its phases, and the next one, read ahead.

import { send } from "./changes.js";
import { readPlace } from "./geometry.js";
import { askForKidneys } from "./kidneys.js";
import { apply, labelsOf } from "./labels.js";
import { putDown } from "./moving.js";
import { Pane } from "./pane.js";
import { lookAtReaders } from "./readers.js";
import { button, describe, draw, report, say } from "./screen.js";
import { NO_KIDNEYS, byId, fill, get, phaseName, state, view } from "./state.js";
import { follow, fullRange, page, setOut } from "./viewing.js";

const FIRST_PAUSE_MS = 300;

// The patient who was asked for last: an answer about one asked for before comes too late.
let wanted;

export async function open(number) {
  const { patients, text } = state;
  putDown();
  if (number < 0 || number >= patients.length) return say(number < 0 ? "" : text.last);
  wanted = number;
  const labels = await get(`/api/patients/${number}`).catch((error) => say(error.message || text.unreachable));
  if (!labels || number !== wanted) return;
  state.current = labels;
  for (const item of state.outbox.waiting) if (item.number === number) apply(item.entry);
  Object.assign(view, { zoom: 1, centre: null, cross: null, isMoved: false });
  Object.assign(state, { corner: null, kidneys: NO_KIDNEYS, kidneyShown: "" });
  byId("patient").textContent = labels.patient_id;
  byId("patients").classList.remove("open");
  location.replace(`#${number}`);
  markAll();
  build(labels.scans);
  lookAtReaders();
  say("");
  await showScans(number);
  setTimeout(() => {
    if (state.current.number !== number) return;
    askForKidneys(number);
    readAhead(number + 1);
  }, FIRST_PAUSE_MS);
}

async function showScans(number) {
  const { panes } = state;
  let placedBy = panes.length;
  await Promise.all(panes.map(async (pane, n) => {
    pane.fail(state.text.reading);
    const address = `/api/patients/${number}/phases/${encodeURIComponent(pane.phase)}`;
    try {
      const geometry = await get(address);
      if (state.current.number !== number) return;
      pane.show(address, geometry);
    } catch (error) {
      pane.fail(fill(state.text.unreadable, { reason: error.message || state.text.unreachable }));
      return;
    }
    if (n < placedBy && !view.isMoved) {
      placedBy = n;
      view.height = startOf(pane);
      if (pane.geometry.slope !== 1 && view.low === -60) fullRange(pane);
    }
    if (pane === state.active) follow();
    draw();
  }));
}

// Where a patient opens: at the first label, otherwise in the middle.
function startOf(pane) {
  for (const { kind, value } of labelsOf(pane)) {
    const corner = readPlace(value)[0];
    return kind === "slice" ? corner[0] : corner[2];
  }
  return pane.grid.heightOf(Math.floor(pane.grid.size[2] / 2));
}

async function readAhead(number) {
  if (number >= state.patients.length) return;
  for (const phase of state.patients[number].phases) {
    await fetch(`/api/patients/${number}/phases/${encodeURIComponent(phase)}`).catch(() => {});
  }
}

function build(scans) {
  setOut(scans.map((code) => new Pane(code, phaseName(code), page)));
  state.panes[0]?.canvas.focus({ preventScroll: true });
}

export function next() {
  const { current } = state;
  if (!current) return;
  putDown();
  if (current.progress !== "done") send("", "done", "yes");
  return open(current.number + 1);
}

export const previous = () => open(state.current.number - 1);

// ---- the list

export function list() {
  const { patients } = state;
  byId("list").replaceChildren(...patients.map((patient, number) => {
    const item = button("", () => open(number));
    const [name, sign] = [document.createElement("span"), document.createElement("span")];
    name.textContent = patient.patient_id;
    item.append(name, sign);
    patient.item = item;
    const line = document.createElement("li");
    line.append(item);
    return line;
  }));
}

export function filter(wanted) {
  for (const { patient_id, item } of state.patients) {
    item.parentElement.hidden = !patient_id.toLowerCase().includes(wanted);
  }
}

export function markAll() {
  for (let number = 0; number < state.patients.length; number += 1) mark(number);
}

function mark(number) {
  const { current, patients, text } = state;
  const { state: progress, item } = patients[number];
  const sign = item.lastElementChild;
  sign.textContent = { open: "", started: "◐", done: "✓" }[progress];
  sign.className = `mark ${progress}`;
  item.setAttribute("aria-current", number === current?.number);
  if (number === current?.number) item.scrollIntoView({ block: "nearest" });
  const n = patients.filter((patient) => patient.state === "done").length;
  byId("count").textContent = fill(text.n_done, { n, total: patients.length });
}

// ---- what the server says

// Called by the outbox after every change of what waits.
export function told({ patient, item, ...news }) {
  if (patient) adopt(patient);
  else if (news.fault === "refused" && item && item.number === state.current?.number) load(item.number);
  report(news);
}

function adopt(patient) {
  state.patients[patient.number].state = patient.progress;
  mark(patient.number);
  if (patient.number !== state.current?.number) return;
  state.current = patient;
  for (const { number, entry } of state.outbox.waiting) if (number === patient.number) apply(entry);
  lookAtReaders();
  describe();
  draw();
}

async function load(number) {
  try {
    adopt(await get(`/api/patients/${number}`));
  } catch (error) {
    say(error.message);
  }
}
