// The written form of a mask: its grid, and the runs of marked voxels of each slice, as in annotations/voxels.py.

const FIRST = 48;
const LONGEST = 48_000; // characters; an entry with several slices is divided before it becomes too large to be sent

export function writeRuns(plane) {
  const counts = [];
  let start = 0;
  for (let n = 1; n <= plane.length; n += 1) {
    if (n < plane.length && plane[n] === plane[n - 1]) continue;
    if (n - start && !counts.length && plane[start]) counts.push(0);
    if (n < plane.length || plane[start]) counts.push(n - start);
    start = n;
  }
  return counts.map((count, n) => writeNumber(n > 2 ? count - counts[n - 2] : count)).join("");
}

function writeNumber(number) {
  let text = "";
  for (let rest = number, isLast = false; !isLast; ) {
    const unit = rest & 31;
    rest >>= 5;
    isLast = rest === (unit & 16 ? -1 : 0);
    text += String.fromCharCode(FIRST + unit + (isLast ? 0 : 32));
  }
  return text;
}

export function readRuns(text, length) {
  const plane = new Uint8Array(length);
  const counts = [];
  for (let at = 0, place = 0; at < text.length; ) {
    let number = 0, shift = 0, unit = 32;
    while (unit & 32) {
      unit = text.charCodeAt(at) - FIRST;
      at += 1;
      number |= (unit & 31) << shift;
      shift += 5;
    }
    if (unit & 16 && shift < 32) number |= -1 << shift;
    const n = counts.length;
    counts.push(n > 2 ? number + counts[n - 2] : number);
    if (n % 2) plane.fill(1, place, place + counts[n]);
    place += counts[n];
  }
  return plane;
}

// Voxels of slices as the values of entries: one, or several if there are many slices.
export function writeVoxels({ size, spacing_mm, origin_mm, direction }, planes) {
  const grid = [size, spacing_mm, origin_mm, direction].map((numbers) => numbers.join(",")).join(" ");
  const values = [];
  let words = [];
  for (const [k, plane] of [...planes].sort(([a], [b]) => a - b)) {
    const word = `${k}:${plane ? writeRuns(plane) : ""}`;
    if (words.length && words.join(" ").length + word.length > LONGEST) {
      values.push(words);
      words = [];
    }
    words.push(word);
  }
  return [...values, words].map((some) => `slices ${grid} ${some.join(" ")}`);
}

// The slices of a written mask by their numbers.
export function readVoxels(text) {
  const [, size, , , , ...slices] = text.split(" ");
  const [columns, rows] = size.split(",").map(Number);
  return new Map(slices.map((word) => {
    const at = word.indexOf(":");
    return [Number(word.slice(0, at)), readRuns(word.slice(at + 1), columns * rows)];
  }));
}
