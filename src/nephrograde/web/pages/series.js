// The choice of series: every series of a patient, and one click or key to correct it.

import { newId } from "./entries.js";

const RETRY_MS = 2000;
const byId = (id) => document.getElementById(id);
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

let about, text, patients;
let current = null; // the patient who is shown, as the server last described it
let wanted; // the number of the patient who was asked for last
let seen = ""; // which tables the server last showed to this page
let active = 0; // the series that keys act on
let isSending = false;
const session = newId();
const pictures = new Map(); // of the patient who is shown, by number of the series
const waiting = []; // changes that the server has not acknowledged yet

const inLanguage = (address) => `${address}?lang=${about?.language ?? localStorage.getItem("nephrograde language") ?? ""}`;

async function get(address) {
  const reply = await fetch(inLanguage(address));
  const content = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(content.reason), { status: reply.status });
  return content;
}

function element(name, className = "", words = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = words;
  return made;
}

function say(sentence) {
  byId("message").textContent = sentence;
  byId("message").hidden = !sentence;
}

// ---- saving

function choose(k, phase) {
  const one = current?.series[k];
  if (!one || one.fixed || current.problems.length) return;
  if ((one.correction?.phase ?? null) === phase) return;
  waiting.push({ number: current.number, k, phase, id: newId() });
  say("");
  report();
  draw();
  send();
}

async function send() {
  if (isSending) return;
  isSending = true;
  while (waiting.length) {
    const { number, k, phase, id } = waiting[0];
    let reply, content;
    try {
      reply = await fetch(inLanguage(`/api/series/${number}/${k}`), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ id, phase, seen, session }),
      });
      content = await reply.json();
    } catch {
      await later(text.unreachable);
      continue;
    }
    if ([401, 403, 421].includes(reply.status)) {
      await later(text.reopen);
      continue;
    }
    if (reply.status >= 500) {
      await later(content.reason);
      continue;
    }
    waiting.shift();
    if (reply.ok) {
      say("");
      adopt(content.patient);
    } else {
      waiting.length = 0; // what follows was decided on what is no longer so
      say(fill(text.refused, { reason: content.reason }));
      await load(current.number, false);
    }
    report(reply.ok);
  }
  isSending = false;
}

async function later(reason) {
  say(`${text.again} ${reason}`);
  report();
  await new Promise((done) => setTimeout(done, RETRY_MS));
}

function report(isSaved = false) {
  const saved = byId("saved");
  saved.className = waiting.length ? (byId("message").hidden ? "" : "unsaved") : isSaved ? "saved" : "";
  saved.textContent = waiting.length ? text.saving : isSaved ? text.saved : "";
}

function adopt(patient) {
  if (patient.number !== current?.number || patient.seen.split(" ")[0] !== seen.split(" ")[0]) pictures.clear();
  seen = patient.seen;
  const listed = patients[patient.number];
  Object.assign(listed, { n_corrected: patient.n_corrected, state: patient.state });
  mark(patient.number);
  if (patient.number !== current?.number) return;
  current = patient;
  draw();
}

// ---- patients

async function load(number, isNew) {
  if (isNew) wanted = number;
  try {
    const patient = await get(`/api/series/${number}`);
    if (isNew && number !== wanted) return;
    if (isNew && patient.number !== current?.number) pictures.clear();
    if (isNew) current = patient;
    adopt(patient);
  } catch (error) {
    say(error.message || text.unreachable);
  }
}

async function open(number) {
  if (number < 0 || number >= patients.length) return say(number < 0 ? "" : text.last);
  say("");
  active = 0;
  await load(number, true);
  if (current?.number !== number) return;
  byId("patient").textContent = current.patient_id;
  byId("patients").classList.remove("open");
  byId("series").scrollTop = 0;
  location.replace(`#${number}`);
  for (let n = 0; n < patients.length; n += 1) mark(n);
  if (!waiting.length) report();
}

function mark(number) {
  const { state, n_corrected: corrected, item } = patients[number];
  const sign = item.lastElementChild;
  sign.textContent = corrected ? `✎ ${corrected}` : { contradicted: "≠", unsure: "?", "": "" }[state];
  sign.className = `mark ${corrected ? "done" : state}`;
  sign.title = corrected ? "" : { contradicted: text.contradicted, unsure: text.unsure, "": "" }[state];
  item.setAttribute("aria-current", number === current?.number);
  if (number === current?.number) item.scrollIntoView({ block: "nearest" });
}

function list() {
  byId("list").replaceChildren(...patients.map((patient, number) => {
    const item = button("", () => open(number));
    item.append(element("span", "", patient.patient_id), element("span"));
    patient.item = item;
    const line = element("li");
    line.append(item);
    return line;
  }));
}

// ---- series

function button(label, does) {
  const made = element("button", "", label);
  made.type = "button";
  made.addEventListener("click", does);
  return made;
}

const phaseName = (code) => about.phases.find((phase) => phase.code === code)?.name ?? (code || text.unknown);
// CT series first, in the order of the table.
const shownOrder = () => current.series.map((_, k) => k).sort((a, b) => isAside(a) - isAside(b) || a - b);
const isAside = (k) => (current.series[k].fixed ? 1 : 0);

function draw() {
  if (!current) return;
  const focused = document.activeElement?.closest?.(".choices") ? document.activeElement.dataset.choice : null;
  byId("series").replaceChildren(...shownOrder().map((k, place) => card(current.series[k], place === active)));
  if (focused !== null) activeCard()?.querySelector(`[data-choice="${focused}"]`)?.focus({ preventScroll: true });
  const notes = [...current.problems];
  if (!notes.length && patients.some((patient) => patient.n_corrected)) {
    notes.push(fill(text.changed, { file: about.corrections }));
  }
  byId("note").textContent = notes.join(" ");
  byId("note").hidden = !notes.length;
}

function card(one, isActive) {
  const isDoubtful = one.is_contradicted || one.is_unsure;
  const made = element("li", "series");
  made.classList.toggle("chosen", one.is_chosen);
  made.classList.toggle("doubtful", isDoubtful);
  made.classList.toggle("active", isActive);
  made.classList.toggle("fixed", Boolean(one.fixed));
  made.dataset.k = one.number;
  made.addEventListener("pointerdown", () => activate(shownOrder().indexOf(one.number)));
  if (!one.fixed) made.append(picture(one));
  made.append(words(one));
  if (!one.fixed && !current.problems.length) made.append(choices(one));
  return made;
}

function picture(one) {
  if (pictures.has(one.number)) return pictures.get(one.number);
  const frame = element("div", "picture");
  pictures.set(one.number, frame);
  const image = element("img");
  image.loading = "lazy";
  image.alt = one.description;
  image.src = `/api/series/${current.number}/${one.number}/picture`;
  image.addEventListener("error", () => (frame.textContent = text.unread));
  frame.append(image);
  return frame;
}

function words(one) {
  const made = element("div", "words");
  made.append(element("h2", "", one.description || "–"));
  const sizes = [
    one.slices && fill(text.n_slices, { n: one.slices }),
    one.step_mm && fill(text.step, { mm: one.step_mm }),
    one.thickness_mm && fill(text.thickness, { mm: one.thickness_mm }),
  ].filter(Boolean);
  if (sizes.length) made.append(element("p", "quiet", sizes.join(" · ")));
  const chosen = one.is_chosen ? text.chosen : text.not_chosen;
  const phase = one.phase ? `${phaseName(one.phase)} ${one.probability}` : text.unknown;
  const line = element("p");
  line.append(element("span", one.is_chosen ? "badge" : "", one.is_mask ? `${text.mask} · ${chosen}` : `${phase} · ${chosen}`));
  made.append(line, element("p", "", [one.reason, one.detail].filter(Boolean).join(" – ")));
  if (one.is_contradicted) made.append(element("p", "alarm", text.contradicted));
  made.append(said(one));
  if (one.fixed) made.append(element("p", "quiet", one.fixed));
  else made.append(evidence(one));
  return made;
}

function evidence(one) {
  const made = element("ul");
  made.append(...one.evidence.map((line) => element("li", "", line)));
  return made;
}

function said(one) {
  const made = element("p", "said");
  const { correction } = one;
  if (correction) {
    const what = correction.phase ? fill(text.said_phase, { phase: phaseName(correction.phase) }) : text.said_out;
    const at = correction.at.slice(0, 16).replace("T", " ");
    const by = correction.reader && `(${fill(text.by, { reader: correction.reader, at })})`;
    made.append([what, by].filter(Boolean).join(" "));
  } else if (!one.is_applied) made.append(text.was);
  if (!one.is_applied) made.append(` ${text.pending}`);
  made.hidden = !made.textContent;
  return made;
}

function choices(one) {
  const made = element("div", "choices");
  const last = waiting.findLast(({ number, k }) => number === current.number && k === one.number);
  const now = last ? last.phase : (one.correction?.phase ?? null);
  const offered = [...about.phases.map(({ code, name }) => [code, name]), ["", text.leave_out], [null, text.automatic]];
  for (const [phase, name] of offered) {
    const choice = button(name, () => choose(one.number, phase));
    choice.dataset.choice = phase ?? "automatic";
    choice.setAttribute("aria-pressed", phase === now);
    choice.setAttribute("aria-busy", Boolean(last) && phase === now);
    made.append(choice);
  }
  return made;
}

const activeCard = () => byId("series").children[active];

function activate(place) {
  active = Math.min(Math.max(place, 0), current.series.length - 1);
  [...byId("series").children].forEach((one, n) => one.classList.toggle("active", n === active));
  activeCard()?.scrollIntoView({ block: "nearest" });
}

// ---- texts and keys

function label() {
  document.documentElement.lang = text.lang;
  document.title = `${text.series} · ${about.name} – nephrograde`;
  byId("footer").textContent = `${text.research_use_only} nephrograde ${about.version} · ${about.name} · ${about.reader}`;
  byId("to-annotate").textContent = text.annotate;
  byId("to-series").textContent = text.series;
  byId("patients-button").textContent = text.patients;
  byId("patients").setAttribute("aria-label", text.patients);
  byId("filter").placeholder = text.filter;
  byId("filter").setAttribute("aria-label", text.filter);
  byId("help-button").title = text.help;
  byId("help-button").setAttribute("aria-label", text.help);
  byId("language").textContent = about.language === "en" ? "中文" : "English";
  byId("help-title").textContent = text.help;
  byId("help-close").textContent = text.close;
  byId("previous").textContent = text.previous;
  byId("next").textContent = text.next;
  const n = patients.filter(({ state }) => state).length;
  byId("count").textContent = n ? fill(text.first, { n }) : "";
  const keys = ["move", "phase", "out", "back", "enter"].map((name) => [text[`key_${name}`], text[`key_${name}_does`]]);
  byId("keys").replaceChildren(...keys.flatMap(([key, does]) => [element("dt", "", key), element("dd", "", does)]));
}

const activeSeries = () => Number(activeCard()?.dataset.k);

const KEYS = {
  ArrowUp: () => activate(active - 1),
  ArrowDown: () => activate(active + 1),
  x: () => choose(activeSeries(), ""),
  Delete: () => choose(activeSeries(), null),
  Backspace: () => choose(activeSeries(), null),
  Enter: (event) => open(current.number + (event.shiftKey ? -1 : 1)),
  "?": () => byId("help").showModal(),
  h: () => byId("help").showModal(),
};

function pressed(event) {
  if (byId("help").open || !current || event.target instanceof HTMLInputElement) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(BUTTON|A)$/.test(event.target.tagName) && (key === "Enter" || key === " ")) return;
  const phase = about.phases[Number(key) - 1];
  if (phase) choose(activeSeries(), phase.code);
  else if (KEYS[key]) KEYS[key](event);
  else return;
  event.preventDefault();
}

// ---- start

async function speak() {
  about = await get("/api/series");
  text = about.texts;
  const items = patients?.map(({ item }) => item);
  patients = about.patients;
  if (items?.length === patients.length) patients.forEach((patient, n) => (patient.item = items[n]));
  else list();
  label();
}

async function start() {
  try {
    await speak();
  } catch (error) {
    return say(error.message);
  }
  addEventListener("keydown", pressed);
  addEventListener("beforeunload", (event) => waiting.length && event.preventDefault());
  byId("filter").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const { patient_id: id, item } of patients) item.parentElement.hidden = !id.toLowerCase().includes(wanted);
  });
  byId("patients-button").addEventListener("click", (event) => {
    event.target.setAttribute("aria-expanded", byId("patients").classList.toggle("open"));
  });
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("help-close").addEventListener("click", () => byId("help").close());
  byId("previous").addEventListener("click", () => open(current.number - 1));
  byId("next").addEventListener("click", () => open(current.number + 1));
  byId("language").addEventListener("click", async () => {
    about.language = about.language === "en" ? "zh" : "en";
    localStorage.setItem("nephrograde language", about.language);
    say("");
    await speak();
    if (current) await load(current.number, true);
    for (let n = 0; n < patients.length; n += 1) mark(n);
    if (!waiting.length) report();
  });
  if (!patients.length) return say(text.none);
  const asked = Number(location.hash.slice(1));
  await open(location.hash && asked < patients.length ? asked : 0);
}

start();
