"use strict";
/* The page of emotrace serve: recordings to the server, traces back, one's own voice while one speaks. */
(() => {
  const { make, clock, signed, capital } = emotrace;
  const by = (id) => document.getElementById(id);
  const shown = new Map();
  const queue = [];
  const AT_ONCE = 2;
  let busy = 0, about = null, talk = null;

  const say = (text) => { by("status").textContent = text; };
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  function report(text) {
    by("down").textContent = text;
    by("down").hidden = !text;
  }

  /* While the server is away: ask until it is back. */
  let asking = false;
  async function awaitServer() {
    report("The server does not answer. Is emotrace serve still running? What you gave stays in this page.");
    if (asking) return;
    asking = true;
    for (;;) {
      await pause(1500);
      try {
        if ((await fetch("/health")).ok) break;
      } catch { /* still away */ }
    }
    asking = false;
    report("");
    say("The server is back.");
    document.querySelectorAll(".waiting .again[data-away]").forEach((button) => button.click());
    if (!about) begin();
  }

  class Away extends Error {}

  /* Post a recording; wait where the server has no room. */
  async function post(file, query, tell = () => {}) {
    // No model can be chosen before the server has named them; it takes its default then.
    const told = Object.entries(query).filter(([, value]) => value);
    for (;;) {
      let answer;
      try {
        const form = new FormData();
        form.append("file", file, file.name);
        answer = await fetch(`/v1/trace?${new URLSearchParams(told)}`, { method: "POST", body: form });
      } catch {
        awaitServer();
        throw new Away("the server does not answer");
      }
      if (answer.ok) return answer;
      const refusal = await answer.json().catch(() => ({ detail: `the server answered ${answer.status}` }));
      if (answer.status !== 429) throw new Error(refusal.detail);
      tell("The server is busy; waiting for room …");
      await pause(1000 * Number(answer.headers.get("Retry-After") || 2));
    }
  }

  function take(files) {
    for (const file of files) {
      const what = make("span", { class: "what" }, "waiting"), line = make("li", {}, make("strong", {}, file.name), what, make("progress", { "aria-label": `Work on ${file.name}` }));
      by("waiting").append(line);
      queue.push({ file, line, what, model: by("model").value });
    }
    next();
  }

  function next() {
    while (busy < AT_ONCE && queue.length) {
      busy += 1;
      work(queue.shift()).finally(() => { busy -= 1; next(); });
    }
  }

  async function work(job) {
    const { file, line, what, model } = job;
    try {
      if (about && file.size > about.limits.max_mb * 1e6) throw new Error(`${file.name}: is larger than ${about.limits.max_mb} MB, the most that is taken; compress or cut it`);
      what.textContent = "listening …";
      say(`Working on ${file.name}.`);
      const answer = await post(file, { format: "json", model, waveform: 2000 }, (text) => { what.textContent = text; });
      const told = await answer.json();
      line.remove();
      add(file, told, model);
      say(`${told.name} is done: ${told.targets.map((target) => `mean ${target} ${signed(told.summary[target].mean)}`).join(", ")}.` + (told.warnings.length ? ` Warning: ${told.warnings.join(" ")}` : ""));
    } catch (error) {
      line.classList.add("bad");
      line.querySelector("progress")?.remove();
      const prefix = `${file.name}: `;
      what.textContent = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
      say(`${file.name} failed: ${what.textContent}`);
      const redo = () => { line.remove(); take([file]); };
      line.append(make("button", { type: "button", class: "again", "data-away": error instanceof Away, click: redo }, "Try again"),
        make("button", { type: "button", "aria-label": `Dismiss ${file.name}`, click: () => line.remove() }, "Dismiss"));
    }
  }

  function add(file, told, model) {
    const sheet = make("section", { class: "sheet", tabindex: -1 });
    by("recordings").prepend(sheet);
    const save = (kind, name) => make("button", { type: "button", "aria-label": `Save ${name} of ${told.name}`, click: (event) => download(event.currentTarget, file, kind, model) }, name);
    const actions = [save("csv", "CSV"), save("png", "Picture"), save("html", "Report"), make("button", { type: "button", "aria-label": `Remove ${told.name}`, click: () => remove(sheet) }, "Remove")];
    const address = URL.createObjectURL(file);
    shown.set(sheet, { told, address, view: emotrace.show(sheet, told, { sound: address, actions }) });
    compare();
    sheet.focus({ preventScroll: true, focusVisible: false });
  }

  function remove(sheet) {
    const { view, address, told } = shown.get(sheet);
    view.remove();
    URL.revokeObjectURL(address);
    shown.delete(sheet);
    compare();
    say(`${told.name} is gone.`);
    by("files").focus();
  }

  async function download(button, file, kind, model) {
    button.disabled = true;
    try {
      const answer = await post(file, { format: kind, model });
      const address = URL.createObjectURL(await answer.blob());
      make("a", { href: address, download: `${file.name.replace(/\.[^.]*$/, "")}.${kind}` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
      say(`${kind.toUpperCase()} of ${file.name} saved.`);
    } catch (error) {
      say(error.message);
      if (!(error instanceof Away)) report(error.message);
    }
    button.disabled = false;
    button.focus();
  }

  /* A row a recording, where there are several. */
  function compare() {
    const all = [...shown.entries()];
    by("table").hidden = all.length < 2;
    by("recordings").classList.toggle("several", all.length > 1);
    by("drop").classList.toggle("used", all.length > 0);
    if (all.length < 2) return;
    const table = by("table").querySelector("table"), targets = [...new Set(all.flatMap(([, { told }]) => told.targets))];
    const head = table.tHead.rows[0];
    while (head.children.length > 2) head.lastChild.remove();
    for (const target of targets) for (const title of [capital(target), "SD"])
      head.append(make("th", { scope: "col", "aria-sort": "none", "data-kind": "number" }, make("button", { type: "button", "aria-label": title === "SD" ? `SD of ${target}` : `Mean ${target}` }, title)));
    head.querySelectorAll("th").forEach((each) => each.setAttribute("aria-sort", "none"));
    table.tBodies[0].replaceChildren(...all.map(([sheet, { told }]) => make("tr", {},
      make("td", { class: "name" }, make("a", { href: `#${sheet.getAttribute("aria-labelledby")}` }, told.name)),
      make("td", { "data-value": told.duration_s }, clock(told.duration_s)),
      ...targets.flatMap((target) => { const row = told.summary[target];
        return row ? [make("td", { "data-value": row.mean }, signed(row.mean)), make("td", { "data-value": row.sd }, row.sd.toFixed(2))] : [make("td", {}, "–"), make("td", {}, "–")]; }))));
    emotrace.sortable(table);
  }

  /* The microphone: to the server as it comes, kept here to be listened to afterwards. */
  async function record() {
    if (talk) { talk.stop(); return; }
    talk = { stop: () => {} };
    by("record").disabled = true;
    try {
      talk = await startTalk();
    } catch (error) {
      talk = null;
      const why = { NotAllowedError: "The browser was not allowed to use the microphone.", NotFoundError: "No microphone was found." };
      by("live-note").textContent = why[error.name] || error.message;
      by("live").hidden = false;
      say(by("live-note").textContent);
    }
    by("record").disabled = false;
    label();
  }

  /* What holds of the last seconds; nothing any more without texts. */
  function warn(texts) {
    by("live-warning").textContent = texts.join(" ");
    by("live-warning").hidden = !texts.length;
  }

  function label() {
    by("record-text").textContent = talk ? "Stop" : "Speak now";
    by("record").classList.toggle("recording", Boolean(talk));
  }

  async function startTalk() {
    if (!navigator.mediaDevices || !window.AudioWorkletNode) throw new Error("Browsers give the microphone to pages over https or on localhost only; record with another program and drop the file here.");
    // What helps telephone calls takes away the loudness that arousal is heard by.
    const media = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
    const context = new AudioContext();
    await context.audioWorklet.addModule("/static/worklet.js");
    const source = context.createMediaStreamSource(media), pieces = new AudioWorkletNode(context, "pieces", { numberOfOutputs: 0 });
    const rate = context.sampleRate, kept = [];
    const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream`;
    const socket = new WebSocket(address);
    let samples = 0, plot = null, latency = 0, ended = false, timer = 0;
    const heard_s = () => samples / rate;
    by("live").hidden = false;
    by("live-note").textContent = "";
    by("live-delay").textContent = "";
    warn([]);

    pieces.port.onmessage = ({ data }) => {
      if (data === null) { finish(); return; }
      kept.push(data);
      if (plot) plot.hear(heard_s(), Math.min(...data) / 32768, Math.max(...data) / 32768);
      samples += data.length;
      if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount < 4e6) socket.send(data);
      const limit_s = about ? Math.min(about.limits.max_minutes * 60, about.limits.max_mb * 1e6 / 2 / rate) : 3600;
      if (heard_s() > limit_s - 1) stop();
    };

    socket.onopen = () => {
      socket.send(JSON.stringify({ rate_hz: rate, format: "s16le" }));
    };
    socket.onmessage = ({ data }) => {
      const part = JSON.parse(data);
      if (part.type === "ready") {
        latency = part.latency_s;
        plot = emotrace.live(by("live-plot"), part);
        source.connect(pieces);
        by("live-note").textContent = `The networks hear ${latency.toFixed(1)} s of what follows before they answer, so the lines come that much later. When you stop, the whole recording is worked on again, with all of it known.`;
        say("Recording.");
        timer = setInterval(draw, 200);
      } else if (part.type === "trace") {
        plot.push(part);
      } else if (part.type === "warning") {
        warn(part.warnings);
      } else if (part.type === "error") {
        by("live-note").textContent = part.detail;
        say(part.detail);
      } else if (part.type === "end") {
        ended = true;
      }
    };
    socket.onclose = () => {
      if (ended) return;
      if (!by("live-note").textContent || plot) by("live-note").textContent = "The connection to the server broke; what was recorded is kept.";
      fetch("/health").catch(awaitServer);
      stop();
    };

    function draw() {
      plot.draw(heard_s());
      by("live-clock").textContent = clock(heard_s());
      by("live-delay").textContent = plot.last() ? `${(heard_s() - plot.last()).toFixed(1)} s behind` : `first values after ${latency.toFixed(1)} s`;
    }

    let stopped = false;
    function stop() {
      if (stopped) return;
      stopped = true;
      clearInterval(timer);
      source.disconnect();
      media.getTracks().forEach((track) => track.stop());
      pieces.port.postMessage(null);
    }

    function finish() {
      context.close();
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "finish" }));
      else socket.close();
      talk = null;
      label();
      if (plot) draw();
      by("live").hidden = !by("live-note").textContent || Boolean(samples && ended);
      say("Recording stopped.");
      if (samples) { take([wav(kept, samples, rate)]); by("live").hidden = true; if (plot) plot.remove(); }
    }
    return { stop };
  }

  function wav(pieces, samples, rate) {
    const head = new DataView(new ArrayBuffer(44));
    const word = (at, text) => [...text].forEach((letter, i) => head.setUint8(at + i, letter.charCodeAt(0)));
    word(0, "RIFF"); head.setUint32(4, 36 + 2 * samples, true); word(8, "WAVEfmt "); head.setUint32(16, 16, true);
    head.setUint16(20, 1, true); head.setUint16(22, 1, true); head.setUint32(24, rate, true); head.setUint32(28, 2 * rate, true);
    head.setUint16(32, 2, true); head.setUint16(34, 16, true); word(36, "data"); head.setUint32(40, 2 * samples, true);
    const at = new Date(), two = (number) => String(number).padStart(2, "0");
    const name = `microphone ${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}.${two(at.getMinutes())}.${two(at.getSeconds())}.wav`;
    return new File([head, ...pieces], name, { type: "audio/wav" });
  }

  async function begin() {
    try {
      about = await (await fetch("/v1/about")).json();
    } catch {
      awaitServer();
      return;
    }
    by("limits").textContent = `WAV, FLAC, OGG, MP3, m4a and more; up to ${about.limits.max_mb} MB and ${about.limits.max_minutes} minutes each.`;
    by("model").replaceChildren(...about.models.map((model) => make("option", { value: model.name, selected: model.name === about.default }, model.name)));
    describe();
  }

  function describe() {
    const chosen = about.models.find((model) => model.name === by("model").value);
    by("model-about").textContent = chosen ? `trained on ${chosen.trained_on}` : "";
  }

  by("model").addEventListener("change", describe);
  by("files").addEventListener("change", (event) => { take(event.target.files); event.target.value = ""; });
  by("record").addEventListener("click", record);
  for (const kind of ["dragenter", "dragover"]) document.addEventListener(kind, (event) => { event.preventDefault(); by("drop").classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) document.addEventListener(kind, (event) => { event.preventDefault(); if (kind === "drop" || !event.relatedTarget) by("drop").classList.remove("over"); });
  document.addEventListener("drop", (event) => take(event.dataTransfer.files));
  window.addEventListener("beforeunload", (event) => { if (talk) event.preventDefault(); });
  begin();
})();
