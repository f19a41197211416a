// Searches all text in the events.

const FOUND = 100;

function* strings(value) {
  if (typeof value === "string") yield value;
  else if (value !== null && typeof value === "object") for (const item of Object.values(value)) yield* strings(item);
}

/** Returns the events that contain the words, each with the first match. A text shared by many is searched once. */
function find(words) {
  const pattern = new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+"), "iu");
  const read = new Map();
  const found = [];
  for (const node of nodes) {
    for (const text of [label(node), ...strings(node.data)]) {
      if (!read.has(text)) read.set(text, pattern.exec(text));
      const match = read.get(text);
      if (!match) continue;
      const at = match.index, stop = at + match[0].length;
      const before = text.slice(Math.max(0, at - 50), at), after = text.slice(stop, stop + 70);
      found.push({ node, before, match: match[0], after });
      break;
    }
  }
  return found;
}

function drawSearch() {
  const box = $("found"), query = $("query");
  let waiting = 0;
  const show = () => {
    const words = query.value.trim();
    box.hidden = words.length < 2;
    if (box.hidden) return;
    const found = find(words);
    const more = found.length > FOUND ? `, the first ${FOUND} shown` : "";
    box.replaceChildren(h("p", {}, plural(found.length, "event"), more), ...found.slice(0, FOUND).map(offer));
  };
  const offer = ({ node, before, match, after }) => h("button", { onclick: () => lead(node) },
    kindOf(node), " ", oneLine(headline(node), 70), h("small", {}, "…", before, h("mark", {}, match), after, "…"));
  const lead = (node) => {
    box.hidden = true;
    select(node);
    $("tree").scrollIntoView();
  };
  query.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(show, 150); });
  query.addEventListener("focus", show);
  document.addEventListener("click", (event) => { if (!event.target.closest("search")) box.hidden = true; });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") box.hidden = true;
    if (event.key === "/" && !event.target.closest("input")) {
      event.preventDefault();
      query.focus();
    }
    const list = [...box.querySelectorAll("button")];
    if (event.target.closest("search") && ["ArrowDown", "ArrowUp"].includes(event.key) && list.length) {
      event.preventDefault();
      list.at((list.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)) % list.length)?.focus();
    }
  });
}
