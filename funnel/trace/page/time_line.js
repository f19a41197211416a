// The time line: what ran when, and what ran at the same time. The lanes of a node lie within its parent's.

const LANE_PX = 19, MAX_ZOOM = 400;
const bars = new Map();
let zoom = 1;
const total = Math.max(run.end - run.at, 1e-6);
const percent = (s) => `${((s - run.at) / total) * 100}%`;

/** Gives nodes that overlap in time lanes of their own, below the lane of their parent. Returns the lanes used. */
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
  const size = { height: `${height * LANE_PX + 6}px` };
  const box = h("div", { class: "bars", role: "listbox", "aria-label": "Events by time", css: size }, all);
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
  const buttons = [
    ["−", "Zoom out", () => zoomTo(zoom / 1.6)], ["+", "Zoom in", () => zoomTo(zoom * 1.6)],
    ["fit", "The whole run", () => zoomTo(1)], ["chosen", "Zoom to what is chosen", fitChosen],
  ];
  $("zoom").append(...buttons.map(([name, title, act]) =>
    h("button", { title, "aria-label": title, onclick: act }, name)));
  const kinds = [...new Set(nodes.map((node) => node.kind))];
  $("legend").append(...kinds.map((kind) => kindOf({ kind })));
}

function bar(node) {
  const looks = ["bar", `k-${node.kind}`, node.failed && "failed", !node.ended && "open", !node.lasts && "point"];
  const width = node.lasts ? `${((node.end - node.at) / total) * 100}%` : "";
  const drawn = h("div", {
    class: looks.filter(Boolean).join(" "), role: "option", tabindex: -1, "data-id": node.id,
    "aria-selected": "false", "aria-label": `${label(node)}, ${seconds(node.end - node.at)}`,
    css: { left: percent(node.at), top: `${node.lane * LANE_PX + 4}px`, width },
  }, node.lasts && h("span", {}, node.kind === "turn" ? label(node) : headline(node)));
  bars.set(node, drawn);
  return drawn;
}

const nodeOf = (element) => byId.get(Number(element.closest?.("[data-id]")?.dataset.id));

/** A filled curve of how many model calls were in flight at each moment. */
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

/** Draws the labels of the visible part of the axis. */
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
  const took = node.lasts ? `, took ${seconds(node.end - node.at)}` : "";
  box.replaceChildren(kindOf(node), " ", h("b", {}, headline(node)),
    h("div", { class: "faint" }, `from ${seconds(node.at - run.at)}`, took, node.ended ? "" : ", never ended"),
    calls > 0 && h("div", { class: "faint" }, `${plural(calls, "model call")}, ${count(tokens)} tokens, ${price(node.all)}`),
    node.data.error && h("div", { class: "bad" }, oneLine(node.data.error)));
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)}px`;
  box.style.top = `${Math.min(event.clientY + 16, innerHeight - box.offsetHeight - 8)}px`;
}

function walkTime(event) {
  const node = nodeOf(event.target);
  const siblings = node.parent?.children ?? [node], at = siblings.indexOf(node);
  const next = {
    ArrowRight: siblings[at + 1], ArrowLeft: siblings[at - 1], ArrowUp: node.parent, ArrowDown: node.children[0],
  }[event.key];
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
