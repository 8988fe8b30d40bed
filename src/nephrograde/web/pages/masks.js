// The masks of a phase: the drawn one, as the server and this page know it, and the imported one.

import { carriedTo } from "./carried.js";
import { send } from "./changes.js";
import { writePoint } from "./geometry.js";
import { labelsOf } from "./labels.js";
import { Mask } from "./mask.js";
import { readVoxels, writeVoxels } from "./runs.js";
import { describe, draw, say } from "./screen.js";
import { fill, get, state, view } from "./state.js";

const REFUSED = "none";
const RETRY_MS = 2000;

export class Masks {
  constructor(pane) {
    this.pane = pane;
    this.number = state.current.number; // a pane may be drawn once more when the next patient is already known
    this.drawn = null;
    this.key = ""; // of what is in drawn, as the server names it
    this.imported = undefined; // { digest, mask, remarks } or { problem }, once it was asked for
    this.copied = null; // { key, from, mask }: the mask of another phase, on this grid
    this.asked = null; // { value, mask, licence }: a mask from clicks that was not decided about
    this.edits = 0;
    this.isBusy = false;
    this.isLoaded = false;
  }

  get label() {
    return state.current?.phases[this.pane.phase]?.mask;
  }

  // The imported mask, or one from clicks, as long as nothing was decided about it.
  get offered() {
    if (this.asked && !this.wanted) return this.asked.mask;
    return this.label || !this.imported?.mask ? null : this.imported.mask;
  }

  // Whether nothing has been said about a mask of this phase, so that one can be carried to it.
  get isFree() {
    return this.isReady && !this.drawn && !this.offered && !this.label;
  }

  // Whether what a stroke would change is known.
  get isReady() {
    const isAsked = this.label || this.imported !== undefined || !state.current.imported.includes(this.pane.phase);
    return Boolean(isAsked) && (this.isLoaded || !this.wanted);
  }

  get wanted() {
    const { label } = this;
    return label && label.value !== REFUSED ? label.value : "";
  }

  // The origin of further strokes.
  get origin() {
    return this.offered || ["accepted", "corrected"].includes(this.label?.origin) ? "corrected" : "drawn";
  }

  // Fetch what has changed on the server, unless changes of this page are still on their way.
  refresh() {
    if (this.number !== state.current.number) return;
    const { wanted } = this;
    if (!wanted && this.drawn && !this.stroke) {
      this.key = "";
      this.drawn = null;
      this.edits += 1;
    }
    if (this.isBusy || this.stroke || isWaiting()) return;
    if (wanted !== this.key) this.load(wanted);
    else if (this.imported === undefined && state.current.imported?.includes(this.pane.phase)) this.loadImported();
  }

  async load(wanted) {
    const { edits } = this;
    const content = await this.fetch("mask");
    if (!content) return;
    if (edits === this.edits) {
      this.key = wanted;
      this.isLoaded = true;
      this.drawn = content.value ? new Mask(this.pane.geometry, readVoxels(content.value)) : null;
      this.edits += 1;
      if (this.drawn) this.show(this.drawn);
      if (content.problem) say(content.problem);
    }
    describe();
    draw();
  }

  async loadImported() {
    const content = await this.fetch("imported");
    if (!content) return;
    this.imported = content.problem
      ? content
      : { ...content, mask: new Mask(this.pane.geometry, readVoxels(content.value)) };
    if (this.offered) this.show(this.offered);
    describe();
    draw();
  }

  // A part of the phase from the server, or why it refuses; null if it does not answer, and then it is asked again.
  async fetch(part) {
    this.isBusy = true;
    try {
      return await get(`${this.pane.address}/${part}`);
    } catch (error) {
      if (error.status) return { problem: error.message };
      await new Promise((done) => setTimeout(done, RETRY_MS));
      setTimeout(draw);
      return null;
    } finally {
      this.isBusy = false;
    }
  }

  // Open a patient at the mask, if nothing else says where.
  show(mask) {
    if (view.isMoved || mask.isEmpty || labelsOf(this.pane).length) return;
    view.height = this.pane.grid.heightOf(mask.largest);
  }

  // ---- changes

  accept() {
    if (!this.offered) return this.acceptCarried();
    this.drawn = this.offered.copy();
    this.edits += 1;
    this.isLoaded = true;
    this.sendOffered();
  }

  acceptCarried() {
    const carried = carriedTo(this);
    if (!carried || carried.mask.isEmpty) return;
    this.drawn = carried.mask;
    this.edits += 1;
    this.isLoaded = true;
    this.sendPlanes([...this.drawn.planes], "carried");
  }

  sendPlanes(planes, origin) {
    for (const value of writeVoxels(this.pane.geometry, planes)) send(this.pane.phase, "mask", value, origin);
  }

  sendOffered() {
    const value = this.asked?.value ?? `imported ${this.imported.digest}`;
    this.asked = null;
    send(this.pane.phase, "mask", value, "accepted");
  }

  refuse() {
    if (this.asked) return this.drop();
    if (!this.imported || this.label?.value === REFUSED) return;
    this.drawn = null;
    this.key = "";
    this.edits += 1;
    send(this.pane.phase, "mask", REFUSED, "refused");
  }

  // Save slices as they are now.
  save(numbers) {
    const { origin } = this;
    this.isLoaded = true;
    if (this.drawn.isEmpty) {
      const isImported = origin === "corrected";
      return send(this.pane.phase, "mask", isImported ? REFUSED : "", isImported ? "refused" : origin);
    }
    if (this.offered) this.sendOffered();
    this.sendPlanes(numbers.map((k) => [k, this.drawn.planes.get(k)]), origin);
  }

  // ---- masks from clicks

  // Ask the server of --assist for the mask around the point of this phase, or around the cross.
  async ask() {
    const { pane } = this;
    const { text } = state;
    const point = labelsOf(pane).find(({ kind }) => kind === "point")?.value ?? (view.cross && writePoint(view.cross));
    if (!point) return say(text.assist_no_click);
    if (this.wanted) return say(text.assist_has_mask);
    if (this.isBusy) return;
    this.isBusy = true;
    say(text.assist_waiting);
    try {
      const content = await get(`${pane.address}/assist`, { inside: [point] });
      if (this.wanted || this.number !== state.current.number) return;
      this.asked = { ...content, mask: new Mask(pane.geometry, readVoxels(content.value)) };
      this.edits += 1;
      say("");
    } catch (error) {
      say(error.message || text.unreachable);
    } finally {
      this.isBusy = false;
      describe();
      draw();
    }
  }

  drop() {
    this.asked = null;
    this.edits += 1;
    describe();
    draw();
  }

  // What is said about the mask over the image.
  get note() {
    const { text } = state;
    const { asked, label, imported } = this;
    if (asked && !this.wanted) {
      const licence = asked.licence ? fill(text.assist_licence, { licence: asked.licence }) : "";
      return [text.assist_offered, licence].filter(Boolean).join(" ");
    }
    if (label?.value === REFUSED) return text.mask_refused;
    if (label) return { accepted: text.mask_accepted, corrected: text.mask_corrected }[label.origin] ?? "";
    if (imported?.problem) return fill(text.mask_unusable, { reason: imported.problem });
    return imported ? [text.mask_imported, ...imported.remarks].join(" ") : "";
  }
}

export const masksOf = (pane) => (pane.masks ??= new Masks(pane));

const isWaiting = () => state.outbox.waiting.some(({ number, entry }) =>
  number === state.current?.number && ["mask", "undo", "redo"].includes(entry.kind));
