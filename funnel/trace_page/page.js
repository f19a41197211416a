"use strict";
// Draws one run from the JSON block of this page. Foreign text gets into the document through `h` alone:
// as text, never as markup, and with every character that cannot be seen spelled out.

const KIND_NAMES = {
  __proto__: null,
  run: "run", retrieve: "retrieve", route: "route", turn: "turn", cell: "cell", host_call: "host call",
  model_call: "model call", batch: "batch", submit: "submit", answer: "answer", note: "note", budget: "budget",
  retry: "retry", repair: "repair", cache: "cache", error: "error",
};
const SIBLINGS = 200, FOUND = 100, ROWS = 40, SHOWN_CHARS = 50_000;
const LANE_PX = 19, MAX_ZOOM = 400;

// ---- Text -----------------------------------------------------------------------------------------------

// Controls, marks that turn the direction of writing, tags that hide a text, and halves of a pair.
const UNSEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufffe\uffff\u{e0000}-\u{e007f}]|[\ud800-\udfff]/gu;
const visible = (text) => text.replace(/\r\n/g, "\n")
  .replace(UNSEEN, (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));
const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "");
const oneLine = (value, chars = 160) => {
  const line = asText(value).slice(0, chars * 4).replace(/\s+/g, " ").trim();
  return line.length > chars ? line.slice(0, chars) + "…" : line;
};
const asList = (value) => (Array.isArray(value) ? value : []);
const asObject = (value) => (value !== null && typeof value === "object" ? value : {});
const asNumber = (value) => (typeof value === "number" ? value : 0);

const count = (n) => asNumber(n).toLocaleString("en");
const plural = (n, noun, many = noun + "s") => `${count(n)} ${n === 1 ? noun : many}`;
const dollars = (usd) => (typeof usd !== "number" ? "unknown" : usd === 0 || usd >= 1 ? `$${usd.toFixed(2)}` : `$${usd.toFixed(4)}`);
const seconds = (s) => s === null ? "–"
  : s === 0 ? "0 s" : s < 0.001 ? `${(s * 1e6).toFixed(0)} µs` : s < 1 ? `${(s * 1e3).toFixed(s < 0.01 ? 1 : 0)} ms`
  : s < 60 ? `${s.toFixed(2)} s` : `${Math.floor(s / 60)} min ${(s % 60).toFixed(0)} s`;

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "css") Object.assign(element.style, value);
    else element.setAttribute(name, visible(String(value)));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Element ? child : visible(String(child)));
  }
  return element;
}
const $ = (id) => document.getElementById(id);
const kindOf = (node) => h("span", { class: `kind k-${node.kind}` }, KIND_NAMES[node.kind] ?? node.kind);

// ---- The run --------------------------------------------------------------------------------------------

const source = JSON.parse($("data").textContent);
const nodes = source.nodes.map(([id, parent, kind, at, wall, ended, data]) => ({
  id, parent, kind: String(kind), at, wall, ended, data: asObject(unfold(data)), children: [],
}));
const byId = new Map(nodes.map((node) => [node.id, node]));
const run = nodes[0];
link();

function unfold(value) {
  if (Array.isArray(value)) return value.map(unfold);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value);
  const only = entries.length === 1 ? entries[0][0] : "";
  if (only === "$text") return source.texts[value.$text] ?? "";
  if (/^\$\$+text$/.test(only)) return { [only.slice(1)]: unfold(value[only]) };
  return Object.fromEntries(entries.map(([key, item]) => [key, unfold(item)]));
}

/** Parents, ends, and what each node cost: by the calls right under it (`own`), and in all below (`all`). */
function link() {
  const last = nodes.reduce((latest, node) => Math.max(latest, node.at + (node.wall ?? 0)), 0);
  for (const node of nodes) {
    node.parent = node === run ? null : byId.get(node.parent);
    node.depth = node.parent ? node.parent.depth + 1 : 0;
    node.parent?.children.push(node);
    node.lasts = node.wall !== null || !node.ended;
    node.end = node.wall === null ? (node.ended ? node.at : last) : node.at + node.wall;
    node.failed = Boolean(node.data.error) || node.kind === "error";
    const { input_tokens, output_tokens, cost_usd } = node.data;
    const called = node.kind === "model_call";
    node.own = called
      ? { calls: 1, tokens: asNumber(input_tokens) + asNumber(output_tokens), usd: asNumber(cost_usd), unpriced: cost_usd === null }
      : { calls: 0, tokens: 0, usd: 0, unpriced: false };
    node.all = { ...node.own };
  }
  for (const node of nodes.toReversed()) {
    node.all.s = node.end - node.at;
    node.own.s = node.all.s - covered(node.children.filter((child) => child.lasts));
    const up = node.parent;
    if (!up) continue;
    for (const sums of node.kind === "model_call" ? [up.own, up.all] : [up.all]) {
      sums.calls += node.all.calls;
      sums.tokens += node.all.tokens;
      sums.usd += node.all.usd;
      sums.unpriced ||= node.all.unpriced;
    }
  }
}

/** Seconds in which at least one of these ran. They come in the order of their starts. */
function covered(spans) {
  let sum = 0, until = -Infinity;
  for (const { at, end } of spans) {
    sum += Math.max(0, end - Math.max(at, until));
    until = Math.max(until, end);
  }
  return sum;
}

const price = ({ usd, unpriced }) => (unpriced ? (usd ? `${dollars(usd)} + unknown` : "unknown") : dollars(usd));
const HEADLINES = {
  __proto__: null,
  run: (d) => oneLine(d.question ?? ""),
  retrieve: (d) => `${plural(asList(d.documents).length, "document")} for “${oneLine(d.query ?? "", 80)}”`,
  route: (d) => `${d.route}, depth needed: p = ${asNumber(d.probability).toFixed(2)}`,
  turn: (d) => `${d.number ?? ""}${d.depth ? `, depth ${d.depth}` : ""}`,
  cell: (d) => oneLine(asText(d.code ?? "").split("\n").find((line) => /^\s*(?!#|import |from )\S/.test(line)) ?? ""),
  host_call: (d) => `${d.name}(${oneLine(asList(d.arguments).join(", "), 120)})`,
  model_call: (d) => `${d.purpose ?? ""} ${d.model ?? ""}${d.purpose === "query" ? ` “${oneLine(asList(d.messages).at(-1)?.content ?? "", 80)}”` : ""}`,
  batch: (d) => `${count(d.n)} at once${d.failed ? `, ${count(d.failed)} failed` : ""}`,
  answer: (d) => `${d.status ?? ""}, ${plural(asList(d.citations).length, "citation")}`,
  submit: (d) => oneLine(d.answer ?? ""),
  cache: (d) => `${d.source ?? ""}: ${d.purpose ?? ""} ${d.model ?? ""}`,
  note: (d) => `${d.key ?? ""}: ${oneLine(d.text ?? "", 100)}`,
};
const headline = (node) => node.headline ??= HEADLINES[node.kind]?.(node.data) ?? oneLine(
  node.data.reason ?? Object.entries(node.data).map(([key, value]) => `${key} ${oneLine(value, 40)}`).join(", "));
const label = (node) => `${KIND_NAMES[node.kind] ?? node.kind} ${headline(node)}`;
function path(node) {
  const steps = [];
  for (let step = node; step; step = step.parent) steps.push(step);
  return steps.reverse();
}

// ---- Question, answer, citations ------------------------------------------------------------------------

function drawAnswer() {
  const answer = nodes.findLast((node) => node.kind === "answer" && node.parent === run)?.data;
  const route = nodes.find((node) => node.kind === "route")?.data ?? {};
  const begun = run.data;
  const status = answer?.status ?? (run.ended ? "no answer" : "never ended");
  const tone = { complete: "good", partial: "warn", declined: "warn" }[status] ?? "bad";
  const facts = [begun.model, begun.sub_model !== begun.model && begun.sub_model, answer?.sandbox, begun.memory,
    begun.started_at && `${asText(begun.started_at).slice(0, 19).replace("T", " ")} UTC`];
  $("answer").append(
    h("h1", {}, begun.question ?? answer?.question ?? "A run"),
    h("ul", { class: "chips", "aria-label": "The run in short" },
      h("li", { class: `strong ${tone}` }, status),
      route.route && h("li", { class: "strong" }, route.route, route.pinned ? " (pinned)" : ""),
      facts.filter(Boolean).map((fact) => h("li", {}, fact))),
    h("div", { class: "reply" },
      h("div", {},
        answer ? h("div", { class: "text" }, marked(answer)) : h("p", { class: "faint" }, "This run gave no answer."),
        begun.error && h("p", { class: "notice bad" }, begun.error),
        asList(answer?.notices).map((notice) => h("p", { class: "notice" }, notice)),
        h("ol", { class: "citations", "aria-label": "Citations" }, asList(answer?.citations).map((cited, at) => citation(asObject(cited), at, asObject(asList(answer.surroundings)[at]))))),
      h("aside", { "aria-label": "What it took" }, sums(asObject(answer?.usage)), why(route))));
}

/** The answer's text, its markers as buttons, and what no marker backs underlined. Spans count whole characters. */
function marked(answer) {
  const letters = Array.from(asText(answer.text ?? "")), known = asList(answer.citations).length;
  const parts = [];
  let done = 0;
  for (const { start, stop } of asList(answer.uncited).map(asObject)) {
    if (!(start >= done && stop > start)) continue;
    parts.push(...markers(letters.slice(done, start).join(""), known),
      h("span", { class: "uncited", title: "No citation backs this." }, letters.slice(start, stop).join("")));
    done = stop;
  }
  return [...parts, ...markers(letters.slice(done).join(""), known)];
}

function markers(text, known) {
  return text.split(/(\[\d{1,3}\])/).map((part, at) => {
    const number = at % 2 ? Number(part.slice(1, -1)) : 0;
    return number >= 1 && number <= known
      ? h("button", { class: "marker", "aria-label": `Citation ${number}`, onclick: () => showCitation(number) }, number)
      : part;
  });
}

function citation({ document_id, title, uri, start, stop, quote }, at, { before, after }) {
  const place = `characters ${count(start)}–${count(stop)}`;
  return h("li", { id: `citation-${at + 1}`, tabindex: -1 },
    h("header", {}, h("b", {}, at + 1), h("span", { title: uri ?? "" }, title || document_id, " ",
      h("span", { class: "faint" }, title && title !== document_id ? `${document_id}, ${place}` : place))),
    h("blockquote", {}, before, h("mark", {}, quote), after));
}

function showCitation(number) {
  const card = $(`citation-${number}`);
  document.querySelectorAll(".citations .shown").forEach((other) => other.classList.remove("shown"));
  card.classList.add("shown");
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "center" });
  centre(card.querySelector("mark"));
}

/** Scrolls the quote to the middle of its surroundings. */
function centre(mark) {
  const box = mark.parentElement;
  box.scrollTop = mark.offsetTop - box.offsetTop - Math.max(0, (box.clientHeight - mark.offsetHeight) / 2);
}

function sums(usage) {
  const calls = nodes.filter((node) => node.kind === "model_call");
  const of = (key) => calls.reduce((sum, node) => sum + asNumber(node.data[key]), 0);
  const shown = [
    ["model calls", count(usage.model_calls ?? calls.length), spared(usage) || `up to ${peak()} at once`],
    ["cost", "cost_usd" in usage ? dollars(usage.cost_usd) : price(run.all), null],
    ["tokens in", count(usage.input_tokens ?? of("input_tokens")), null],
    ["tokens out", count(usage.output_tokens ?? of("output_tokens")), null],
    ["time", seconds(run.end - run.at), run.ended ? null : "never ended"],
    ["turns", count(nodes.filter((node) => node.kind === "turn").length), null],
  ];
  return h("dl", { class: "sums" }, shown.map(([name, value, more]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, more)))));
}

/** Answers that no call was made for, in this life of the run. */
function spared({ cached_calls, replayed_calls }) {
  return [cached_calls > 0 && `${count(cached_calls)} more from the cache`, replayed_calls > 0 && `${count(replayed_calls)} from the journal`]
    .filter(Boolean).join(", ");
}

function why(route) {
  if (!route.route) return null;
  return h("div", { class: "why" }, `Depth needed: p = ${asNumber(route.probability).toFixed(2)}`,
    h("div", { class: "gauge" }, h("i", { css: { width: `${asNumber(route.probability) * 100}%` } })),
    h("ul", {}, asList(route.reasons).map((reason) => h("li", {}, reason))),
    route.shape && h("p", { class: "faint" }, `Shape: ${route.shape}`, route.shape_reason ? ` (${route.shape_reason})` : ""));
}

// ---- Time line ------------------------------------------------------------------------------------------

const bars = new Map();
let zoom = 1;
const total = Math.max(run.end - run.at, 1e-6);
const percent = (s) => `${((s - run.at) / total) * 100}%`;

/** Puts what runs at once into lanes of their own, inside the lanes of what it is part of. Returns: lanes. */
function place(node) {
  const free = [];
  const clear = (lane, height, at) => free.slice(lane, lane + height).every((until) => until <= at + 2e-6);
  for (const child of node.children) {
    if (!child.lasts) {
      child.lane = 0;
      continue;
    }
    const height = place(child);
    let lane = 0;
    while (!clear(lane, height, child.at)) lane++;
    for (let i = lane; i < lane + height; i++) free[i] = child.end;
    child.lane = lane + 1;
  }
  return 1 + free.length;
}

function drawTime() {
  run.lane = 0;
  const height = place(run);
  for (const node of nodes) node.lane += node.parent?.lane ?? 0;
  const all = nodes.map(bar);
  const box = h("div", { class: "bars", role: "listbox", "aria-label": "Events by time", css: { height: `${height * LANE_PX + 6}px` } }, all);
  all[0].tabIndex = 0;
  box.addEventListener("click", (event) => {
    const node = nodeOf(event.target);
    if (node) select(node);
  });
  box.addEventListener("pointermove", (event) => tip(nodeOf(event.target), event));
  box.addEventListener("pointerleave", () => tip(null));
  box.addEventListener("keydown", walkTime);
  $("lanes").append(h("div", { class: "wide" }, h("div", { class: "axis", "aria-hidden": "true" }), flight(), box));
  $("lanes").addEventListener("scroll", () => requestAnimationFrame(ticks));
  $("lanes").addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomTo(zoom * Math.exp(-event.deltaY / 200), event.clientX);
  }, { passive: false });
  new ResizeObserver(ticks).observe($("lanes"));
  for (const [name, title, act] of [["−", "Zoom out", () => zoomTo(zoom / 1.6)], ["+", "Zoom in", () => zoomTo(zoom * 1.6)],
    ["fit", "The whole run", () => zoomTo(1)], ["chosen", "Zoom to what is chosen", fitChosen]]) {
    $("zoom").append(h("button", { title, "aria-label": title, onclick: act }, name));
  }
  const kinds = [...new Set(nodes.map((node) => node.kind))];
  $("legend").append(...kinds.map((kind) => kindOf({ kind })));
}

function bar(node) {
  const failed = node.failed ? " failed" : "", open = node.ended ? "" : " open";
  const drawn = h("div", {
    class: `bar k-${node.kind}${failed}${open}${node.lasts ? "" : " point"}`, role: "option", tabindex: -1, "data-id": node.id,
    "aria-selected": "false", "aria-label": `${label(node)}, ${seconds(node.end - node.at)}`,
    css: { left: percent(node.at), top: `${node.lane * LANE_PX + 4}px`, width: node.lasts ? `${((node.end - node.at) / total) * 100}%` : "" },
  }, node.lasts && h("span", {}, node.kind === "turn" ? label(node) : headline(node)));
  bars.set(node, drawn);
  return drawn;
}

const nodeOf = (element) => byId.get(Number(element.closest?.("[data-id]")?.dataset.id));

/** How many model calls were in flight at each moment, as a filled line. */
function flight() {
  const steps = changes();
  if (!steps.length) return null;
  const top = peak();
  const x = (s) => ((s - run.at) / total) * 1000;
  const line = steps.map(([at, n]) => `H${x(at).toFixed(3)}V${(1 - n / top).toFixed(4)}`).join("");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const filled = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 1000 1");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "flight");
  svg.setAttribute("aria-hidden", "true");
  filled.setAttribute("d", `M0 1${line}H1000V1Z`);
  svg.append(filled);
  return [h("span", { class: "peak" }, `model calls in flight, at most ${top}`), svg];
}

function changes() {
  const moments = nodes.filter((node) => node.kind === "model_call" && node.end > node.at)
    .flatMap((node) => [[node.at, 1], [node.end, -1]]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let n = 0;
  return moments.map(([at, change]) => [at, n += change]);
}

function peak() {
  return changes().reduce((most, [, n]) => Math.max(most, n), 0);
}

function zoomTo(wanted, clientX) {
  const lanes = $("lanes"), box = lanes.getBoundingClientRect();
  const at = clientX === undefined ? lanes.clientWidth / 2 : clientX - box.left;
  const share = (lanes.scrollLeft + at) / lanes.scrollWidth;
  zoom = Math.min(MAX_ZOOM, Math.max(1, wanted));
  lanes.firstChild.style.width = `${zoom * 100}%`;
  lanes.scrollLeft = share * lanes.scrollWidth - at;
  ticks();
}

function fitChosen() {
  const node = chosen ?? run;
  zoomTo((0.8 * total) / Math.max(node.end - node.at, total / MAX_ZOOM));
  $("lanes").scrollLeft = ((node.at - run.at) / total) * $("lanes").scrollWidth - $("lanes").clientWidth * 0.1;
}

/** Labels for what can be seen of the axis. */
function ticks() {
  const lanes = $("lanes"), width = lanes.scrollWidth;
  const rough = (total / width) * 90, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((s) => s >= rough);
  const first = Math.floor(((lanes.scrollLeft / width) * total) / step), labels = [];
  for (let i = first; i * step <= Math.min(total, ((lanes.scrollLeft + lanes.clientWidth) / width) * total); i++) {
    labels.push(h("span", { css: { left: `${((i * step) / total) * 100}%` } }, i ? seconds(i * step) : "0"));
  }
  lanes.querySelector(".axis").replaceChildren(...labels);
}

function tip(node, event) {
  const box = $("tip");
  box.hidden = !node;
  if (!node) return;
  const { calls, tokens } = node.all;
  box.replaceChildren(kindOf(node), " ", h("b", {}, headline(node)),
    h("div", { class: "faint" }, `from ${seconds(node.at - run.at)}`, node.lasts ? `, took ${seconds(node.end - node.at)}` : "", node.ended ? "" : ", never ended"),
    calls > 0 && h("div", { class: "faint" }, `${plural(calls, "model call")}, ${count(tokens)} tokens, ${price(node.all)}`),
    node.data.error && h("div", { class: "bad" }, oneLine(node.data.error)));
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)}px`;
  box.style.top = `${Math.min(event.clientY + 16, innerHeight - box.offsetHeight - 8)}px`;
}

function walkTime(event) {
  const node = nodeOf(event.target);
  const siblings = node.parent?.children ?? [node], at = siblings.indexOf(node);
  const next = { ArrowRight: siblings[at + 1], ArrowLeft: siblings[at - 1], ArrowUp: node.parent, ArrowDown: node.children[0] }[event.key];
  if (event.key === "Enter" || event.key === " ") select(node);
  else if (event.key === "+") zoomTo(zoom * 1.6);
  else if (event.key === "-") zoomTo(zoom / 1.6);
  else if (event.key === "0") zoomTo(1);
  else if (next) rove(bars.get(node), bars.get(next));
  else return;
  event.preventDefault();
}

function rove(from, to) {
  from.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
}

// ---- Tree -----------------------------------------------------------------------------------------------

const items = new Map();
let chosen = null;

function drawTree() {
  $("branches").append(branch(run));
  items.get(run).tabIndex = 0;
  open(run);
  run.children.filter((node) => node.kind === "turn").forEach(open);
  $("branches").addEventListener("keydown", walkTree);
  $("branches").addEventListener("click", (event) => {
    const node = nodeOf(event.target);
    if (!node || event.target.closest(".more")) return;
    if (event.target.closest(".twist")) toggle(node);
    else select(node);
  });
  $("unfold").append(
    h("button", { onclick: () => nodes.forEach((node) => node.children.length && open(node)) }, "unfold all"),
    h("button", { onclick: () => nodes.forEach((node) => node !== run && close(node)) }, "fold all"));
}

function branch(node) {
  const item = h("li", {
    role: "treeitem", tabindex: -1, "data-id": node.id, "aria-level": node.depth + 1, "aria-selected": String(node === chosen),
    "aria-expanded": node.children.length ? "false" : null, "aria-label": label(node),
  }, h("div", { class: "row", title: label(node) },
    h("span", { class: "twist", "aria-hidden": "true" }, node.children.length ? "▶" : ""),
    kindOf(node), h("span", { class: `what${node.failed ? " bad" : ""}` }, headline(node), node.data.error ? ` ${oneLine(node.data.error)}` : ""),
    node.all.calls > 1 && h("span", { class: "number" }, plural(node.all.calls, "call")),
    node.lasts && h("span", { class: `number${node.ended ? "" : " warn"}` }, node.ended ? seconds(node.wall) : "never ended")));
  items.set(node, item);
  return item;
}

/** Shows a node's children, as many as there is room for, and at least up to `wanted`. */
function open(node, wanted = null) {
  const item = items.get(node) ?? (open(node.parent, node), items.get(node));
  if (!node.children.length) return;
  item.setAttribute("aria-expanded", "true");
  let group = item.querySelector(":scope > ul");
  if (!group) item.append(group = h("ul", { role: "group" }));
  group.hidden = false;
  const drawn = node.drawn ?? 0;
  const upTo = Math.max(drawn || SIBLINGS, wanted ? node.children.indexOf(wanted) + 1 : 0);
  grow(node, group, Math.min(upTo, node.children.length));
}

function grow(node, group, upTo) {
  const drawn = node.drawn ?? 0;
  if (upTo <= drawn) return;
  group.querySelector(":scope > .more")?.remove();
  group.append(...node.children.slice(drawn, upTo).map(branch));
  node.drawn = upTo;
  const left = node.children.length - upTo;
  if (left) group.append(h("li", { class: "more", role: "none" },
    h("button", { class: "link", onclick: () => grow(node, group, Math.min(upTo + SIBLINGS, node.children.length)) }, `${count(left)} more`)));
}

function close(node) {
  const item = items.get(node), group = item?.querySelector(":scope > ul");
  if (!group) return;
  item.setAttribute("aria-expanded", "false");
  group.hidden = true;
}

const isOpen = (node) => items.get(node)?.getAttribute("aria-expanded") === "true";
const toggle = (node) => (isOpen(node) ? close(node) : open(node));

function walkTree(event) {
  const node = nodeOf(event.target);
  if (!node || event.target.closest(".more")) return;
  const seen = [...$("branches").querySelectorAll("[role=treeitem]")].filter((item) => item.offsetParent);
  const at = seen.indexOf(items.get(node));
  const go = (item) => item && rove(event.target, item);
  const act = {
    ArrowDown: () => go(seen[at + 1]), ArrowUp: () => go(seen[at - 1]), Home: () => go(seen[0]), End: () => go(seen.at(-1)),
    ArrowRight: () => (isOpen(node) ? go(items.get(node.children[0])) : open(node)),
    ArrowLeft: () => (isOpen(node) ? close(node) : go(items.get(node.parent))),
    Enter: () => select(node), " ": () => select(node),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

/** One event is chosen: shown in the tree and on the time line, and its content beside the tree. */
function select(node, { quietly = false } = {}) {
  for (const up of path(node.parent)) open(up, path(node).find((below) => below.parent === up));
  if (chosen) {
    items.get(chosen)?.setAttribute("aria-selected", "false");
    bars.get(chosen).classList.remove("chosen");
    bars.get(chosen).setAttribute("aria-selected", "false");
  }
  chosen = node;
  const item = items.get(node);
  document.querySelectorAll("#branches [tabindex='0']").forEach((other) => { other.tabIndex = -1; });
  item.tabIndex = 0;
  item.setAttribute("aria-selected", "true");
  bars.get(node).classList.add("chosen");
  bars.get(node).setAttribute("aria-selected", "true");
  $("detail").replaceChildren(...detail(node));
  $("detail").scrollTop = 0;
  if (quietly) return;
  item.firstChild.scrollIntoView({ block: "nearest" });
  history.replaceState(null, "", `#event-${node.id}`);
}

// ---- What is inside an event ----------------------------------------------------------------------------

const LONG = 200;
const TITLES = { stdout: "output" };
const RAW = new Set(["error", "question"]);

function detail(node) {
  const facts = [["started", seconds(node.at - run.at)]];
  if (node.lasts) facts.push(["took", node.ended ? seconds(node.end - node.at) : "never ended"]);
  if (node.kind !== "model_call" && node.all.calls) {
    facts.push(["model calls", `${count(node.all.calls)}, ${count(node.all.tokens)} tokens, ${price(node.all)}`]);
  }
  const blocks = [];
  for (const [key, value] of Object.entries(node.data)) {
    if (RAW.has(key) || value === null || value === "") continue;
    const simple = typeof value !== "object" && String(value).length <= LONG && !String(value).includes("\n");
    const listed = Array.isArray(value) && value.every((item) => typeof item !== "object") && String(value).length <= LONG;
    if (key === "code") blocks.unshift(block("code", value, { draw: python }));
    else if (key === "text") blocks.unshift(block("reply", value));
    else if (key === "messages") blocks.push(...prompt(asList(value)));
    else if ((simple && !["stdout", "answer"].includes(key)) || listed) facts.push([key.replaceAll("_", " "), fact(key, value)]);
    else blocks.push(block(TITLES[key] ?? key.replaceAll("_", " "), asText(value)));
  }
  return [
    h("nav", { class: "crumbs", "aria-label": "Where this event stands" },
      path(node.parent).map((up) => [h("button", { class: "link", onclick: () => select(up) }, KIND_NAMES[up.kind] ?? up.kind, up.kind === "turn" ? ` ${up.data.number}` : ""), "›"])),
    h("h3", {}, kindOf(node), " ", node.kind === "run" ? "" : headline(node)),
    node.data.question && node.kind === "run" && h("div", {}, node.data.question),
    node.data.error && h("p", { class: "notice bad" }, node.data.error),
    h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    ...blocks,
  ].filter(Boolean);
}

const fact = (key, value) =>
  key === "cost_usd" ? dollars(value) : typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 6 }) : Array.isArray(value) ? value.join(", ") : String(value);

/** Every message can be read; what the call before it was told already is folded up. */
function prompt(messages) {
  return messages.map((message, at) => block(
    `prompt ${at + 1} of ${messages.length}: ${message?.role ?? ""}`, asText(message?.content ?? message),
    { unfolded: at === messages.length - 1 }));
}

/** A text that is drawn when it is opened, and a long one in part. */
function block(title, text, { unfolded = true, draw = (part) => [part] } = {}) {
  const whole = asText(text);
  const fill = () => {
    if (box.childElementCount > 1) return;
    const pre = h("pre", { tabindex: 0, "aria-label": title }, draw(whole.slice(0, SHOWN_CHARS)));
    box.append(pre);
    if (whole.length > SHOWN_CHARS) {
      const more = h("button", { class: "more", onclick: () => { pre.replaceChildren(...h("pre", {}, draw(whole)).childNodes); more.remove(); } }, `show all ${count(whole.length)} characters`);
      box.append(more);
    }
  };
  const first = unfolded ? null : h("span", { class: "faint" }, " ", oneLine(whole, 60));
  const box = h("details", { open: unfolded ? "" : null, ontoggle: fill },
    h("summary", {}, title, " ", h("small", {}, plural(whole.length, "character")), first));
  if (unfolded) fill();
  return box;
}

const PYTHON = new RegExp([
  /(?<comment>#[^\n]*)/,
  /(?<string>[rbfuRBFU]{0,2}(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))/,
  /(?<host>\b(?:llm_query(?:_batched)?|rlm_query(?:_batched)?|read|grep|search|documents|note|notes|cite|budget|last_output|submit)(?=\())/,
  /(?<keyword>\b(?:False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b)/,
  /(?<number>\b\d[\w.]*)/,
  /\w+/,
].map((part) => part.source).join("|"), "g");

/** Python with its tokens in colours. */
function python(code) {
  const parts = [];
  let done = 0;
  for (const match of code.matchAll(PYTHON)) {
    const [kind] = Object.entries(match.groups).find(([, text]) => text !== undefined) ?? [];
    if (!kind) continue;
    parts.push(code.slice(done, match.index), h("span", { class: `tok-${kind}` }, match[0]));
    done = match.index + match[0].length;
  }
  return [...parts, code.slice(done)];
}

// ---- Cost -----------------------------------------------------------------------------------------------

function drawCost() {
  const groups = Map.groupBy(nodes.filter((node) => node.kind === "model_call"), (node) => `${node.data.purpose ?? ""} · ${node.data.model ?? ""}`);
  const made = [...groups].map(([name, calls]) => {
    const of = (key) => calls.reduce((sum, call) => sum + asNumber(call.data[key]), 0);
    const usd = { usd: of("cost_usd"), unpriced: calls.some((call) => call.own.unpriced) };
    const s = calls.reduce((sum, call) => sum + call.end - call.at, 0);
    return [{ sort: name, show: name }, number(calls.length), number(of("input_tokens")), number(of("output_tokens")),
      { sort: usd.usd, show: price(usd) }, time(s), time(s / calls.length)];
  });
  const spans = nodes.filter((node) => node.lasts && node.kind !== "model_call");
  const byNode = spans.map((node) => [
    { sort: node.id, show: h("button", { class: "link", onclick: () => select(node) }, kindOf(node), " ", path(node).slice(1, -1).filter((up) => up.kind === "turn").map((up) => `turn ${up.data.number} › `), oneLine(headline(node), 80)) },
    number(node.own.calls), number(node.all.calls), number(node.own.tokens), { ...number(node.all.tokens), share: node.all.tokens / Math.max(1, run.all.tokens) },
    { sort: node.own.usd, show: price(node.own) }, { sort: node.all.usd, show: price(node.all) }, time(node.own.s), time(node.all.s)]);
  $("purposes").append(table("By purpose", ["purpose and model", "calls", "tokens in", "tokens out", "cost", "time, summed", "a call"], made, 4));
  $("nodes").append(table("By node: its own calls, and all below it",
    ["node", "own calls", "all calls", "own tokens", "all tokens", "own cost", "all cost", "own time", "all time"], byNode, 4));
}

const number = (n) => ({ sort: n, show: count(n) });
const time = (s) => ({ sort: s, show: seconds(s) });

/** A table that its column heads sort, at first by column `by`, the greatest on top. */
function table(title, heads, rows, by) {
  let down = true, all = false;
  const body = h("tbody");
  const columns = heads.map((name, at) => h("th", { scope: "col" }, h("button", { onclick: () => {
    down = at === by ? !down : at > 0;
    by = at;
    fill();
  } }, name)));
  const more = h("button", { class: "more", onclick: () => { all = true; fill(); } }, `show all ${count(rows.length)} rows`);
  function fill() {
    columns.forEach((column, at) => column.setAttribute("aria-sort", at !== by ? "none" : down ? "descending" : "ascending"));
    const order = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b)));
    rows.sort((a, b) => order(a[by].sort, b[by].sort) * (down ? -1 : 1));
    body.replaceChildren(...(all ? rows : rows.slice(0, ROWS)).map((row) => h("tr", {}, row.map(({ show, share }) =>
      h("td", {}, show, share ? h("span", { class: "share", css: { width: `${share * 100}%` } }) : null)))));
    more.hidden = all || rows.length <= ROWS;
  }
  fill();
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
    h("table", {}, h("caption", { class: "aside" }, title), h("thead", {}, h("tr", {}, columns)), body), more);
}

// ---- Search ---------------------------------------------------------------------------------------------

function* strings(value) {
  if (typeof value === "string") yield value;
  else if (value !== null && typeof value === "object") for (const item of Object.values(value)) yield* strings(item);
}

/** The events that hold the words, each with the place where they stand; a text that many share is read once. */
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
      found.push({ node, before: text.slice(Math.max(0, at - 50), at), match: match[0], after: text.slice(stop, stop + 70) });
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
    box.replaceChildren(h("p", {}, plural(found.length, "event"), found.length > FOUND ? `, the first ${FOUND} shown` : ""),
      ...found.slice(0, FOUND).map(({ node, before, match, after }) => h("button", { onclick: () => { box.hidden = true; select(node); $("tree").scrollIntoView(); } },
        kindOf(node), " ", oneLine(headline(node), 70), h("small", {}, "…", before, h("mark", {}, match), after, "…"))));
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

// ---- All of it ------------------------------------------------------------------------------------------

$("name").textContent = visible(source.name);
document.title = visible(`${oneLine(run.data.question ?? source.name, 80)} · funnel`);
drawAnswer();
drawTime();
drawTree();
drawCost();
drawSearch();
const asked = byId.get(Number(/^#event-(\d+)$/.exec(location.hash)?.[1]));
select(asked ?? run, { quietly: !asked });
if (asked) $("tree").scrollIntoView();
document.querySelectorAll(".citations mark").forEach(centre);
