"use strict";
/* A page on many recordings: where they lie in the plane, how their values are distributed, a table that sorts. */
(async () => {
  try {
    const [code, data] = await Promise.all(["plotting", "data"].map((id) => emotrace.unpacked(document.getElementById(id).textContent.trim())));
    const script = document.createElement("script");
    script.textContent = code;
    document.head.append(script);
    const recordings = JSON.parse(data);
    draw(recordings);
    emotrace.dark.addEventListener("change", () => draw(recordings));
    emotrace.sortable(document.getElementById("table"));
  } catch (error) {
    document.getElementById("failed").hidden = false;
    throw error;
  }

  function draw(recordings) {
    const { colour, capital } = emotrace, targets = recordings[0].targets, [low, high] = recordings[0].unit_range;
    const [across, up] = targets.includes("valence") && targets.includes("arousal") ? ["valence", "arousal"] : [targets[0], targets[1] || targets[0]];
    const look = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, margin: { l: 48, r: 10, t: 10, b: 44 },
      font: { family: "system-ui, sans-serif", size: 12, color: colour("--soft") }, dragmode: false,
      hoverlabel: { bgcolor: colour("--sheet"), bordercolor: colour("--line"), font: { color: colour("--ink") } } };
    const axis = (title, target) => ({ title: { text: title, font: { color: target ? colour(`--t${targets.indexOf(target) % 4}-text`) : colour("--soft") } }, range: [low, high],
      gridcolor: colour("--grid"), zerolinecolor: colour("--wave"), fixedrange: true, tickformat: "~g" });
    const of = (target, key) => recordings.map((each) => each.summary[target][key]);
    const bars = (target) => ({ type: "data", array: of(target, "sd"), thickness: 1, width: 0, color: colour("--line") });
    const means = document.getElementById("means"), first = !means.on;
    Plotly.react(means, [{ x: of(across, "mean"), y: of(up, "mean"), mode: "markers", error_x: bars(across), error_y: bars(up), hoverinfo: "text",
      text: recordings.map((each) => emotrace.plain(each.name)), marker: { size: 9, color: colour("--accent"), opacity: 0.75 } }],
    { ...look, xaxis: axis(`Mean ${across}`, across), yaxis: axis(`Mean ${up}`, up) }, { ...emotrace.CONFIG, responsive: true });
    const step = (high - low) / 40, x = Array.from({ length: 40 }, (_, i) => low + (i + 0.5) * step);
    Plotly.react("frames", targets.map((target, k) => {
      const sums = x.map((_, i) => recordings.reduce((sum, each) => sum + each.counts[target][i], 0)), all = sums.reduce((a, b) => a + b, 0);
      return { x, y: sums.map((n) => 100 * n / all), mode: "lines", line: { shape: "hvh", color: colour(`--t${k % 4}`), width: 2 }, fill: "tozeroy", fillcolor: `${colour(`--t${k % 4}`)}22`,
        name: target, hovertemplate: `${capital(target)} around %{x:.2f}: %{y:.1f} % of the frames<extra></extra>` };
    }), { ...look, showlegend: true, legend: { orientation: "h", y: 1.12 }, xaxis: axis("Value of a frame"), yaxis: { title: { text: "Share of frames (%)" }, gridcolor: colour("--grid"), fixedrange: true, rangemode: "tozero" } },
    { ...emotrace.CONFIG, responsive: true });
    if (first) means.on("plotly_click", ({ points }) => {
      const row = document.getElementById(`r${points[0].pointIndex}`);
      row.scrollIntoView({ block: "center" });
      row.focus({ preventScroll: true, focusVisible: true });
    });
  }
})();
