"use strict";
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const { labels, layers, heads, scale, words } = data;
  const count = labels.length, triangle = (count * (count + 1)) / 2;
  const bytes = Uint8Array.from(atob(data.weights), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const start = (row) => (row * (row + 1)) / 2;
  const $ = (id) => document.getElementById(id);
  const say = (name, ...values) =>
    words[name].replace(/\{(\d)\}/g, (_, place) => values[place - 1]);
  const headName = (head) => head === ALL ? words.mean : say("head", head + 1);
  const ALL = -1;  // instead of a head: the mean of its layer

  const maps = [];  // [layer][head + 1], each a lower triangle; the first is the mean
  for (let layer = 0; layer < layers; layer++) {
    const own = [new Float32Array(triangle)];
    for (let head = 0; head < heads; head++) {
      const first = 2 * triangle * (layer * heads + head);
      const one = Float32Array.from(
        { length: triangle }, (_, place) => view.getUint16(first + 2 * place, true) / scale);
      one.forEach((weight, place) => { own[0][place] += weight / heads; });
      own.push(one);
    }
    maps.push(own);
  }

  const state = { layer: layers - 1, head: ALL, row: count - 1, column: null };
  const weights = () => maps[state.layer][state.head + 1];
  const alpha = (weight) => Math.sqrt(weight);  // small weights stay visible
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let ink = [];
  const tint = (weight) => `rgb(${ink.join(" ")} / ${alpha(weight).toFixed(3)})`;
  const percent = (weight) => `${(100 * weight).toFixed(weight < 0.1 ? 1 : 0)}%`;
  const readInk = () => { ink = css("--model").match(/\w\w/g).map((pair) => parseInt(pair, 16)); };

  function thumbnail(canvas, map) {
    canvas.width = canvas.height = count;
    const context = canvas.getContext("2d"), picture = context.createImageData(count, count);
    for (let row = 0; row < count; row++) {
      for (let column = 0; column <= row; column++) {
        const opacity = Math.round(255 * alpha(map[start(row) + column]));
        picture.data.set([...ink, opacity], 4 * (row * count + column));
      }
    }
    context.putImageData(picture, 0, 0);
  }

  const canvas = $("map");
  let cell = 0, gutter = 0;
  function drawMap() {
    const context = canvas.getContext("2d"), ratio = window.devicePixelRatio || 1;
    const family = getComputedStyle($("tokens")).fontFamily;
    const room = canvas.parentElement.clientWidth;
    context.font = `12px ${family}`;
    const widest = Math.max(...labels.map((label) => context.measureText(label).width));
    gutter = Math.ceil(Math.min(110, widest + 12));
    // small texts fit into the window, long ones stay legible
    const tall = Math.max(10, (0.85 * window.innerHeight - gutter) / count);
    cell = Math.max(9, Math.floor(Math.min(26, tall, (room - gutter - 2) / count)));
    const side = cell * count, font = Math.max(8, Math.min(13, cell - 1));
    canvas.width = canvas.height = Math.ceil((gutter + side + 2) * ratio);
    canvas.style.width = canvas.style.height = `${gutter + side + 2}px`;
    context.scale(ratio, ratio);
    const map = weights();
    for (let row = 0; row < count; row++) {
      context.fillStyle = css("--card");
      context.fillRect(gutter, gutter + row * cell, (row + 1) * cell, cell);
      for (let column = 0; column <= row; column++) {
        context.fillStyle = tint(map[start(row) + column]);
        context.fillRect(gutter + column * cell, gutter + row * cell, cell, cell);
      }
    }
    context.strokeStyle = css("--line");
    context.beginPath();  // the staircase under which a token can look
    context.moveTo(gutter + 0.5, gutter + 0.5);
    for (let row = 0; row < count; row++) {
      context.lineTo(gutter + (row + 1) * cell + 0.5, gutter + row * cell + 0.5);
      context.lineTo(gutter + (row + 1) * cell + 0.5, gutter + (row + 1) * cell + 0.5);
    }
    context.lineTo(gutter + 0.5, gutter + side + 0.5);
    context.closePath();
    context.stroke();
    context.font = `${font}px ${family}`;
    context.textBaseline = "middle";
    for (let place = 0; place < count; place++) {
      const middle = gutter + (place + 0.5) * cell;
      context.textAlign = "right";
      context.fillStyle = place === state.row ? css("--memory") : css("--soft");
      context.fillText(labels[place], gutter - 6, middle, gutter - 8);
      context.fillStyle = place === state.column ? css("--memory") : css("--soft");
      if ([...labels[place]].length === 1) {
        context.textAlign = "center";
        context.fillText(labels[place], middle, gutter - 4 - font / 2);
      } else {
        context.save();
        context.translate(middle, gutter - 6);
        context.rotate(-Math.PI / 2);
        context.textAlign = "left";
        context.fillText(labels[place], 0, 0, gutter - 8);
        context.restore();
      }
    }
    context.strokeStyle = css("--memory");
    context.strokeRect(gutter + 0.5, gutter + state.row * cell + 0.5, (state.row + 1) * cell, cell);
    if (state.column !== null) {
      context.lineWidth = 2;
      context.strokeRect(gutter + state.column * cell, gutter + state.row * cell, cell, cell);
    }
  }

  const spans = [...$("tokens").querySelectorAll("span")];
  const named = (place) => `<b>${spans[place].innerHTML}</b>`;
  function drawRow() {
    const map = weights(), first = start(state.row);
    spans.forEach((span, place) => {
      span.classList.toggle("reader", place === state.row);
      span.classList.toggle("later", place > state.row);
      span.style.background = place <= state.row ? tint(0.8 * map[first + place]) : "";
      span.title = place <= state.row ? percent(map[first + place]) : "";
    });
    const strongest = () => [...Array(state.row + 1).keys()]
      .sort((a, b) => map[first + b] - map[first + a]).slice(0, 4);
    const shares = (state.column === null ? strongest() : [state.column]).map((place) =>
      say("weight", percent(map[first + place]), named(place)) +
      (place === state.row ? ` ${words.itself}` : ""));
    if (state.column !== null && state.column !== state.row) {
      shares.push(say("before", state.row - state.column));
    }
    const reader = say("looks", state.row + 1, named(state.row));
    $("readout").innerHTML = `${reader} ${shares.join(words.between)}`;
  }

  function drawAll() {
    const head = state.head === ALL ? words["mean of heads"] : headName(state.head);
    const name = [say("layer", state.layer + 1), head].join(words.between);
    $("caption").textContent = `${name}. ${words.axes}`;
    canvas.setAttribute("aria-label", say("map", count, name));
    for (const button of $("heads").querySelectorAll("button")) {
      const { layer, head } = button.dataset;
      button.setAttribute(
        "aria-pressed", Number(layer) === state.layer && Number(head) === state.head);
    }
    drawMap();
    drawRow();
  }

  function point(row, column) {
    if (row === state.row && column === state.column) return;
    Object.assign(state, { row, column });
    drawMap();
    drawRow();
  }

  function buildHeads() {
    const grid = $("heads");
    grid.replaceChildren();
    grid.style.gridTemplateColumns = `1.6rem repeat(${heads + 1}, minmax(0, 1fr))`;
    const label = (text) =>
      Object.assign(document.createElement("span"), { className: "name", textContent: text });
    const numbers = Array.from({ length: heads }, (_, head) => label(`${head + 1}`));
    grid.append(label(""), label(words.mean), ...numbers);
    maps.forEach((own, layer) => {
      grid.append(label(`${layer + 1}`));
      own.forEach((map, place) => {
        const button = document.createElement("button"), small = document.createElement("canvas");
        const head = place - 1;
        const title = [say("layer", layer + 1), headName(head)].join(words.between);
        Object.assign(button, { type: "button", title });
        Object.assign(button.dataset, { layer, head });
        button.setAttribute("aria-label", button.title);
        thumbnail(small, map);
        button.append(small);
        button.addEventListener("click", () => {
          Object.assign(state, { layer, head });
          drawAll();
        });
        grid.append(button);
      });
    });
    const stops = Array.from({ length: 11 }, (_, place) => tint(place / 10));
    $("ramp").style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  }

  canvas.addEventListener("mousemove", (event) => {
    const column = Math.floor((event.offsetX - gutter) / cell);
    const row = Math.floor((event.offsetY - gutter) / cell);
    if (row < 0 || row >= count) return;
    point(row, column >= 0 && column <= row ? column : null);
  });
  canvas.addEventListener("mouseleave", () => point(state.row, null));
  $("tokens").addEventListener("mouseover", (event) => {
    const token = event.target.dataset.token;
    if (token !== undefined) point(Number(token), null);
  });
  const repaint = () => { readInk(); buildHeads(); drawAll(); };
  window.addEventListener("resize", drawMap);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  repaint();
}
