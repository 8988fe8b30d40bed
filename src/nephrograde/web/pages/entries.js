// Entries on their way to the journal: kept in this browser until the server has acknowledged them.

const LONGEST_PAUSE_S = 30;
const RETRY_MS = 2000;

export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// Seconds of activity: the time between events, without pauses.
export class Clock {
  constructor() {
    this.last = performance.now();
    this.active = 0;
    for (const kind of ["pointerdown", "pointermove", "wheel", "keydown"]) {
      addEventListener(kind, () => this.tick(), { capture: true, passive: true });
    }
  }

  tick() {
    const now = performance.now();
    const pause = (now - this.last) / 1000;
    if (pause <= LONGEST_PAUSE_S) this.active += pause;
    this.last = now;
  }

  take() {
    this.tick();
    const active = this.active;
    this.active = 0;
    return Math.round(active * 1000) / 1000;
  }
}

export class Outbox {
  // told({ waiting, fault, patient }) is called after every change.
  constructor(name, told) {
    this.prefix = `nephrograde ${name} `;
    this.told = told;
    this.session = newId();
    this.clock = new Clock();
    this.waiting = this.stored();
    this.isSending = false;
    if (this.waiting.length) this.send();
  }

  stored() {
    const found = [];
    for (let n = 0; n < localStorage.length; n += 1) {
      const key = localStorage.key(n);
      if (!key.startsWith(this.prefix)) continue;
      try {
        found.push(JSON.parse(localStorage.getItem(key)));
      } catch {
        localStorage.removeItem(key);
      }
    }
    return found.sort((a, b) => (a.order < b.order ? -1 : 1));
  }

  // Queue an entry; it is complete except for what only the outbox knows.
  add(number, entry) {
    const whole = {
      id: newId(),
      at: new Date().toISOString(),
      session: this.session,
      active_s: this.clock.take(),
      origin: "drawn",
      version: 1,
      ...entry,
    };
    const item = { number, order: `${whole.at} ${String(this.waiting.length).padStart(6, "0")}`, entry: whole };
    this.waiting.push(item);
    try {
      localStorage.setItem(this.prefix + whole.id, JSON.stringify(item));
    } catch {
      // A full or forbidden storage: the entry is still sent, and the page says "saved" only after the reply.
    }
    this.told({ waiting: this.waiting.length });
    this.send();
    return whole;
  }

  async send() {
    if (this.isSending) return;
    this.isSending = true;
    while (this.waiting.length) {
      const item = this.waiting[0];
      let reply, content;
      try {
        reply = await fetch(`/api/patients/${item.number}/entries`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(item.entry),
        });
        content = await reply.json();
      } catch {
        this.told({ waiting: this.waiting.length, fault: "unreachable" });
        await later();
        continue;
      }
      if (reply.status === 401 || reply.status === 403 || reply.status === 421) {
        this.told({ waiting: this.waiting.length, fault: "reopen" });
        await later();
        continue;
      }
      if (reply.status >= 500) {
        this.told({ waiting: this.waiting.length, fault: "refused", reason: content.reason });
        await later();
        continue;
      }
      this.waiting.shift();
      localStorage.removeItem(this.prefix + item.entry.id);
      const fault = reply.ok ? undefined : "refused";
      this.told({ waiting: this.waiting.length, fault, reason: content.reason, patient: content.patient, item });
    }
    this.isSending = false;
  }
}

const later = () => new Promise((done) => setTimeout(done, RETRY_MS));
