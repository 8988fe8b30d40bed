// The labels of other readers, drawn over the reader's own where the server gives them, and taken over by a consensus.

import { send } from "./changes.js";
import { readPlace } from "./geometry.js";
import { button, draw } from "./screen.js";
import { byId, fill, get, state } from "./state.js";

const COLOURS = ["#ff9ad5", "#8dffb0", "#c9a6ff", "#ffb27a"];
const SLACK = 0.5; // slices

let shown = { number: null, readers: {} };

// Ask whenever a patient is opened or done; before both are done, the server gives no labels.
export async function lookAtReaders() {
  const { current } = state;
  const isKnown = shown.number === current.number && shown.progress === current.progress;
  if (isKnown) return;
  shown = { number: current.number, progress: current.progress, readers: {} };
  list();
  const found = await get(`/api/patients/${current.number}/readers`).catch(() => null);
  if (!found || shown.number !== current.number) return;
  Object.assign(shown, found);
  list();
  draw();
}

export function list() {
  const { text } = state;
  place("agreement-link", "a", byId("help-button")).textContent = text.agreement;
  byId("agreement-link").href = "/agreement";
  const panel = place("readers", "div", byId("tools"));
  panel.replaceChildren(...Object.entries(shown.readers).flatMap(([reader, labels], n) => {
    const name = document.createElement("span");
    name.className = "name";
    name.style.color = colour(n);
    name.textContent = `${fill(text.reader_labels, { reader })}${said(labels)}`;
    if (!shown.decides) return [name];
    const take = button(`${text.take_over}: ${reader}`, () => takeOver(labels));
    take.dataset.reader = reader;
    return [name, take];
  }));
}

function place(id, name, before) {
  const found = byId(id) ?? Object.assign(document.createElement(name), { id });
  if (!found.isConnected) before.before(found);
  return found;
}

function said({ states, comment, phases }) {
  const { text, study } = state;
  const words = study.phases.filter(({ code }) => states[code]).map(({ code, name }) => `${name}: ${text[states[code]]}`);
  const isEmpty = !words.length && !Object.values(phases).some((given) => Object.keys(given).length);
  const all = [...words, ...(isEmpty ? [text.nothing_marked] : []), ...(comment ? [`“${comment}”`] : [])];
  return all.length ? ` (${all.join("; ")})` : "";
}

// Everything that a reader said of the patient becomes the decision, except masks.
function takeOver({ phases, states }) {
  const { current } = state;
  for (const phase of state.patients[current.number].phases) {
    const [theirs, own] = [phases[phase] ?? {}, current.phases[phase] ?? {}];
    for (const kind of ["point", "box", "slice"]) {
      if (theirs[kind] && theirs[kind] !== own[kind]?.value) send(phase, kind, theirs[kind], "accepted");
      else if (!theirs[kind] && own[kind]) send(phase, kind, "");
    }
    const before = current.states[phase];
    if (states[phase] && states[phase] !== before) send(phase, states[phase], "yes", "accepted");
    else if (!states[phase] && before) send(phase, before, "");
  }
}

const colour = (n) => COLOURS[n % COLOURS.length];

export function drawReaders(pane) {
  if (shown.number !== state.current?.number || pane.isAxial === false) return;
  Object.values(shown.readers).forEach(({ phases }, n) => {
    for (const [kind, value] of Object.entries(phases[pane.phase] ?? {})) if (kind !== "mask") drawOne(pane, kind, value, colour(n), n);
  });
}

function drawOne(pane, kind, value, stroke, n) {
  const { context } = pane;
  const corners = readPlace(value);
  context.strokeStyle = stroke;
  context.lineWidth = 1.5;
  context.setLineDash([2, 3]);
  if (kind === "slice") {
    if (Math.round(pane.grid.sliceAt(corners[0][0])) !== pane.slice) return;
    const edge = 5 + 3 * n;
    context.strokeRect(edge, edge, pane.canvas.clientWidth - 20 - 2 * edge, pane.canvas.clientHeight - 2 * edge);
    return;
  }
  const indices = corners.map((corner) => pane.grid.toIndex(corner));
  const depths = indices.map((index) => index[2]);
  if (pane.slice < Math.min(...depths) - SLACK || pane.slice > Math.max(...depths) + SLACK) return;
  const [x, y] = pane.toScreen(indices[0]);
  if (kind === "box") {
    const [right, bottom] = pane.toScreen(indices[1]);
    context.strokeRect(x, y, right - x, bottom - y);
    return;
  }
  context.beginPath();
  context.arc(x, y, 9, 0, 2 * Math.PI);
  context.stroke();
}
