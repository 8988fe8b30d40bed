// The scans that were sent: on their way, being read, and removed.

import { button } from "./screen.js";
import { byId, fill, state } from "./state.js";
import { finished, stepText } from "./waiting.js";

export const uploads = []; // { name, id, series, said, isBad, share, request }

export function sendFile(file) {
  const { service, text } = state;
  const upload = { name: file.name, id: "", series: [], said: "", isBad: false, share: 0, request: null };
  uploads.push(upload);
  if (file.size > service.upload_bytes) return fail(upload, text.too_large);
  const request = new XMLHttpRequest();
  upload.request = request;
  request.open("POST", `/api/scans?lang=${service.language}`);
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    upload.share = loaded / total;
    tell(upload, fill(state.text.sending, { n: Math.floor(100 * upload.share) }));
  });
  request.addEventListener("load", () => {
    upload.share = 0;
    const reply = JSON.parse(request.responseText);
    if (request.status !== 202) return fail(upload, reply.reason);
    upload.id = reply.id;
    read(upload);
  });
  request.addEventListener("error", () => fail(upload, state.text.unreachable));
  request.send(file);
  listUploads();
}

async function read(upload) {
  try {
    const told = (reply) => tell(upload, stepText(reply));
    const reply = await finished(`/api/scans/${upload.id}`, told, () => uploads.includes(upload));
    if (!reply) return;
    upload.series = reply.series;
    tell(upload, "");
    dispatchEvent(new Event("series"));
  } catch (error) {
    fail(upload, error.message);
  }
}

function tell(upload, said) {
  upload.said = said;
  listUploads();
}

function fail(upload, reason) {
  Object.assign(upload, { isBad: true, share: 0, id: "" });
  tell(upload, reason);
}

export function listUploads() {
  const { text } = state;
  byId("uploads").replaceChildren(...uploads.map((upload) => {
    const line = document.createElement("li");
    const [name, said] = [document.createElement("span"), document.createElement("span")];
    name.className = "name";
    name.textContent = upload.name;
    said.className = upload.isBad ? "state bad" : "state";
    said.textContent = upload.said || problems(upload);
    line.append(name, button(text.remove_scan, () => remove(upload)), said);
    if (upload.share) line.append(Object.assign(document.createElement("progress"), { value: upload.share }));
    return line;
  }));
}

// What is wrong with single series of an upload.
const problems = ({ series }) =>
  series.filter(({ problem }) => problem).map(({ number, problem }) => `${number}: ${problem.reason}`).join(" ");

function remove(upload) {
  uploads.splice(uploads.indexOf(upload), 1);
  upload.request?.abort();
  if (upload.id) fetch(`/api/scans/${upload.id}`, { method: "DELETE" }).catch(() => {});
  listUploads();
  dispatchEvent(new Event("series"));
}

// When the page is closed, nothing of it stays on the server.
export function forgetAll() {
  for (const { id } of uploads) if (id) fetch(`/api/scans/${id}`, { method: "DELETE", keepalive: true });
}
