// The page: patients, phases side by side, labels, keys.

import { clamp, readPlace, writeBox, writePoint, writeSlice } from "./geometry.js";
import { Outbox } from "./entries.js";
import { Pane } from "./pane.js";
import { SliceStore } from "./slices.js";

const PLACES = ["point", "box", "slice"];
const CT_WINDOWS = [["window_kidney", -60, 240], ["window_soft", -125, 225], ["window_bone", -500, 1300]];
const FIRST_PAUSE_MS = 300;
const byId = (id) => document.getElementById(id);

const store = new SliceStore();
const view = { height: 0, zoom: 1, centre: null, cross: null, low: -60, high: 240 };
let study, text, patients, outbox;
let reported = null; // what was last said about saving
let current = null; // labels of the patient who is shown, as the server and this page know them
let panes = [];
let active = null;
let corner = null; // first corner of a box that is set by keyboard
let rolling = 0;
let isDrawing = false;

const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

async function get(address) {
  const reply = await fetch(address);
  const content = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(content.reason), { status: reply.status });
  return content;
}

// ---- what is drawn where

function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    for (const pane of panes) pane.draw();
  });
}

function labelsOf(pane) {
  if (!current) return [];
  const found = [];
  const own = current.phases[pane.phase] ?? {};
  for (const kind of PLACES) {
    if (own[kind]) found.push({ kind, value: own[kind].value, isCarried: false });
    else {
      const from = study.phases.find(({ code }) => current.phases[code]?.[kind]);
      if (from && !current.states[pane.phase]) {
        found.push({ kind, value: current.phases[from.code][kind].value, isCarried: true, from: from.name });
      }
    }
  }
  return found;
}

const page = {
  view,
  store,
  labelsOf,
  chosen(pane) {
    active = pane;
    for (const one of panes) one.element.classList.toggle("active", one === pane);
    for (const tab of byId("tabs").children) tab.setAttribute("aria-pressed", tab.dataset.phase === pane.phase);
    describe();
    draw();
  },
  rolled(pane, lines) {
    rolling += lines;
    const steps = Math.trunc(rolling);
    rolling -= steps;
    if (steps) page.jumped(pane.grid.heightOf(clamp(pane.slice - steps, 0, pane.grid.size[2] - 1)));
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
    pane.wanted = numbers.map((k) => pane.sliceAddress(k));
    const longest = Math.max(...panes.map((one) => one.wanted?.length ?? 0));
    const addresses = [];
    for (let n = 0; n < longest; n += 1) addresses.push(...panes.map((one) => one.wanted?.[n]).filter(Boolean));
    store.want(addresses);
  },
  drawn(pane, k) {
    const z = pane.grid.heightOf(k).toFixed(1);
    const carried = labelsOf(pane).find(({ isCarried }) => isCarried);
    const from = carried ? ` · ${fill(text.carried, { phase: carried.from })}` : "";
    pane.place.textContent = fill(text.slice_of, { k: k + 1, n: pane.grid.size[2], z }) + from;
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

// A box on another slice than an earlier flat one makes it a box in 3D; otherwise a box starts again.
function joined(pane, a, b) {
  const earlier = current.phases[pane.phase]?.box;
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

// ---- changes

function change(pane, kind, value, origin = "drawn") {
  if (!current || !pane?.grid) return;
  send(pane.phase, kind, value, origin);
}

function send(phase, kind, value, origin = "drawn") {
  const key = `${phase} ${kind}`;
  const entry = { patient_id: current.patient_id, phase, kind, value, origin, follows: current.seen[key] ?? "" };
  apply(outbox.add(current.number, entry));
  describe();
  draw();
}

// Show a change before the server has answered.
function apply(entry) {
  const { phase, kind, value, origin } = entry;
  if (kind === "undo" || kind === "redo") return;
  current.seen[`${phase} ${kind}`] = entry.id;
  if (kind === "comment") current.comment = value;
  else if (kind === "none" || kind === "unusable") current.states[phase] = value ? kind : "";
  else if (kind === "done") current.progress = value ? "done" : "started";
  if (kind === "comment" || kind === "done" || kind === "mask") return;
  const given = (current.phases[phase] ??= {});
  if (value) given[kind] = { value, origin };
  else delete given[kind];
  if (PLACES.includes(kind) && value) current.states[phase] = "";
}

function step(kind) {
  if (!current) return;
  const isQuiet = !outbox.waiting.length;
  if (isQuiet && !current[kind]) return;
  send("", kind, isQuiet ? current[kind] : "");
}

function toggle(kind) {
  if (!active) return;
  const isSet = current.states[active.phase] === kind;
  send(active.phase, kind, isSet ? "" : "yes");
}

function accept() {
  if (!active?.grid) return;
  const conflicts = current.conflicts.filter(({ phase }) => phase === active.phase);
  for (const { kind, counts } of conflicts) send(active.phase, kind, counts);
  for (const { kind, value, isCarried } of labelsOf(active)) {
    if (isCarried) change(active, kind, value, "accepted");
  }
}

function removeAll() {
  if (!active) return;
  const given = Object.keys(current.phases[active.phase] ?? {}).filter((kind) => kind !== "mask");
  for (const kind of given) send(active.phase, kind, "");
}

function markSlice() {
  if (active?.grid) change(active, "slice", writeSlice(active.grid.heightOf(active.slice)));
}

// ---- what the server says

function told({ patient, item, ...news }) {
  if (patient) adopt(patient);
  else if (news.fault === "refused" && item && item.number === current?.number) load(item.number);
  report(news);
}

function report(news) {
  const { waiting, fault, reason } = (reported = news);
  const saved = byId("saved");
  saved.className = fault && fault !== "refused" ? "unsaved" : waiting ? "" : "saved";
  saved.textContent = fault && fault !== "refused"
    ? fill(text.unsaved, { n: waiting })
    : waiting ? text.saving : text.saved;
  if (fault === "reopen") say(text.reopen);
  else if (fault === "refused") say(fill(text.refused, { reason }));
  else if (fault === "unreachable") say(text.unreachable);
  else say("");
}

function adopt(patient) {
  patients[patient.number].state = patient.progress;
  mark(patient.number);
  if (patient.number !== current?.number) return;
  current = patient;
  for (const { number, entry } of outbox.waiting) if (number === patient.number) apply(entry);
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

function say(sentence) {
  const conflict = current?.conflicts.length ? text.conflict : "";
  byId("message").textContent = sentence || conflict;
  byId("message").hidden = !(sentence || conflict);
}

// ---- patients

async function open(number) {
  if (number < 0 || number >= patients.length) return say(number < 0 ? "" : text.last);
  const labels = await get(`/api/patients/${number}`).catch((error) => say(error.message || text.unreachable));
  if (!labels) return;
  current = labels;
  for (const item of outbox.waiting) if (item.number === number) apply(item.entry);
  Object.assign(view, { zoom: 1, centre: null, cross: null });
  corner = null;
  byId("patient").textContent = labels.patient_id;
  byId("patients").classList.remove("open");
  location.replace(`#${number}`);
  markAll();
  build(labels.scans);
  say("");
  let placedBy = panes.length;
  view.isMoved = false;
  await Promise.all(panes.map(async (pane, n) => {
    pane.fail(text.reading);
    const address = `/api/patients/${number}/phases/${encodeURIComponent(pane.phase)}`;
    try {
      const geometry = await get(address);
      if (current.number !== number) return;
      pane.show(address, geometry);
    } catch (error) {
      pane.fail(fill(text.unreadable, { reason: error.message || text.unreachable }));
      return;
    }
    if (n < placedBy && !view.isMoved) {
      placedBy = n;
      view.height = startOf(pane);
      if (pane.geometry.slope !== 1 && view.low === -60) fullRange(pane);
    }
    draw();
  }));
  if (current.number === number) setTimeout(() => readAhead(number + 1), FIRST_PAUSE_MS);
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
  if (number >= patients.length) return;
  for (const phase of patients[number].phases) {
    await fetch(`/api/patients/${number}/phases/${encodeURIComponent(phase)}`).catch(() => {});
  }
}

const phaseName = (code) => study.phases.find((phase) => phase.code === code)?.name ?? code;

function build(scans) {
  panes = scans.map((code) => new Pane(code, phaseName(code), page));
  byId("panes").replaceChildren(...panes.map((pane) => pane.element));
  byId("tabs").replaceChildren(...panes.map((pane) => {
    const tab = button(pane.name.textContent, () => pane.canvas.focus() ?? page.chosen(pane));
    tab.dataset.phase = pane.phase;
    return tab;
  }));
  if (panes.length) {
    page.chosen(panes[0]);
    panes[0].canvas.focus({ preventScroll: true });
  }
}

function markAll() {
  for (let number = 0; number < patients.length; number += 1) mark(number);
}

function mark(number) {
  const { state, item } = patients[number];
  const sign = item.lastElementChild;
  sign.textContent = { open: "", started: "◐", done: "✓" }[state];
  sign.className = `mark ${state}`;
  item.setAttribute("aria-current", number === current?.number);
  if (number === current?.number) item.scrollIntoView({ block: "nearest" });
  const n = patients.filter((patient) => patient.state === "done").length;
  byId("count").textContent = fill(text.n_done, { n, total: patients.length });
}

function list() {
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

// ---- texts and tools

function button(label, does) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", does);
  return made;
}

function describe() {
  if (!current || !active) return;
  for (const pane of panes) pane.state.textContent = text[current.states[pane.phase]] ?? "";
  for (const tool of byId("actions").children) {
    if (tool.dataset.state) tool.setAttribute("aria-pressed", current.states[active.phase] === tool.dataset.state);
  }
  if (document.activeElement !== byId("comment")) byId("comment").value = current.comment;
}

function windows() {
  const ct = CT_WINDOWS.map(([name, low, high]) => [text[name], () => page.windowed(low, high)]);
  const own = study.windows.map(({ name, low, high }) => [name, () => page.windowed(low, high)]);
  return [...ct, [text.window_full, () => active?.grid && fullRange(active)], ...own];
}

const fullRange = (pane) => page.windowed(pane.geometry.low, pane.geometry.high);

function label() {
  document.documentElement.lang = text.lang;
  document.title = `${study.name} – nephrograde`;
  byId("footer").textContent = `${text.research_use_only} nephrograde ${study.version} · ${study.name} · ${study.reader}`;
  byId("patients-button").textContent = text.patients;
  byId("patients").setAttribute("aria-label", text.patients);
  byId("filter").placeholder = text.filter;
  byId("filter").setAttribute("aria-label", text.filter);
  byId("help-button").title = text.help;
  byId("help-button").setAttribute("aria-label", text.help);
  byId("language").textContent = study.language === "en" ? "中文" : "English";
  byId("comment-label").textContent = text.comment;
  byId("help-title").textContent = text.help;
  byId("help-close").textContent = text.close;
  const state = (kind) => Object.assign(button(text[kind], () => toggle(kind)), { id: `tool-${kind}` });
  const tools = [
    button(text.mark_slice, markSlice), state("none"), state("unusable"), button(text.accept, accept),
    button(text.remove, removeAll), button(text.undo, () => step("undo")), button(text.redo, () => step("redo")),
    button(text.previous, () => open(current.number - 1)), button(text.next, next),
  ];
  tools[1].dataset.state = "none";
  tools[2].dataset.state = "unusable";
  ["slice", "none", "unusable", "accept", "remove", "undo", "redo", "previous", "next"].forEach((name, n) => {
    tools[n].id = `tool-${name}`;
  });
  byId("actions").replaceChildren(...tools);
  byId("windows").replaceChildren(...windows().map(([name, does]) => button(name, does)));
  byId("keys").replaceChildren(...help());
  for (const pane of panes) pane.call(phaseName(pane.phase));
  for (const tab of byId("tabs").children) tab.textContent = phaseName(tab.dataset.phase);
}

function help() {
  const keys = [
    [text.key_click, text.key_click_does], [text.key_drag, text.key_drag_does], ["S", text.key_s], ["N", text.key_n],
    ["U", text.key_u], ["A", text.key_a], ["C", text.key_c], ["Delete", text.key_delete], ["Ctrl + Z", text.key_undo],
    ["Enter", text.key_enter], [text.key_scroll, text.key_scroll_does], [text.key_move, text.key_move_does],
    [text.key_zoom, text.key_zoom_does], [text.key_pan, text.key_pan_does], [text.key_window, text.key_window_does],
    [text.key_phase, text.key_phase_does], [text.key_touch, text.key_touch_does], ["?", text.help],
  ];
  return keys.flatMap(([key, does]) => [["dt", key], ["dd", does]]).map(([name, words]) => {
    const line = document.createElement(name);
    line.textContent = words;
    return line;
  });
}

function next() {
  if (!current) return;
  if (current.progress !== "done") send("", "done", "yes");
  return open(current.number + 1);
}

// ---- keys

function moveCross(across, down, isFine) {
  const { grid } = active;
  const middle = grid.toMm([(grid.size[0] - 1) / 2, (grid.size[1] - 1) / 2, active.slice]);
  const at = grid.toIndex(view.cross ?? middle);
  const mm = isFine ? 1 : 5;
  const index = [at[0] + (across * mm) / grid.spacing[0], at[1] + (down * mm) / grid.spacing[1], active.slice];
  view.cross = grid.toMm(index.map((value, axis) => clamp(value, 0, grid.size[axis] - 1)));
  draw();
}

function crossOn(pane) {
  const at = pane.grid.toIndex(view.cross);
  return [at[0], at[1], pane.slice];
}

function setCorner() {
  if (!view.cross) return;
  const at = crossOn(active);
  if (corner && corner[2] === at[2]) {
    page.boxed(active, [corner, at]);
    corner = null;
  } else corner = at;
}

const KEYS = {
  ArrowUp: (event) => (event.shiftKey ? moveCross(0, -1, event.ctrlKey) : page.rolled(active, -1)),
  ArrowDown: (event) => (event.shiftKey ? moveCross(0, 1, event.ctrlKey) : page.rolled(active, 1)),
  ArrowLeft: (event) => event.shiftKey && moveCross(-1, 0, event.ctrlKey),
  ArrowRight: (event) => event.shiftKey && moveCross(1, 0, event.ctrlKey),
  PageUp: () => page.rolled(active, -10),
  PageDown: () => page.rolled(active, 10),
  Home: () => page.jumped(active.grid.heightOf(active.grid.size[2] - 1)),
  End: () => page.jumped(active.grid.heightOf(0)),
  "+": () => page.zoomed(1.25),
  "=": () => page.zoomed(1.25),
  "-": () => page.zoomed(0.8),
  0: () => page.zoomed(0),
  p: () => view.cross && page.clicked(active, crossOn(active)),
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
  Enter: (event) => (event.shiftKey ? open(current.number - 1) : next()),
};

function pressed(event) {
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

// ---- start

async function speak(language) {
  study = await get(`/api/study${language ? `?lang=${language}` : ""}`);
  text = study.texts;
  label();
}

async function start() {
  try {
    await speak(localStorage.getItem("nephrograde language"));
    ({ patients } = await get("/api/patients"));
  } catch (error) {
    byId("message").textContent = error.message;
    byId("message").hidden = false;
    return;
  }
  outbox = new Outbox(`${study.name} ${study.reader}`, told);
  list();
  addEventListener("keydown", pressed);
  addEventListener("beforeunload", (event) => outbox.waiting.length && event.preventDefault());
  byId("filter").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const { patient_id, item } of patients) item.parentElement.hidden = !patient_id.toLowerCase().includes(wanted);
  });
  byId("comment").addEventListener("change", (event) => send("", "comment", event.target.value.trim()));
  byId("patients-button").addEventListener("click", (event) => {
    event.target.setAttribute("aria-expanded", byId("patients").classList.toggle("open"));
  });
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("help-close").addEventListener("click", () => byId("help").close());
  byId("language").addEventListener("click", async () => {
    const language = study.language === "en" ? "zh" : "en";
    localStorage.setItem("nephrograde language", language);
    await speak(language);
    markAll();
    describe();
    draw();
    if (reported) report(reported);
  });
  const asked = Number(location.hash.slice(1));
  const isKnown = location.hash && Number.isInteger(asked) && asked < patients.length;
  const firstOpen = patients.findIndex(({ state }) => state !== "done");
  await open(isKnown ? asked : Math.max(firstOpen, 0));
}

start();
