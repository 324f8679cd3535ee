// An assistant in the corner of a web page: <script src="https://.../widget.js"></script>
// Needs nothing else. data-key: a key of the server; data-language: "en" or "zh".
// Whatever comes from documents is set as text, never as HTML.
(() => {
  "use strict";
  const own = document.currentScript;
  const base = new URL(own.src).origin;
  const chinese = (own.dataset.language || document.documentElement.lang || navigator.language)
    .toLowerCase().startsWith("zh");
  const words = chinese
    ? { open: "打开助手", close: "关闭", title: "助手", ask: "你的问题", send: "发送",
        place: "出处", failed: "暂时无法回答，请稍后再试。", you: "你", it: "助手" }
    : { open: "Open the assistant", close: "Close", title: "Assistant", ask: "Your question",
        send: "Send", place: "Source", failed: "No answer can be given now; try again later.",
        you: "You", it: "Assistant" };
  const make = (tag, attributes = {}, text = "") => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    return node;
  };
  const host = make("div", { lang: chinese ? "zh-Hans" : "en" });
  const root = host.attachShadow({ mode: "open" });
  root.append(make("style", {}, `
    :host { all: initial; position: fixed; right: 1rem; bottom: 1rem; z-index: 2147483000;
      font: 16px/1.5 system-ui, sans-serif; color: #1c2430; }
    button, input { font: inherit; padding: .5rem .8rem; border: 1px solid #51607a;
      border-radius: .4rem; background: #fff; color: inherit; }
    button { background: #1f4e8c; color: #fff; cursor: pointer; }
    :focus-visible { outline: 3px solid #e69500; outline-offset: 2px; }
    section { width: min(24rem, calc(100vw - 2rem)); background: #fff; padding: 1rem;
      border: 1px solid #51607a; border-radius: .6rem; box-shadow: 0 4px 20px #0004; }
    section[hidden] { display: none; }
    header, form { display: flex; gap: .5rem; justify-content: space-between; }
    h2 { font-size: 1.1rem; margin: 0; } input { flex: 1; min-width: 0; }
    [role=log] { height: 16rem; overflow: auto; margin: .8rem 0; }
    p { margin: .4rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
    details { font-size: .875rem; }`));
  const opener = make("button", { type: "button", "aria-expanded": "false" }, words.open);
  const panel = make("section", { role: "dialog", "aria-label": words.title, hidden: "" });
  const header = make("header");
  const close = make("button", { type: "button" }, words.close);
  header.append(make("h2", {}, words.title), close);
  const log = make("div", { role: "log", "aria-live": "polite", tabindex: "0",
    "aria-label": words.title });
  const form = make("form");
  const input = make("input", { "aria-label": words.ask, placeholder: words.ask,
    maxlength: "4000", autocomplete: "off", required: "" });
  form.append(input, make("button", { type: "submit" }, words.send));
  panel.append(header, log, form);
  root.append(opener, panel);
  const history = [];
  const show = (open) => {
    panel.hidden = !open;
    opener.hidden = open;
    opener.setAttribute("aria-expanded", String(open));
    (open ? input : opener).focus();
  };
  const say = (who, text, citations = []) => {
    const line = make("p");
    line.append(make("b", {}, `${who}: `), document.createTextNode(text));
    log.append(line);
    for (const one of citations) {
      const details = make("details");
      const at = one.page ? `${one.source}, ${one.page}`
        : one.line ? `${one.source}:${one.line}` : one.source;
      details.append(make("summary", {}, `${words.place}: ${at}`), make("p", {}, one.quote));
      log.append(details);
    }
    log.scrollTop = log.scrollHeight;
  };
  opener.addEventListener("click", () => show(true));
  close.addEventListener("click", () => show(false));
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") show(false); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const question = input.value.trim();
    if (!question) return;
    input.value = "";
    say(words.you, question);
    try {
      const headers = { "content-type": "application/json" };
      if (own.dataset.key) headers.authorization = `Bearer ${own.dataset.key}`;
      const reply = await fetch(`${base}/api/assistant/ask`, { method: "POST", headers,
        body: JSON.stringify({ question, history: history.slice(-20) }) });
      if (!reply.ok) throw new Error(String(reply.status));
      const found = await reply.json();
      say(words.it, found.answer, found.citations);
      history.push(question);
    } catch {
      say(words.it, words.failed);
    }
    input.focus();
  });
  document.body.append(host);
})();
