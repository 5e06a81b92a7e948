"use strict";
(() => {
  const root = document.documentElement;
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures"), sounds = read("sounds");
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  /* --- plots: drawn when they come near, in the colours of the theme --- */
  const drawn = new Set();
  const axis = () => ({ gridcolor: css("--grid"), zerolinecolor: css("--soft"), linecolor: css("--line"), tickcolor: css("--line") });
  function scaleOf(figure) {
    const kind = figure.layout.meta && figure.layout.meta.scale;
    if (kind === "sequence") return [[0, css("--seq0")], [1, css("--seq1")]];
    if (kind === "diverge") return [[0, "#3f7bff"], [0.5, css("--seq0")], [1, "#f2506e"]];
    return null;
  }
  function themed(figure) {
    const layout = structuredClone(figure.layout);
    const narrow = window.innerWidth < 600;
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.font = { family: "system-ui, sans-serif", size: narrow ? 11 : 12.5, color: css("--ink") };
    layout.hoverlabel = { ...layout.hoverlabel, bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink"), size: 13 } };
    layout.legend = { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { color: css("--soft") }, ...layout.legend };
    layout.margin = { l: 46, r: 10, t: 26, b: 42, ...layout.margin };
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) layout[name] = { ...axis(), automargin: true, ...layout[name], title: { standoff: 8, ...(layout[name].title || {}) } };
    for (const name of ["xaxis", "yaxis"]) if (!layout[name]) layout[name] = { ...axis(), automargin: true };
    layout.autosize = true;
    return layout;
  }
  function tinted(figure) {
    const scale = scaleOf(figure), data = structuredClone(figure.data);
    for (const trace of data) {
      if (scale && trace.type === "heatmap") trace.colorscale = scale;
      if (trace.error_x) trace.error_x.color = css("--ink");
      if (trace.error_y) trace.error_y.color = css("--ink");
    }
    return data;
  }
  const config = { responsive: true, displaylogo: false, displayModeBar: false, showTips: false, doubleClick: false };
  function draw(element) {
    const figure = figures[element.dataset.figure];
    if (!figure || element.closest("[hidden]") || !element.offsetWidth) return;
    const fresh = !drawn.has(element);
    drawn.add(element);
    Plotly.react(element, tinted(figure), themed(figure), config);
    if (fresh && figure.layout.meta && figure.layout.meta.cards) element.on("plotly_click", (event) => pick(event.points[0]));
    if (fresh && element.dataset.figure === "map") element.on("plotly_click", (event) => choose(event.points[0].customdata[0], true));
  }
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
  }, { rootMargin: "400px" });
  const plots = [...document.querySelectorAll(".plot")];
  plots.forEach((element) => watcher.observe(element));
  const redraw = () => drawn.forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => plots.forEach(draw));

  /* --- theme --- */
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    try { localStorage.setItem("musicgenre-theme", root.dataset.theme); } catch (error) { /* a file without storage */ }
    redraw();
  });

  /* --- tables --- */
  const order = new Intl.Collator(undefined, { numeric: true });
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const numeric = head.classList.contains("n");
      const was = head.getAttribute("aria-sort");
      const up = was ? was === "descending" : !numeric;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.sort;
      const rows = [...table.tBodies[0].rows].sort((a, b) => (numeric ? Number(value(a)) - Number(value(b)) : order.compare(value(a), value(b))) * (up ? 1 : -1));
      table.tBodies[0].append(...rows);
    }));
  });

  /* --- which family, tracks or segments: the same choice in every part of the page --- */
  const choices = [...document.querySelectorAll(".segmented button")], shown = {};
  const same = (element, key) => !(key in element.dataset) || element.dataset[key] === shown[key];
  for (const button of choices) for (const key of ["family", "level"]) if (button.dataset[key] && !(key in shown)) shown[key] = button.dataset[key];
  function show(choice) {
    Object.assign(shown, choice);
    choices.forEach((other) => other.setAttribute("aria-pressed", String(same(other, "family") && same(other, "level"))));
    document.querySelectorAll(".panel").forEach((panel) => {
      panel.hidden = !(same(panel, "family") && same(panel, "level"));
      if (!panel.hidden) panel.querySelectorAll(".plot").forEach(draw);
    });
  }
  choices.forEach((button) => button.addEventListener("click", () => show(button.dataset)));
  document.querySelectorAll("a[data-family]").forEach((link) => link.addEventListener("click", () => show(link.dataset)));
  document.querySelectorAll("details").forEach((item) => item.addEventListener("toggle", () => { if (item.open) item.querySelectorAll(".plot").forEach(draw); }));

  /* --- cards by what a track is and what it was called --- */
  const filters = [...document.querySelectorAll("[data-filter]")];
  function filter() {
    const asked = filters.filter((item) => item.value);
    document.querySelectorAll("[data-filtered]").forEach((list) => {
      const cards = [...list.children];
      cards.forEach((card) => { card.hidden = asked.some((item) => card.dataset[item.dataset.filter] !== item.value); });
      const words = list.parentElement.querySelector("[data-shown]");
      words.textContent = asked.length ? `${cards.filter((card) => !card.hidden).length} of ${cards.length} shown.` : "";
    });
  }
  filters.forEach((item) => item.addEventListener("change", filter));
  if (filters.length) filter(); // a browser may remember the choice of an earlier visit
  function pick(cell) {
    if (!filters.length || cell.x === cell.y) return;
    filters.forEach((item) => { item.value = item.dataset.filter === "called" ? cell.x : cell.y; });
    filter();
    filters[0].closest("section").scrollIntoView();
  }

  /* --- sound: one player for the whole page --- */
  const player = document.getElementById("player"), audio = new Audio();
  const bar = document.getElementById("player-progress");
  let current = null;
  function mark() {
    document.querySelectorAll(".play").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.track === current)));
    document.querySelectorAll(".spectrum .window, .spectrum .head-line").forEach((element) => element.remove());
    player.hidden = current === null;
    if (current === null) return;
    const sound = sounds[current];
    document.getElementById("player-name").textContent = current;
    document.querySelectorAll(".spectrum").forEach((element) => {
      if (element.dataset.track !== current) return;
      const region = document.createElement("span"), line = document.createElement("span");
      region.className = "window"; line.className = "head-line";
      region.style.left = `${(100 * sound.start) / sound.duration}%`;
      region.style.width = `${(100 * sound.length) / sound.duration}%`;
      element.append(region, line);
    });
    step();
  }
  function step() {
    if (current === null) return;
    const sound = sounds[current], at = audio.currentTime;
    bar.value = Math.min(1, at / sound.length);
    document.querySelectorAll(".spectrum .head-line").forEach((line) => { line.style.left = `${(100 * (sound.start + at)) / sound.duration}%`; });
    requestAnimationFrame(step);
  }
  function stop() { audio.pause(); current = null; mark(); }
  function play(track) {
    if (!sounds[track]) return;
    if (current === track) { stop(); return; }
    audio.src = sounds[track].src;
    current = track;
    audio.play().catch((error) => { if (error.name !== "AbortError") stop(); });
    mark();
  }
  audio.addEventListener("ended", stop);
  document.getElementById("player-stop").addEventListener("click", stop);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && current !== null) stop(); });
  document.addEventListener("click", (event) => { const button = event.target.closest(".play"); if (button) play(button.dataset.track); });

  /* --- the map's neighbours --- */
  const near = document.getElementById("near"), choice = document.getElementById("near-choice"), points = new Map();
  if (near && figures.map) {
    for (const trace of figures.map.data) trace.customdata.forEach((item, index) => points.set(item[0], { x: trace.x[index], y: trace.y[index], genre: trace.name, split: item[1] }));
    const heard = [...points.keys()].filter((track) => sounds[track]).sort(order.compare);
    for (const track of heard.length ? heard : points.keys()) choice.add(new Option(track, track));
    choice.addEventListener("change", () => choose(choice.value, false));
    if (choice.options.length) choose(choice.value, false);
  }
  function choose(track, sounding) {
    const here = points.get(track);
    if (!here) return;
    choice.value = track;
    const distance = (other) => Math.hypot(points.get(other).x - here.x, points.get(other).y - here.y);
    const audible = [...points.keys()].filter((other) => sounds[other] || other === track);
    const pool = audible.length > 1 ? audible : [...points.keys()];
    near.replaceChildren(...pool.sort((a, b) => distance(a) - distance(b)).slice(0, 7).map((other) => {
      const item = document.createElement("li"), words = document.createElement("span"), small = document.createElement("small");
      if (sounds[other]) {
        const button = document.createElement("button");
        Object.assign(button, { type: "button", className: "play" });
        button.dataset.track = other;
        button.setAttribute("aria-label", `Play ${other}`);
        button.setAttribute("aria-pressed", String(other === current));
        item.append(button);
      }
      words.textContent = other;
      small.textContent = other === track ? `${points.get(other).genre}, chosen` : points.get(other).genre;
      words.append(small);
      item.append(words);
      return item;
    }));
    if (sounding && current !== track) play(track);
  }

  /* --- where we are --- */
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.getAttribute("href").slice(1), link]));
  const spy = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) links.forEach((link, id) => link.setAttribute("aria-current", String(id === entry.target.id)));
  }, { rootMargin: "-20% 0px -70% 0px" });
  links.forEach((_, id) => { const section = document.getElementById(id); if (section) spy.observe(section); });
  document.body.dataset.ready = "true";
})();
