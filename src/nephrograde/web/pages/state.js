// What all modules of the page share: the study, its sentences, the patient who is shown, and how it is shown.

import { SliceStore } from "./slices.js";

export const PLACES = ["point", "box", "slice"];

export const store = new SliceStore();
export const view = { height: 0, zoom: 1, centre: null, cross: null, low: -60, high: 240 };
export const NO_KIDNEYS = { state: "", kidneys: {} };
export const state = {
  study: null,
  text: null,
  patients: null,
  outbox: null,
  current: null, // labels of the patient who is shown, as the server and this page know them
  panes: [],
  active: null, // the pane of the phase that labels and keys are about
  views: [], // coronal and sagittal views of that phase, if they are shown
  kidneys: NO_KIDNEYS, // centres by side, mm, as far as the program has found them
  kidneyShown: "", // the side that was jumped to
  moving: null, // a label on its way; see moving.js
  corner: null, // first corner of a box that is set by keyboard
};

export const byId = (id) => document.getElementById(id);
export const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
export const phaseName = (code) => state.study.phases.find((phase) => phase.code === code)?.name ?? code;

// What the server says at an address; with something to send, in reply to it.
export async function get(address, sent) {
  const posted = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(sent) };
  const reply = await fetch(address, sent && posted);
  const content = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(content.reason), { status: reply.status, code: content.code });
  return content;
}
