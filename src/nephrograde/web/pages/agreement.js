// How readers agree, and the scans to be looked at together; each leads to its patient.

const byId = (id) => document.getElementById(id);
const number = (value) => (value === null ? "–" : value.toFixed(2));

function row(cells, name = "td") {
  const line = document.createElement("tr");
  for (const content of cells) {
    const cell = document.createElement(name);
    cell.append(content);
    line.append(cell);
  }
  return line;
}

function spread({ q1, q3, low, high }) {
  const [from, to] = q1 === null ? [low, high] : [q1, q3];
  return from === null ? "" : `${number(from)} – ${number(to)}`;
}

function pair(texts, { reader, other_reader: other }) {
  return texts.pair.replace("{a}", reader).replace("{b}", other);
}

function link(one) {
  const made = document.createElement("a");
  made.href = `/#${one.number}`;
  made.textContent = one.patient_id;
  return made;
}

function show(found) {
  const { texts } = found;
  document.documentElement.lang = texts.lang;
  document.title = `${found.name} – ${texts.title}`;
  byId("title").textContent = texts.title;
  byId("back").textContent = texts.back;
  byId("rests-on").textContent = found.rows.length ? texts.rests_on : texts.none;
  byId("blind").textContent = texts.blind;
  byId("blind").hidden = found.decides;
  byId("footer").textContent = `${texts.research_use_only} ${found.name} · ${found.reader}`;
  if (found.rows.length) {
    byId("rows").replaceChildren(
      row([texts.phase, texts.measure, texts.readers, texts.value, texts.spread, "n"], "th"),
      ...found.rows.map((one) => row([one.phase_name, one.name, pair(texts, one), number(one.value), spread(one), one.n])),
    );
  }
  byId("list-title").textContent = texts.disagreements;
  byId("rule").textContent = texts.rule;
  if (!found.disagreements.length) return byId("list").replaceChildren(row([texts.all_agree]));
  byId("list").replaceChildren(
    row([texts.patient, texts.phase, texts.why, texts.readers, ""], "th"),
    ...found.disagreements.map((one) => {
      const line = row([link(one), one.phase_name, one.name, pair(texts, one), one.is_decided ? `✓ ${texts.decided}` : ""]);
      line.classList.toggle("decided", one.is_decided);
      return line;
    }),
  );
}

async function start() {
  const language = localStorage.getItem("nephrograde language");
  const reply = await fetch(`/api/agreement${language ? `?lang=${language}` : ""}`);
  const found = await reply.json();
  if (reply.ok) return show(found);
  byId("message").textContent = found.reason;
  byId("message").hidden = false;
}

start();
