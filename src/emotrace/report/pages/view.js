"use strict";
/* Draws a recording: its course over time with bands, the sound beneath, the arousal-valence plane, and a player that
   moves through all three. Plotly draws; what moves with the sound is laid over it, since it moves sixty times a second. */
const emotrace = (() => {
  const POLES = { arousal: ["calm", "excited"], valence: ["negative", "positive"] };
  const POINTS = 1500;
  const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
  const SHORTEST_S = 0.5;
  const CONFIG = { displayModeBar: false, doubleClick: false, scrollZoom: false };
  const motion = window.matchMedia("(prefers-reduced-motion: reduce)");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child != null));
    return element;
  }

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const signed = (value) => (value <= -0.005 ? "−" : "+") + Math.abs(value).toFixed(2);
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const capital = (word) => word[0].toUpperCase() + word.slice(1);

  function clock(seconds, digits = 0) {
    const tenths = Math.round(Math.max(0, seconds) * 10 ** digits) / 10 ** digits;
    const hours = Math.floor(tenths / 3600), minutes = Math.floor(tenths / 60) % 60;
    const rest = (tenths % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  }

  async function unpacked(base64) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  /* The frame at a moment: the last that starts no later. */
  function frameAt(told, at_s) {
    let low = 0, high = told.time_s.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (told.time_s[middle] <= at_s + 1e-9) low = middle; else high = middle - 1;
    }
    return low;
  }

  /* Means over about a pixel of the frames in view; a gap between frames is a null, which breaks the line. */
  function thinned(told, columns, from_s, to_s) {
    const first = Math.max(0, frameAt(told, from_s) - 1), last = Math.min(told.time_s.length, frameAt(told, to_s) + 2);
    const step = Math.max(1, Math.ceil((last - first) / POINTS));
    const seen = { time_s: [] };
    for (const name of columns) seen[name] = [];
    for (let start = first; start < last; start += step) {
      const stop = Math.min(last, start + step);
      if (start > first && told.time_s[start] - told.time_s[start - 1] > 1.5 * told.frame_s) {
        seen.time_s.push(told.time_s[start]);
        for (const name of columns) seen[name].push(null);
      }
      seen.time_s.push((told.time_s[start] + told.time_s[stop - 1] + told.frame_s) / 2);
      for (const name of columns) {
        let sum = 0;
        for (let i = start; i < stop; i++) sum += told[name][i];
        seen[name].push(sum / (stop - start));
      }
    }
    return seen;
  }

  function lines(told, range) {
    const banded = told.targets.filter((target) => told[`${target}_sd`]);
    const seen = thinned(told, [...told.targets, ...banded.map((target) => `${target}_sd`)], ...range);
    const bands = [], courses = [];
    told.targets.forEach((target, i) => {
      const shade = colour(`--t${i % 4}`), values = seen[target], sd = seen[`${target}_sd`];
      if (sd) {
        const edge = { x: seen.time_s, mode: "lines", line: { width: 0 }, hoverinfo: "skip" };
        bands.push({ ...edge, y: values.map((v, k) => v === null ? null : v - sd[k]) });
        bands.push({ ...edge, y: values.map((v, k) => v === null ? null : v + sd[k]), fill: "tonexty", fillcolor: `${shade}2e` });
      }
      courses.push({ x: seen.time_s, y: values, mode: seen.time_s.length > 1 ? "lines" : "markers", name: target,
        line: { color: shade, width: seen.time_s.length > 800 ? 1.4 : 2 },
        text: seen.time_s.map((at_s, k) => values[k] === null ? "" :
          `${clock(at_s, 1)}  ${target} ${signed(values[k])}` + (sd ? ` ± ${sd[k].toFixed(2)}` : "")),
        hoverinfo: "text" });
    });
    return [...bands, ...courses];
  }

  function sound(waveform, span) {
    const bins = waveform.low.length, width = (span[1] - span[0]) / bins;
    const x = waveform.low.map((_, i) => span[0] + (i + 0.5) * width);
    const edge = { x, mode: "lines", line: { width: 0.6, color: colour("--wave") }, yaxis: "y2", hoverinfo: "skip" };
    return [{ ...edge, y: waveform.low }, { ...edge, y: waveform.high, fill: "tonexty", fillcolor: colour("--wave") }];
  }

  function speakers(told, range) {
    const names = [...new Set(told.speaker.filter(Boolean))].sort();
    const count = 600, step = (range[1] - range[0]) / count;
    const x = Array.from({ length: count }, (_, i) => range[0] + (i + 0.5) * step);
    const z = x.map((at_s) => { const who = told.speaker[frameAt(told, at_s)]; return who ? names.indexOf(who) % 6 : null; });
    const scale = Array.from({ length: 6 }, (_, i) => colour(`--s${i}`)).flatMap((c, i) => [[i / 6, c], [(i + 1) / 6, c]]);
    return [{ type: "heatmap", x, y: [0], z: [z], zmin: -0.5, zmax: 5.5, colorscale: scale, showscale: false, yaxis: "y3", hoverinfo: "skip" }];
  }

  function ticks(range, width) {
    const span = range[1] - range[0], step = STEPS_S.find((s) => span / s <= width / 70) || 28800, marks = [];
    for (let at = Math.ceil(range[0] / step - 1e-6) * step; at <= range[1] + 1e-6; at += step) marks.push(at);
    return { tickvals: marks, ticktext: marks.map((at) => clock(at, step < 1 ? 1 : 0)) };
  }

  function layout(told, range, box, parts) {
    const [low, high] = told.unit_range, narrow = box.width < 520, soft = colour("--soft");
    const bottom = (parts.sound ? 0.2 : 0) + (parts.speakers ? 0.08 : 0);
    const poles = told.targets.flatMap((target, i) => (POLES[target] || []).map((word, top) => ({
      text: word, x: 1, xanchor: narrow ? "right" : "left", xshift: narrow ? -3 : 8, showarrow: false, xref: "paper", yref: "y",
      y: top ? high : low, yanchor: top ? "top" : "bottom", yshift: (top ? -15 : 15) * i,
      font: { size: 12, color: colour(`--t${i % 4}-text`) } })));
    const strip = { fixedrange: true, showticklabels: false, showgrid: false, zeroline: false };
    const axes = {
      yaxis: { range: [low, high], domain: [bottom ? bottom + 0.04 : 0, 1], fixedrange: true, gridcolor: colour("--grid"),
        tickvals: [low, (3 * low + high) / 4, (low + high) / 2, (low + 3 * high) / 4, high], zeroline: low < 0 && high > 0,
        zerolinecolor: colour("--wave"), zerolinewidth: 1, tickformat: "~g" },
    };
    if (parts.sound) axes.yaxis2 = { ...strip, domain: [0, 0.18], range: [-parts.loudest, parts.loudest] };
    if (parts.speakers) axes.yaxis3 = { ...strip, domain: parts.sound ? [0.2, 0.25] : [0, 0.06] };
    return { margin: box.margin, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, annotations: poles,
      font: { family: "system-ui, sans-serif", size: 12, color: soft }, dragmode: parts.zooms && !narrow ? "zoom" : false,
      hovermode: parts.zooms && !narrow ? "x" : false, hoverlabel: { bgcolor: colour("--sheet"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
      xaxis: { range: [...range], ...ticks(range, box.plot), showgrid: false, zeroline: false, anchor: parts.sound ? "y2" : parts.speakers ? "y3" : "y",
        linecolor: colour("--line"), showline: true, ticks: "outside", ticklen: 4, tickcolor: colour("--line") }, ...axes };
  }

  function boxOf(element) {
    const width = element.clientWidth || 600, margin = width < 520 ? { l: 34, r: 8, t: 8, b: 28 } : { l: 40, r: 66, t: 8, b: 28 };
    return { width, margin, plot: Math.max(10, width - margin.l - margin.r) };
  }

  function key(told) {
    const names = told.speaker ? [...new Set(told.speaker.filter(Boolean))].sort() : [];
    const mark = (name, shade, kind) => { const i = make("i", { class: kind, "aria-hidden": "true" });
      if (shade) i.style[kind === "block" ? "backgroundColor" : "borderTopColor"] = `var(${shade})`;
      return make("span", {}, i, name); };
    return make("p", { class: "key" }, ...told.targets.map((target, i) => mark(target, `--t${i % 4}`, "")),
      told.targets.some((target) => told[`${target}_sd`]) ? mark("±1 SD over the networks", null, "area") : null,
      ...names.slice(0, 12).map((name, i) => mark(name, `--s${i % 6}`, "block")),
      names.length > 12 ? make("span", {}, `and ${names.length - 12} more speakers`) : null);
  }

  function numbers(told) {
    const spread = told.targets.some((target) => "spread" in told.summary[target]);
    const columns = [["mean", "Mean"], ["sd", "SD"], ["min", "Lowest"], ["max", "Highest"], ...(spread ? [["spread", "Spread"]] : [])];
    const cell = (key, value) => key === "sd" || key === "spread" ? value.toFixed(2) : signed(value);
    return make("div", { class: "scroll numbers", tabindex: 0, role: "region", "aria-label": "Summary" }, make("table", {},
      make("caption", { class: "unseen" }, "Summary over the whole recording; spread is the mean standard deviation over the networks"),
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, make("span", { class: "unseen" }, "Target")),
        ...columns.map(([, title]) => make("th", { scope: "col" }, title)))),
      make("tbody", {}, ...told.targets.map((target) => make("tr", {}, make("th", { scope: "row" }, capital(target)),
        ...columns.map(([name]) => make("td", {}, cell(name, told.summary[target][name]))))))));
  }

  function modelCard(model, open) {
    const rows = [["Model", model.name], ["Trained on", model.trained_on], ["Licence", model.licence],
      ["Sees", `${model.sees_before_s} s back and ${model.sees_after_s} s ahead`], ["Believe it?", model.caution]];
    return make("details", { open }, make("summary", {}, "The model"),
      make("dl", { class: "card" }, ...rows.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])));
  }

  function drawPlane(element, told) {
    const [low, high] = told.unit_range, middle = (low + high) / 2;
    const step = Math.max(1, Math.ceil(told.time_s.length / 1200)), seen = (name) => told[name].filter((_, i) => i % step === 0);
    const axis = { range: [low, high], fixedrange: true, showticklabels: false, showgrid: false, zeroline: false, showline: true, mirror: true, linecolor: colour("--line") };
    const word = (text, x, y, target, place) => ({ text, x, y, showarrow: false, font: { size: 11, color: colour(`--t${told.targets.indexOf(target) % 4}-text`) }, ...place });
    const line = (x0, y0, x1, y1) => ({ type: "line", x0, y0, x1, y1, line: { color: colour("--line"), width: 1 }, layer: "below" });
    Plotly.react(element, [{ x: seen("valence"), y: seen("arousal"), mode: "markers", hoverinfo: "skip",
      marker: { size: 5, color: colour("--wave"), opacity: clamp(60 / Math.sqrt(told.time_s.length / step) / 8, 0.2, 0.7) } }],
    { margin: { l: 4, r: 4, t: 4, b: 4 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
      font: { family: "system-ui, sans-serif" }, xaxis: axis, yaxis: axis,
      shapes: [line(low, middle, high, middle), line(middle, low, middle, high)],
      annotations: [word("excited", middle, high, "arousal", { yanchor: "top", xanchor: "left" }), word("calm", middle, low, "arousal", { yanchor: "bottom", xanchor: "left" }),
        word("negative", low, middle, "valence", { xanchor: "left", yanchor: "bottom" }), word("positive", high, middle, "valence", { xanchor: "right", yanchor: "bottom" })] },
    { ...CONFIG, staticPlot: true });
  }

  /* Put a recording into a container.
     told: what the API answers as JSON; sound: address of the sound, or null; actions: elements for the heading. */
  function show(container, told, { sound: address = null, actions = [], level = "h2", open: unfolded = false } = {}) {
    const start_s = told.time_s[0], end_s = start_s + told.duration_s, whole = [start_s, end_s];
    const planar = ["arousal", "valence"].every((target) => told.targets.includes(target));
    const id = `r${Math.random().toString(36).slice(2)}`;
    let range = [...whole], at_s = start_s, box = null, frame = 0, drawn = null;

    const course = make("div", { class: "course", tabindex: 0, role: "slider", "aria-label": `Position in ${told.name}`, "aria-orientation": "horizontal",
      "aria-describedby": `${id}-keys`, "aria-valuemin": start_s.toFixed(2), "aria-valuemax": end_s.toFixed(2) });
    const graph = make("div"), cursor = make("div", { class: "cursor", "aria-hidden": "true" });
    graph.style.height = "100%";
    course.append(graph, cursor);
    const plane = make("div", { class: "plane", "aria-hidden": "true", hidden: !planar }), map = make("div"), point = make("div", { class: "here" });
    map.style.height = "100%";
    plane.append(map, point);
    const now = make("dl", { class: "now" });
    const audio = make("audio", { preload: "metadata", src: address });
    const play = make("button", { type: "button", class: "main", click: () => toggle() }, "Play");
    const time = make("span", { class: "clock soft" });
    const trouble = make("p", { class: "note", hidden: true });
    const rate = make("select", { "aria-label": "Speed", change: () => { audio.playbackRate = Number(rate.value); } },
      ...[0.5, 1, 1.5, 2].map((speed) => make("option", { value: speed, selected: speed === 1 }, `${speed}×`)));
    const open = make("label", { class: "button" }, "Open the recording to listen ", make("input", { type: "file", accept: "audio/*,video/*", class: "unseen",
      change: (event) => { if (event.target.files[0]) listen(URL.createObjectURL(event.target.files[0])); } }));
    const button = (name, title, act) => make("button", { type: "button", "aria-label": title, title, click: act }, name);
    const player = make("div", { class: "player row" }, play, rate, time, open,
      make("span", { class: "row push" }, button("−", "Zoom out", () => zoom(2)), button("+", "Zoom in", () => zoom(0.5)),
        button("All", "Show the whole recording", () => look(whole))));
    const keys = make("p", { class: "soft", id: `${id}-keys` }, "Click to jump, drag to zoom. Keys on the plot: space plays, ← → move (with Shift ten seconds), + − 0 zoom.");

    container.replaceChildren(
      make("div", { class: "heading" }, make(level, { id }, told.name), make("span", { class: "soft" }, clock(told.duration_s)),
        make("span", { class: "row push actions" }, ...actions)),
      ...told.warnings.map((text) => make("p", { class: "note" }, text)), trouble, key(told),
      make("div", { class: "stage" }, make("div", {}, course, player, keys), make("div", { class: "beside" }, plane, now)),
      numbers(told), told.model ? modelCard(told.model, unfolded) : "", audio);
    container.setAttribute("aria-labelledby", id);

    const loudest = told.waveform ? Math.max(1e-4, ...told.waveform.high.map(Math.abs), ...told.waveform.low.map(Math.abs)) * 1.05 : 0;
    const parts = { sound: Boolean(told.waveform), speakers: Boolean(told.speaker), loudest, zooms: true };

    function draw() {
      box = boxOf(course);
      const traces = [...(parts.sound ? sound(told.waveform, whole) : []), ...(parts.speakers ? speakers(told, range) : []), ...lines(told, range)];
      drawn = Plotly.react(graph, traces, layout(told, range, box, parts), CONFIG);
      if (planar) drawPlane(map, told);
      cursor.style.top = `${box.margin.t}px`;
      cursor.style.height = `${course.clientHeight - box.margin.t - box.margin.b}px`;
      place();
    }

    function place() {
      const share = (at_s - range[0]) / (range[1] - range[0]);
      cursor.hidden = share < -1e-6 || share > 1 + 1e-6;
      cursor.style.transform = `translateX(${box.margin.l + share * box.plot}px)`;
      const i = frameAt(told, at_s);
      time.textContent = `${clock(at_s - start_s, 1)} / ${clock(told.duration_s, 1)}`;
      now.replaceChildren(...told.targets.flatMap((target, k) => {
        const name = make("dt", {}, capital(target));
        name.style.color = `var(--t${k % 4}-text)`;
        return [name, make("dd", {}, reading(target, i))];
      }));
      course.setAttribute("aria-valuenow", at_s.toFixed(2));
      course.setAttribute("aria-valuetext", `${clock(at_s, 1)}, ${told.targets.map((target) => `${target} ${reading(target, i)}`).join(", ")}`);
      if (!planar) return;
      const [low, high] = told.unit_range, inner = [plane.clientWidth - 8, plane.clientHeight - 8];
      const px = (value, size) => (value - low) / (high - low) * size;
      const radius = (target, size) => Math.max(8, told[`${target}_sd`] ? told[`${target}_sd`][i] / (high - low) * size : 0);
      const rx = radius("valence", inner[0]), ry = radius("arousal", inner[1]);
      point.style.width = `${2 * rx}px`;
      point.style.height = `${2 * ry}px`;
      point.style.transform = `translate(${4 + px(told.valence[i], inner[0]) - rx}px, ${4 + inner[1] - px(told.arousal[i], inner[1]) - ry}px)`;
    }

    const reading = (target, i) => signed(told[target][i]) + (told[`${target}_sd`] ? ` ± ${told[`${target}_sd`][i].toFixed(2)}` : "");

    function look(wanted) {
      const span = clamp(wanted[1] - wanted[0], Math.min(SHORTEST_S, told.duration_s), told.duration_s);
      const first = clamp(wanted[0], start_s, end_s - span);
      range = [first, first + span];
      draw();
    }

    function zoom(factor) {
      const middle = at_s >= range[0] && at_s <= range[1] ? at_s : (range[0] + range[1]) / 2, half = (range[1] - range[0]) * factor / 2;
      look([middle - half, middle + half]);
    }

    function seek(to_s) {
      at_s = clamp(to_s, start_s, end_s);
      if (audio.src) audio.currentTime = at_s - start_s;
      follow();
      place();
    }

    /* Turn the page when the cursor leaves what is in view. */
    function follow() {
      const span = range[1] - range[0];
      if (at_s > range[1]) look([at_s, at_s + span]);
      else if (at_s < range[0]) look([at_s - span / 10, at_s + span]);
    }

    function toggle() {
      if (!audio.src) return;
      if (audio.paused) audio.play().catch(() => {}); else audio.pause();
    }

    function listen(url) {
      audio.src = url;
      trouble.hidden = true;
      open.hidden = true;
      play.disabled = rate.disabled = false;
      if (at_s > start_s) audio.currentTime = at_s - start_s;
    }

    function step() {
      at_s = clamp(start_s + audio.currentTime, start_s, end_s);
      follow();
      place();
      if (!audio.paused && !motion.matches) frame = requestAnimationFrame(step);
    }

    audio.addEventListener("play", () => { play.textContent = "Pause"; cancelAnimationFrame(frame); step(); });
    audio.addEventListener("pause", () => { play.textContent = "Play"; });
    audio.addEventListener("timeupdate", () => { if (motion.matches && !audio.paused) step(); });
    audio.addEventListener("error", () => {
      if (!audio.getAttribute("src")) return;
      trouble.textContent = "This browser cannot play this kind of file. The trace is not affected; open a WAV or MP3 of the recording to listen.";
      trouble.hidden = open.hidden = false;
      play.disabled = rate.disabled = true;
      audio.removeAttribute("src");
    });
    course.addEventListener("keydown", (event) => {
      const jump = event.shiftKey ? 10 : 1;
      const acts = { " ": toggle, ArrowLeft: () => seek(at_s - jump), ArrowDown: () => seek(at_s - jump), ArrowRight: () => seek(at_s + jump), ArrowUp: () => seek(at_s + jump),
        PageUp: () => seek(at_s + 10), PageDown: () => seek(at_s - 10), Home: () => seek(start_s), End: () => seek(end_s),
        "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => look(whole) };
      if (!acts[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      acts[event.key]();
    });
    let pressed = null;
    course.addEventListener("pointerdown", (event) => { pressed = [event.clientX, event.clientY]; }, true);
    window.addEventListener("pointerup", release, true);
    function release(event) {
      if (!pressed) return;
      const still = Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) < 5;
      pressed = null;
      if (!still) return;
      const share = (event.clientX - course.getBoundingClientRect().left - box.margin.l) / box.plot;
      if (share > -0.02 && share < 1.02) seek(range[0] + clamp(share, 0, 1) * (range[1] - range[0]));
      course.focus({ preventScroll: true, focusVisible: false });
    }

    play.disabled = rate.disabled = !address;
    open.hidden = Boolean(address);
    draw();
    graph.on("plotly_relayout", (change) => {
      const edges = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (edges[0] !== undefined) look(edges.map(Number));
    });
    graph.on("plotly_doubleclick", () => look(whole));
    let width = course.clientWidth;
    const watcher = new ResizeObserver(() => { if (course.clientWidth && course.clientWidth !== width) { width = course.clientWidth; draw(); } });
    watcher.observe(course);
    dark.addEventListener("change", draw);
    return { seek, remove: () => {
      audio.pause();
      cancelAnimationFrame(frame);
      watcher.disconnect();
      dark.removeEventListener("change", draw);
      window.removeEventListener("pointerup", release, true);
      container.remove();
      drawn.then(() => [graph, map].forEach((each) => Plotly.purge(each)));
    } };
  }

  /* The last minute, or half of one where there is little room, of a trace that is still growing. */
  function live(container, ready) {
    const told = { unit_range: ready.unit_range, targets: ready.targets, frame_s: ready.frame_s, time_s: [] };
    for (const target of ready.targets) told[target] = [], told[`${target}_sd`] = [];
    const heard = { at_s: [], low: [], high: [] };
    let drawn = Promise.resolve();
    const course = make("div", { class: "course", role: "img", "aria-label": "The traces of what is being said" }), graph = make("div");
    graph.style.height = "100%";
    course.append(graph);
    container.replaceChildren(key(told), course);
    const window_s = boxOf(course).width < 520 ? 30 : 60;

    function forget(before_s) {
      const gone = told.time_s.findIndex((at) => at >= before_s), silent = heard.at_s.findIndex((at) => at >= before_s);
      if (gone > 0) for (const name of ["time_s", ...told.targets, ...told.targets.map((target) => `${target}_sd`)]) told[name].splice(0, gone);
      if (silent > 0) for (const name of ["at_s", "low", "high"]) heard[name].splice(0, silent);
    }

    function draw(now_s) {
      const range = [Math.max(0, now_s - window_s), Math.max(window_s, now_s)];
      forget(range[0] - 2);
      const loudest = Math.max(0.02, ...heard.high, ...heard.low.map((v) => -v)) * 1.05;
      const edge = { x: heard.at_s, mode: "lines", line: { width: 0.6, color: colour("--wave") }, yaxis: "y2", hoverinfo: "skip" };
      const waves = [{ ...edge, y: heard.low }, { ...edge, y: heard.high, fill: "tonexty", fillcolor: colour("--wave") }];
      const traces = told.time_s.length ? [...waves, ...lines(told, range)] : waves;
      drawn = Plotly.react(graph, traces, layout(told, range, boxOf(course), { sound: true, loudest, zooms: false }), { ...CONFIG, staticPlot: true });
    }

    return { draw,
      push: (part) => { for (const name of Object.keys(told)) if (Array.isArray(part[name]) && name !== "targets") told[name].push(...part[name]); },
      hear: (at_s, low, high) => { heard.at_s.push(at_s); heard.low.push(low); heard.high.push(high); },
      last: () => told.time_s.length ? told.time_s[told.time_s.length - 1] + told.frame_s : 0,
      remove: () => { container.replaceChildren(); drawn.then(() => Plotly.purge(graph)); } };
  }

  /* Let the headings of a table sort it. */
  function sortable(table) {
    table.querySelectorAll("th[aria-sort] button").forEach((button) => button.addEventListener("click", () => {
      const head = button.closest("th"), index = [...head.parentNode.children].indexOf(head), body = table.tBodies[0];
      const down = head.getAttribute("aria-sort") === "ascending" || (head.getAttribute("aria-sort") === "none" && head.dataset.kind === "number");
      table.querySelectorAll("th[aria-sort]").forEach((each) => each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.children[index].dataset.value ?? row.children[index].textContent;
      const compare = head.dataset.kind === "number" ? (a, b) => Number(value(a)) - Number(value(b)) : (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true });
      body.append(...[...body.rows].sort((a, b) => (down ? -1 : 1) * compare(a, b)));
    }));
  }

  return { show, live, sortable, unpacked, make, clock, signed, plain, capital, colour, dark, CONFIG };
})();
