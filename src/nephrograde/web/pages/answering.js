// The regions that were marked, the request for a grading, and its answer.

import { chosen } from "./choosing.js";
import { labelsOf } from "./labels.js";
import { masksOf } from "./masks.js";
import { writeVoxels } from "./runs.js";
import { say } from "./screen.js";
import { byId, fill, get, state } from "./state.js";
import { finished, stepText } from "./waiting.js";

let grading = ""; // the id of the last one
let isWanted = false;
let n_entries = 0;

// Marks stay in this page until they are sent with the request for a grading.
export function listenForRegions() {
  state.outbox = {
    waiting: [],
    add(number, entry) {
      const made = { ...entry, id: `${(n_entries += 1)}` };
      if (entry.kind === "mask") this.waiting.push({ number, entry: made }); // it is asked of no server
      queueMicrotask(allow);
      return made;
    },
  };
  addEventListener("regions", allow);
}

// What is marked on a phase, as far as the model takes it.
function regionOf(pane) {
  const { places } = chosen.model;
  const region = {};
  for (const { kind, value } of labelsOf(pane)) if (places.includes(kind)) region[kind] = value;
  const { drawn } = masksOf(pane);
  if (!places.includes("mask")) return region;
  if (drawn && !drawn.isEmpty) region.drawn = writeVoxels(pane.geometry, [...drawn.planes]);
  else if (chosen.masks.has(pane.phase)) region.mask = true;
  return region;
}

function allow() {
  const panes = state.panes.filter(({ grid }) => grid);
  const isMarked = panes.some((pane) => Object.keys(regionOf(pane)).length);
  byId("grade").disabled = isWanted || !panes.length || (chosen.model.places.length > 0 && !isMarked);
}

function order() {
  const scans = {};
  for (const pane of state.panes) {
    const [scan, number] = chosen.series[pane.phase].split(" ");
    scans[pane.phase] = { scan, series: Number(number), ...regionOf(pane) };
  }
  const clinical = {};
  for (const input of byId("clinical").querySelectorAll("input")) {
    if (input.value.trim()) clinical[input.dataset.column] = input.value.trim();
  }
  return { model: chosen.model.model, scans, clinical, keep: true, accept_phase: byId("accept").checked };
}

export async function grade() {
  const { service, text } = state;
  byId("answer").hidden = true;
  working(true);
  say("");
  try {
    ({ id: grading } = await get(`/api/gradings?lang=${service.language}`, order()));
    const told = (reply) => (byId("progress").textContent = stepText(reply));
    const reply = await finished(`/api/gradings/${grading}`, told, () => isWanted);
    if (reply) showAnswer(reply);
  } catch (error) {
    if (error.code === "wrong-phase") byId("accept-field").hidden = false;
    if (isWanted) say(error.message || text.unreachable);
  }
  working(false);
}

export function cancelGrading() {
  isWanted = false;
  if (grading) fetch(`/api/gradings/${grading}`, { method: "DELETE" }).catch(() => {});
  working(false);
}

function working(is) {
  isWanted = is;
  byId("cancel").hidden = !is;
  byId("progress").textContent = is ? state.text.step_working : "";
  allow();
}

// In another language.
export async function answerAgain() {
  allow();
  if (byId("answer").hidden) return;
  const reply = await get(`/api/gradings/${grading}?lang=${state.service.language}`).catch((error) => say(error.message));
  if (reply) showAnswer(reply);
}

function showAnswer({ id, answer, files }) {
  const { service, text } = state;
  const number = (value) => value.toFixed(3);
  const [low, high] = [Math.min(...answer.p_high_of_folds), Math.max(...answer.p_high_of_folds)];
  const values = { p: number(answer.p_high), low: number(low), high: number(high) };
  const address = `/api/gradings/${id}`;
  const links = [["report.pdf", text.get_pdf], ["report.dcm", text.get_sr], ["capture.dcm", text.get_capture],
    ...files.filter((name) => name.startsWith("segmentation-")).map((name) => [name, text.get_segmentation]),
    ["overlay.nii.gz", text.get_overlay]];
  const given = links.filter(([name]) => name === "report.pdf" || files.includes(name));
  byId("answer").replaceChildren(
    made("p", "call", answer.call === "high" ? text.high : text.low),
    made("p", "probability", fill(text.probability, values)),
    made("p", "research", answer.research_use_only),
    ...(answer.synthetic ? [made("p", "synthetic", text.synthetic)] : []),
    made("h2", "", text.warnings),
    ...list([...answer.warnings, ...answer.remarks], "warning", text.no_warnings),
    picture(`${address}/picture.png`, text.picture),
    made("p", "quiet", text.picture),
    ...(files.includes("overlay.png")
      ? [picture(`${address}/overlay.png`, text.overlay), made("p", "quiet", text.overlay)]
      : []),
    made("h2", "", text.details),
    ...list(answer.lines, "", ""),
    wrap("p", "links", given.map(([name, said]) => {
      const link = made("a", "", said);
      link.href = `${address}/${name}?lang=${service.language}`;
      link.download = `nephrograde-${name}`;
      return link;
    })),
  );
  byId("answer").hidden = false;
}

function list(lines, kind, otherwise) {
  if (!lines.length) return [made("p", "quiet", otherwise)];
  return [wrap("ul", kind, lines.map((line) => made("li", "", line)))];
}

const made = (name, kind, words) =>
  Object.assign(document.createElement(name), { className: kind, textContent: words });

function wrap(name, kind, parts) {
  const whole = made(name, kind, "");
  whole.append(...parts);
  return whole;
}

const picture = (address, words) => Object.assign(document.createElement("img"), { src: address, alt: words });
