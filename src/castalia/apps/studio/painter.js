// A picture on which one paints what is to be made anew. The picture and the mask (white where it was
// painted) are sent to upload/BATCH/; then `upload` is triggered with the batch and their names.
const view = element.querySelector("canvas"), brush = element.querySelector("input[type=range]");
const field = element.querySelector("input[type=file]"), label = element.querySelector("[role=status]");
const words = JSON.parse(element.querySelector(".painter").dataset.words);
const mask = document.createElement("canvas");
let picture = null, file = null, last = null;

function show() {
  const context = view.getContext("2d");
  context.drawImage(picture, 0, 0);
  context.globalAlpha = 0.6;
  context.drawImage(mask, 0, 0);
  context.globalAlpha = 1;
}

function clear() {
  if (!picture) return;
  mask.width = view.width = picture.naturalWidth;
  mask.height = view.height = picture.naturalHeight;
  show();
  send();
}

function place(event) {
  const box = view.getBoundingClientRect();
  return [(event.clientX - box.left) * view.width / box.width,
          (event.clientY - box.top) * view.height / box.height];
}

function paint(from, to) {
  const context = mask.getContext("2d");
  context.strokeStyle = "#12b5d6";
  context.lineCap = "round";
  context.lineWidth = Math.max(1, brush.value * Math.max(view.width, view.height) / 100);
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  show();
}

async function send() {
  const batch = newBatch();
  const flat = document.createElement("canvas");
  flat.width = mask.width;
  flat.height = mask.height;
  const context = flat.getContext("2d");
  context.drawImage(mask, 0, 0);
  context.globalCompositeOperation = "source-in";  // white where it was painted
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, flat.width, flat.height);
  context.globalCompositeOperation = "destination-over";  // black elsewhere
  context.fillStyle = "#000000";
  context.fillRect(0, 0, flat.width, flat.height);
  const painted = await new Promise((done) => flat.toBlob(done, "image/png"));
  const name = "picture" + (file.name.match(/\.\w+$/) || [".png"])[0];
  try {
    await put(batch, name, file);
    await put(batch, "mask.png", painted);
  } catch (error) {
    label.textContent = words.failed + " " + error.message;
    return;
  }
  label.textContent = words.ready;
  trigger("upload", { batch, first: name });
}

field.addEventListener("change", () => {
  file = field.files[0];
  if (!file) return;
  picture = new Image();
  picture.onload = clear;
  picture.onerror = () => { label.textContent = words.failed; };
  picture.src = URL.createObjectURL(file);
});
element.querySelector("button[name=choose]").addEventListener("click", () => field.click());
element.querySelector("button[name=clear]").addEventListener("click", clear);
view.addEventListener("pointerdown", (event) => {
  if (!picture) return;
  view.setPointerCapture(event.pointerId);
  last = place(event);
  paint(last, last);
});
view.addEventListener("pointermove", (event) => {
  if (last === null) return;
  const now = place(event);
  paint(last, now);
  last = now;
});
view.addEventListener("pointerup", () => {
  if (last !== null) send();
  last = null;
});
