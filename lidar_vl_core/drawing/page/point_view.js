"use strict";
(() => {
  const NO_CLASS = 255;
  const TRUE_BOX = { name: "true boxes", color: "#f8fafc" };
  // Corners of a box as signs along its length, width and height, and the pairs of them that are drawn: edges, and a cross on the front.
  const CORNERS = [[1, 1, 1], [1, -1, 1], [1, -1, -1], [1, 1, -1], [-1, 1, 1], [-1, -1, 1], [-1, -1, -1], [-1, 1, -1]];
  const EDGES = [[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4], [1, 5], [2, 6], [3, 7], [0, 2], [1, 3]];
  const WRONG = "#ff4d4f", RIGHT = "#64748b", UNKNOWN = "#3b4658";
  const view = JSON.parse(document.getElementById("view-data").textContent);
  const element = (id) => document.getElementById(`view-${id}`);
  const classes = [...view.classes, { name: view.has_truth ? "no class" : "no answer", color: UNKNOWN }];
  const groupOfClass = (id) => Math.min(id, classes.length - 1);

  // How points are coloured: what each group means, and the group of a point.
  const colourings = {
    prediction: { groups: classes, of: (f, k) => groupOfClass(f.predicted[k]) },
    truth: { groups: classes, of: (f, k) => groupOfClass(f.truth[k]) },
    error: {
      groups: [{ name: "right", color: RIGHT }, { name: "wrong", color: WRONG }, { name: "no truth", color: UNKNOWN }],
      of: (f, k) => (f.truth[k] === NO_CLASS ? 2 : f.truth[k] === f.predicted[k] ? 0 : 1),
    },
    confidence: {
      groups: [["below 40 %", "#f94144"], ["40 to 60 %", "#f8961e"], ["60 to 80 %", "#f9c74f"], ["80 to 95 %", "#90be6d"],
        ["95 % and more", "#43aa8b"], ["no answer", UNKNOWN]].map(([name, color]) => ({ name, color })),
      of: (f, k) => (f.predicted[k] === NO_CLASS ? 5 : [40, 60, 80, 95].filter((edge) => f.confidence[k] >= edge).length),
    },
  };
  const offered = ["prediction", ...(view.has_truth ? ["truth", "error"] : []), ...(view.has_confidence ? ["confidence"] : [])];
  const state = { frame: 0, colour: "prediction", hidden: new Set() };

  const unpacked = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
  };

  const decoded = new Map();
  async function frameAt(place) {
    if (!decoded.has(place)) {
      const { data, shown } = view.frames[place];
      const buffer = await unpacked(data).arrayBuffer();
      const metres = (axis) => Float32Array.from(new Int16Array(buffer, 2 * axis * shown, shown), (cm) => cm / 100);
      const bytes = (column) => new Uint8Array(buffer, (6 + column) * shown, shown);
      const frame = { x: metres(0), y: metres(1), z: metres(2), predicted: bytes(0), count: shown };
      if (view.has_truth) frame.truth = bytes(1);
      if (view.has_confidence) frame.confidence = bytes(view.has_truth ? 2 : 1);
      decoded.set(place, frame);
    }
    return decoded.get(place);
  }

  // The class a filter looks at: the true one where truth is what is shown, else the predicted one.
  const filteredClass = (f, k) => groupOfClass(state.colour === "truth" || state.colour === "error" ? f.truth[k] : f.predicted[k]);

  function grouped(frame) {
    const { groups, of } = colourings[state.colour];
    const places = groups.map(() => []);
    const present = new Set(), kinds = new Set();
    for (let k = 0; k < frame.count; k++) {
      const group = of(frame, k), id = filteredClass(frame, k);
      present.add(id);
      kinds.add(group);
      if (!state.hidden.has(`class ${id}`) && !state.hidden.has(`${state.colour} ${group}`)) places[group].push(k);
    }
    return { places, present, kinds };
  }

  function trace(frame, places, group) {
    const pick = (column) => Float32Array.from(places, (k) => column[k]);
    return {
      type: "scatter3d", mode: "markers", name: group.name, hoverinfo: "skip", x: pick(frame.x), y: pick(frame.y), z: pick(frame.z),
      marker: { symbol: "square", size: 2, color: group.color, line: { width: 0 } },
    };
  }

  // What boxes are shown in groups: the true ones, then the found ones by class; each with the key that hides it.
  function boxGroups() {
    const { found, truth } = view.frames[state.frame];
    const ofClass = view.box_classes.map((group, id) => ({ group, key: `box ${id}`, boxes: found.filter(([own]) => own === id) }));
    return [{ group: TRUE_BOX, key: "box truth", boxes: truth }, ...ofClass].filter(({ boxes, key }) => boxes.length || state.hidden.has(key));
  }

  function boxTrace({ group, key, boxes }) {
    const lines = [[], [], []];
    for (const [, , x, y, z, length, width, height, yaw] of boxes) {
      const cos = Math.cos(yaw / 1000), sin = Math.sin(yaw / 1000);
      const corners = CORNERS.map(([a, b, c]) => {
        const along = (a * length) / 2, across = (b * width) / 2;
        return [x + along * cos - across * sin, y + along * sin + across * cos, z + (c * height) / 2].map((cm) => cm / 100);
      });
      for (const edge of EDGES) lines.forEach((line, axis) => line.push(...edge.map((corner) => corners[corner][axis]), null));
    }
    const [x, y, z] = lines;
    const line = { color: group.color, width: key === "box truth" ? 2 : 4 };
    return { type: "scatter3d", mode: "lines", name: group.name, hoverinfo: "skip", x, y, z, line };
  }

  function layout() {
    const wide = view.half_width_m, [low, high] = view.heights_m, hidden = { visible: false, showspikes: false };
    return {
      uirevision: "kept", showlegend: false, paper_bgcolor: "#0b1120", margin: { l: 0, r: 0, t: 0, b: 0 },
      scene: {
        hovermode: false, dragmode: "turntable", aspectmode: "manual",
        aspectratio: { x: 2, y: 2, z: (high - low) / wide },
        xaxis: { ...hidden, range: [-wide, wide] }, yaxis: { ...hidden, range: [-wide, wide] }, zaxis: { ...hidden, range: [low, high] },
        camera: { eye: { x: -1.15, y: 0.0, z: 0.75 }, center: { x: 0, y: 0, z: -0.1 } },
      },
    };
  }

  function chip(group, key, pressed) {
    const button = document.createElement("button"), dot = document.createElement("i");
    button.type = "button";
    button.setAttribute("aria-pressed", String(pressed));
    dot.style.background = group.color;
    button.append(dot, group.name);
    button.onclick = () => {
      if (!state.hidden.delete(key)) state.hidden.add(key);
      draw();
    };
    return button;
  }

  function showControls(present, kinds) {
    const chips = (groups, shown, prefix, color) => groups
      .map((group, k) => [color ? { ...group, color } : group, `${prefix} ${k}`, k])
      .filter(([, key, k]) => shown.has(k) || state.hidden.has(key))
      .map(([group, key]) => chip(group, key, !state.hidden.has(key)));
    const byClass = state.colour === "prediction" || state.colour === "truth";
    element("classes").replaceChildren(...chips(classes, present, "class", byClass ? null : "#94a3b8"));
    element("kinds").replaceChildren(...(byClass ? [] : chips(colourings[state.colour].groups, kinds, state.colour, null)));
    element("boxes").replaceChildren(...boxGroups().map(({ group, key, boxes }) =>
      chip({ ...group, name: key === "box truth" ? `${boxes.length} true boxes` : `${boxes.length} ${group.name} found` }, key, !state.hidden.has(key))));
    for (const button of element("colours").children) button.setAttribute("aria-pressed", String(button.value === state.colour));
    const { caption, points, shown } = view.frames[state.frame];
    element("caption").textContent = `${caption}, ${shown.toLocaleString("en")} of ${points.toLocaleString("en")} points`;
    element("frame").value = state.frame;
    element("before").disabled = state.frame === 0;
    element("after").disabled = state.frame === view.frames.length - 1;
  }

  let drawing = false, again = false;
  async function draw() {
    again = true;
    if (drawing) return; // the newest state is drawn once this one stands
    drawing = true;
    while (again) {
      again = false;
      const frame = await frameAt(state.frame);
      const { places, present, kinds } = grouped(frame);
      showControls(present, kinds);
      const boxes = boxGroups().filter(({ key }) => !state.hidden.has(key));
      const traces = [...colourings[state.colour].groups.map((group, k) => trace(frame, places[k], group)), ...boxes.map(boxTrace)];
      await Plotly.react(element("plot"), traces, layout(), { responsive: true, displaylogo: false, displayModeBar: false });
      const drawn = places.reduce((sum, each) => sum + each.length, 0);
      Object.assign(element("plot").dataset, {
        frame: view.frames[state.frame].index, colour: state.colour, drawn, boxes: boxes.reduce((sum, each) => sum + each.boxes.length, 0),
      });
    }
    drawing = false;
  }

  // #frame=12&colour=error opens that view; the frame nearest to the asked one is taken.
  function readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (!asked.has("frame") && !asked.has("colour")) return false;
    if (offered.includes(asked.get("colour"))) state.colour = asked.get("colour");
    const index = Number(asked.get("frame"));
    if (asked.has("frame") && Number.isFinite(index)) {
      const away = view.frames.map((frame) => Math.abs(frame.index - index));
      state.frame = away.indexOf(Math.min(...away));
    }
    return true;
  }

  function goTo(place) {
    state.frame = Math.max(0, Math.min(view.frames.length - 1, place));
    draw();
  }

  async function start() {
    element("frame").max = view.frames.length - 1;
    element("frame").oninput = (event) => goTo(Number(event.target.value));
    element("before").onclick = () => goTo(state.frame - 1);
    element("after").onclick = () => goTo(state.frame + 1);
    for (const name of offered) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", value: name, textContent: name, onclick: () => { state.colour = name; draw(); } });
      element("colours").append(button);
    }
    readAddress();
    window.addEventListener("hashchange", () => {
      if (readAddress()) { draw(); document.getElementById("view").scrollIntoView(); }
    });
    const library = document.createElement("script");
    library.textContent = await unpacked(element("library").textContent).text();
    document.head.append(library);
    element("state").remove();
    await draw();
  }

  start().catch((problem) => {
    const text = `This browser cannot show the points (${problem.message}). It needs WebGL and DecompressionStream; the images below do not.`;
    const told = document.createElement("p");
    told.className = "note";
    told.textContent = text;
    element("plot").replaceChildren(told);
    element("plot").dataset.failed = "1";
  });
})();
