// Slices of 16-bit values: fetched once, kept as long as there is room, the next ones fetched ahead.

const ROOM_BYTES = 192 * 1024 * 1024;
const AHEAD = 8;
const AT_ONCE = 4;

export class SliceStore {
  constructor() {
    this.held = new Map(); // address -> Int16Array, the one used last at the end
    this.bytes = 0;
    this.running = new Map();
    this.waiting = [];
  }

  peek(address) {
    const values = this.held.get(address);
    if (values) {
      this.held.delete(address);
      this.held.set(address, values);
    }
    return values;
  }

  get(address) {
    const values = this.peek(address);
    if (values) return Promise.resolve(values);
    if (!this.running.has(address)) {
      const fetched = this.fetch(address).finally(() => {
        this.running.delete(address);
        this.fetchAhead();
      });
      this.running.set(address, fetched);
    }
    return this.running.get(address);
  }

  async fetch(address) {
    const reply = await fetch(address);
    if (!reply.ok) throw new Error((await reply.json()).reason);
    const values = new Int16Array(await reply.arrayBuffer());
    this.held.set(address, values);
    this.bytes += values.byteLength;
    for (const [oldest, old] of this.held) {
      if (this.bytes <= ROOM_BYTES || oldest === address) break;
      this.held.delete(oldest);
      this.bytes -= old.byteLength;
    }
    return values;
  }

  // Replace what is to be fetched ahead; what is shown has the first turn.
  want(addresses) {
    this.waiting = addresses.filter((address) => !this.held.has(address) && !this.running.has(address));
    this.fetchAhead();
  }

  fetchAhead() {
    while (this.running.size < AT_ONCE && this.waiting.length) {
      const address = this.waiting.shift();
      if (!this.held.has(address)) this.get(address).catch(() => {});
    }
  }
}

// The slices next to k, in the direction of scrolling first.
export function around(k, count, direction) {
  const found = [];
  for (let step = 1; step <= AHEAD; step += 1) {
    found.push(k + step * direction);
    if (step <= AHEAD / 2) found.push(k - step * direction);
  }
  return found.filter((one) => one >= 0 && one < count);
}

const table = new Uint32Array(65536);
let tableOf = "";

// Paint a slice through a window; low and high are in the units of the file.
export function paint(values, pixels, { low, high, slope, intercept }) {
  const name = `${low} ${high} ${slope} ${intercept}`;
  if (name !== tableOf) {
    for (let stored = -32768; stored < 32768; stored += 1) {
      const share = (stored * slope + intercept - low) / (high - low || 1);
      const grey = Math.round(255 * Math.min(Math.max(share, 0), 1));
      table[stored & 0xffff] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
    tableOf = name;
  }
  for (let n = 0; n < values.length; n += 1) pixels[n] = table[values[n] & 0xffff];
}
