// How files reach site.py: each by itself, under a batch that the page makes up. Stands before
// drop.js and painter.js.
const newBatch = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
    byte.toString(16).padStart(2, "0")).join("");

async function put(batch, place, body) {
  const address = `../upload/${batch}/${place.split("/").map(encodeURIComponent).join("/")}`;
  const answer = await fetch(address, { method: "PUT", body });
  if (!answer.ok) throw new Error(await answer.text());
}

