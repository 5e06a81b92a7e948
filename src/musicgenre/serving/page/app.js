// The page's state and its wiring. Sound is in sound.js, pictures in draw.js.

import { canRecord, decode, record } from "./sound.js";
import { melPicture, timeline, waveform } from "./draw.js";

const at = (id) => document.getElementById(id);
const entries = [];
const PARALLEL = 2;
let running = 0, chosen = null, picture = "wave", model = null, stopRecording = null, key = "";

// --- small helpers ---
const percent = (share) => `${(100 * share).toFixed(share >= 0.9995 || share < 0.0005 ? 0 : 1)} %`;
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function node(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A genre's colour: its place among the model's classes, a golden angle apart. */
function colour(genre) {
  const index = Math.max(0, model?.classes.indexOf(genre) ?? 0);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return `hsl(${(265 + index * 137.5) % 360} 58% ${dark ? 62 : 56}%)`;
}

function swatch(genre) {
  const made = node("span", { class: "swatch", "aria-hidden": "true" });
  made.style.background = colour(genre);
  return made;
}

function say(words, bad = false) {
  at("status").textContent = words;
  at("status").classList.toggle("bad", bad);
}

const headers = () => key ? { "X-API-Key": key } : {};

// --- the model ---
async function loadModel() {
  const answer = await fetch("model", { headers: headers() });
  if (answer.status === 401) return askForKey();
  const content = await answer.json();
  if (!answer.ok) return say(content.error.message, true);
  model = content;
  const name = `${model.model.name}${model.model.version ? ` version ${model.model.version}` : ""}`;
  at("model-line").textContent = `${name} · ${model.model.digest.slice(0, 12)}`;
  at("limits").textContent = `WAV, FLAC, OGG, MP3, AIFF or AU; up to ${model.limits.max_upload_mb} MB and ${Math.round(model.limits.max_duration_s / 60)} min. ${model.classes.length} genres.`;
  const lineage = Object.entries(model.lineage).filter(([, value]) => value !== "" && value !== null);
  const facts = [
    ["Model", name], ["Digest", model.model.digest], ["Made", model.created], ["Genres", model.classes.join(", ")],
    ["Members", model.members.map((member) => `${member.name} (${member.family}, ${member.inputs.join(" + ")}, ${member.segment_s} s, weight ${member.weight.toFixed(2)})`).join("; ")],
    ["Calibration", `temperature ${model.temperature.toFixed(3)}`],
    ["Trained on", model.trained_on.tracks ? `${model.trained_on.tracks} tracks, the shortest ${model.trained_on.shortest_s.toFixed(1)} s` : "not recorded"],
    ...Object.entries(model.evaluation).map(([figure, value]) => [`Test ${figure.replaceAll("_", " ")}`, typeof value === "number" && !Number.isInteger(value) ? value.toFixed(3) : String(value)]),
    ...lineage.map(([name, value]) => [name.replaceAll("_", " "), String(value)]),
    ["Service", `${model.service.version}${model.service.bento ? `, ${model.service.bento}` : ""}`],
  ];
  at("card-facts").replaceChildren(...facts.flatMap(([name, value]) => [node("dt", { text: name }), node("dd", { text: value })]));
}

function askForKey() {
  at("key-form").hidden = false;
  at("key").focus();
}

at("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  key = at("key").value;
  at("key-form").hidden = true;
  say("");
  await loadModel();
  entries.filter((entry) => entry.state === "locked").forEach((entry) => { entry.state = "waiting"; });
  work();
});

// --- files in ---
function add(files) {
  const fresh = [...files].map((file) => ({ file, name: file.name || "pasted audio", state: "waiting", note: "waiting", answer: null, sound: undefined }));
  if (!fresh.length) return;
  entries.push(...fresh);
  at("drop").classList.add("small");
  render();
  work();
}

async function ask(entry) {
  const form = new FormData();
  form.append("file", entry.file, "clip");
  for (let attempt = 0; ; attempt++) {
    const answer = await fetch("classify?top_k=1000", { method: "POST", body: form, headers: headers() });
    if (answer.status !== 429 || attempt === 5) return [answer, await answer.json()];
    entry.note = "the service is busy, waiting";
    render();
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(answer.headers.get("retry-after") ?? 1)));
  }
}

async function classify(entry) {
  entry.state = "asked";
  entry.note = "listening…";
  render();
  try {
    if (model && entry.file.size > 1e6 * model.limits.max_upload_mb) throw new Error(`Larger than ${model.limits.max_upload_mb} MB. Send a shorter or compressed clip.`);
    const [answer, content] = await ask(entry);
    if (answer.ok) {
      Object.assign(entry, { state: "done", answer: content, note: content.warnings.map((words) => words.replace(/^(\w+): /, "")).join(" ") });
    } else if (answer.status === 401) {
      Object.assign(entry, { state: "locked", note: "needs the API key" });
      askForKey();
    } else {
      throw new Error(`${content.error.message} ${content.error.next_step ?? ""}`.trim());
    }
  } catch (error) {
    Object.assign(entry, { state: "bad", note: error instanceof TypeError ? "The service does not answer." : error.message });
  }
}

async function work() {
  while (running < PARALLEL) {
    const entry = entries.find((one) => one.state === "waiting");
    if (!entry) break;
    running++;
    classify(entry).finally(() => {
      running--;
      if (!chosen && entry.state === "done") choose(entry);
      render();
      work();
    });
  }
}

// --- lists ---
function render() {
  const done = entries.filter((entry) => entry.state === "done").length, bad = entries.filter((entry) => entry.state === "bad").length;
  const open = entries.length - done - bad;
  at("list").hidden = entries.length < 2 && !bad;
  at("csv").hidden = done === 0;
  say(open ? `${done + bad} of ${entries.length} done` : entries.length > 1 ? `${done} classified${bad ? `, ${bad} not` : ""}` : bad ? entries[0].note : "", !open && bad > 0 && done === 0);
  at("rows").replaceChildren(...entries.map((entry) => {
    const row = node("tr", { class: `${entry.state}${entry === chosen ? " chosen" : ""}` });
    const name = node("td");
    if (entry.answer) {
      const button = node("button", { type: "button", text: entry.name, "aria-current": String(entry === chosen) });
      button.addEventListener("click", () => choose(entry));
      name.append(button);
    } else name.textContent = entry.name;
    const genre = node("td", {}, ...(entry.answer ? [swatch(entry.answer.probabilities[0].genre), entry.answer.genre] : []));
    row.append(name, genre,
      node("td", { class: "number", text: entry.answer ? percent(entry.answer.probability) : "" }),
      node("td", { class: "number", text: entry.answer ? clock(entry.answer.duration_s) : "" }),
      node("td", { class: "said", text: entry.note }));
    return row;
  }));
}

at("csv").addEventListener("click", () => {
  const genres = model?.classes ?? [];
  // A leading =, +, - or @ would be a formula to a spreadsheet.
  const cell = (value) => { const text = String(value ?? ""); return `"${(/^[=+\-@\t]/.test(text) ? "'" + text : text).replaceAll('"', '""')}"`; };
  const lines = [["file", "genre", "probability", "duration_s", "notes", "model", ...genres]];
  for (const entry of entries) {
    const shares = new Map(entry.answer?.probabilities.map((item) => [item.genre, item.probability]));
    lines.push([entry.name, entry.answer?.genre, entry.answer?.probability, entry.answer?.duration_s, entry.note, entry.answer?.model.digest, ...genres.map((genre) => shares.get(genre))]);
  }
  const link = node("a", { href: URL.createObjectURL(new Blob([lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" })), download: "genres.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
});

// --- one clip ---
function choose(entry) {
  chosen = entry;
  const { answer } = entry, player = at("player");
  at("result").hidden = false;
  at("verdict-file").textContent = `${entry.name} · ${clock(answer.duration_s)} · ${answer.format}`;
  at("verdict").textContent = answer.genre;
  at("verdict-share").textContent = percent(answer.probability);
  at("warnings").replaceChildren(...answer.warnings.map((words) => node("li", { text: words.replace(/^(\w+): (.)/, (_, code, first) => first.toUpperCase()) })));
  at("bars").replaceChildren(...answer.probabilities.map(({ genre, probability }) => {
    const fill = node("span", { class: "fill" });
    fill.style.width = `${100 * probability}%`;
    fill.style.background = colour(genre);
    return node("li", {}, node("span", { class: "name", text: genre, title: genre }), node("span", { class: "track", "aria-hidden": "true" }, fill), node("span", { class: "number", text: percent(probability) }));
  }));
  at("segments").replaceChildren(...answer.timeline.map((segment) => node("tr", {},
    node("td", { text: clock(segment.start_s) }), node("td", { text: clock(segment.end_s) }),
    node("td", {}, swatch(segment.genre), segment.genre), node("td", { class: "number", text: percent(segment.probabilities[0].probability) }))));
  at("axis-end").textContent = clock(answer.duration_s);
  at("stage").setAttribute("aria-valuemax", answer.duration_s.toFixed(1));
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(entry.file);
  player.hidden = false;
  render();
  paint();
  move();
}

async function paint() {
  const entry = chosen;
  if (!entry) return;
  const { answer } = entry;
  timeline(at("timeline"), answer.timeline, answer.duration_s, colour);
  if (entry.sound === undefined) entry.sound = await decode(entry.file);
  if (entry !== chosen) return;
  at("picture").hidden = !entry.sound;
  if (!entry.sound) return;
  if (picture === "mel") melPicture(at("picture"), entry.sound);
  else waveform(at("picture"), entry.sound, style("--accent"));
}

function show(kind) {
  picture = kind;
  at("show-wave").setAttribute("aria-pressed", String(kind === "wave"));
  at("show-mel").setAttribute("aria-pressed", String(kind === "mel"));
  paint();
}

at("show-wave").addEventListener("click", () => show("wave"));
at("show-mel").addEventListener("click", () => show("mel"));
new ResizeObserver(() => paint()).observe(at("stage"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { render(); if (chosen) choose(chosen); });

// --- player and cursor ---
function move() {
  if (!chosen) return;
  const now = at("player").currentTime || 0, { answer } = chosen;
  at("cursor").style.transform = `translateX(${at("stage").clientWidth * Math.min(1, now / answer.duration_s)}px)`;
  at("axis-now").textContent = clock(now);
  const segment = answer.timeline.findLast((one) => one.start_s <= now) ?? answer.timeline[0];
  at("axis-genre").textContent = segment ? `${segment.genre} ${percent(segment.probabilities[0].probability)}` : "";
  at("stage").setAttribute("aria-valuenow", now.toFixed(1));
  at("stage").setAttribute("aria-valuetext", `${clock(now)}, ${segment?.genre ?? ""}`);
}

function follow() {
  move();
  if (!at("player").paused) requestAnimationFrame(follow);
}

function seek(seconds) {
  if (!chosen) return;
  at("player").currentTime = Math.max(0, Math.min(chosen.answer.duration_s, seconds));
  move();
}

at("player").addEventListener("play", follow);
for (const name of ["timeupdate", "seeked", "loadedmetadata"]) at("player").addEventListener(name, move);
at("player").addEventListener("error", () => { at("player").hidden = true; });
at("stage").addEventListener("pointerdown", (event) => {
  const box = at("stage").getBoundingClientRect();
  seek(chosen.answer.duration_s * (event.clientX - box.left) / box.width);
});
at("stage").addEventListener("keydown", (event) => {
  const now = at("player").currentTime, step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
  if (step) seek(now + step);
  else if (event.key === "Home") seek(0);
  else if (event.key === "End") seek(Infinity);
  else if (event.key === " ") at("player").paused ? at("player").play() : at("player").pause();
  else return;
  event.preventDefault();
});

// --- ways in ---
at("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
document.addEventListener("dragover", (event) => { event.preventDefault(); at("drop").classList.add("over"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) at("drop").classList.remove("over"); });
document.addEventListener("drop", (event) => { event.preventDefault(); at("drop").classList.remove("over"); add(event.dataTransfer.files); });
document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) { event.preventDefault(); add(event.clipboardData.files); } });

at("record").addEventListener("click", async () => {
  const label = (words, on) => { at("record-label").textContent = words; at("record").setAttribute("aria-pressed", String(on)); };
  try {
    if (stopRecording) {
      const stop = stopRecording;
      stopRecording = null;
      label("Record", false);
      add([await stop()]);
    } else {
      stopRecording = await record();
      label("Stop and classify", true);
    }
  } catch (error) {
    label("Record", false);
    say(error.name === "NotAllowedError" ? "The browser was not allowed to use the microphone." : error.message, true);
  }
});
if (!canRecord()) {
  at("record").disabled = true;
  at("record").title = "Recording needs https or localhost, and a microphone.";
}

at("card-open").addEventListener("click", () => at("card").showModal());
at("card-close").addEventListener("click", () => at("card").close());
at("card").addEventListener("click", (event) => { if (event.target === at("card")) at("card").close(); });

loadModel().catch(() => say("The service does not answer.", true));
