// A place where files, folders and archives are dropped or chosen. Each is sent by itself, with its
// place in its folder, to upload/BATCH/PLACE (site.py); then `upload` is triggered with the batch.
const label = element.querySelector(".drop-state");
const area = element.querySelector(".drop");
const words = JSON.parse(area.dataset.words);

const fill = (text, ...values) => text.replace(/\{(\d)\}/g, (_, place) => values[place]);

async function inside(entry, before) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [[file, before + file.name]];
  }
  const reader = entry.createReader(), found = [];
  for (;;) {  // a reader gives a hundred at a time
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    for (const one of some) found.push(...(await inside(one, before + entry.name + "/")));
  }
}

async function send(files) {
  if (!files.length) return;
  const batch = newBatch();
  area.setAttribute("aria-busy", "true");
  let count = 0;
  for (const [file, place] of files) {
    label.textContent = fill(words.sending, count, files.length, place);
    try {
      await put(batch, place, file);
    } catch (error) {
      label.textContent = fill(words.failed, place, error.message);
      area.removeAttribute("aria-busy");
      return;
    }
    count += 1;
  }
  area.removeAttribute("aria-busy");
  label.textContent = fill(words.ready, count);
  trigger("upload", { batch, first: files[0][1] });
}

const chosen = (input) =>
  send(Array.from(input.files, (file) => [file, file.webkitRelativePath || file.name]));
element.querySelectorAll("input[type=file]").forEach((input) => {
  input.addEventListener("change", () => { chosen(input); input.value = ""; });
});
element.querySelectorAll("button[data-opens]").forEach((button) => {
  button.addEventListener("click", () =>
    element.querySelector(`input[name=${button.dataset.opens}]`).click());
});
area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("over"); });
area.addEventListener("dragleave", () => area.classList.remove("over"));
area.addEventListener("drop", async (event) => {
  event.preventDefault();
  area.classList.remove("over");
  const entries = Array.from(event.dataTransfer.items, (item) => item.webkitGetAsEntry());
  const files = [];
  for (const entry of entries.filter(Boolean)) files.push(...(await inside(entry, "")));
  send(files);
});
