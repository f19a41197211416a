// The recursion tree, of which only unfolded parts are drawn, and the selected event.

const SIBLINGS = 200;
const items = new Map();
let chosen = null;

function drawTree() {
  $("branches").append(branch(run));
  items.get(run).tabIndex = 0;
  open(run);
  for (const attempt of attempts) {
    open(attempt);
    attempt.children.filter((node) => node.kind === "turn").forEach((turn) => open(turn));
  }
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
  const error = node.data.error ? ` ${oneLine(node.data.error)}` : "";
  const item = h("li", {
    role: "treeitem", tabindex: -1, "data-id": node.id, "aria-label": label(node), "aria-level": node.depth + 1,
    "aria-selected": String(node === chosen), "aria-expanded": node.children.length ? "false" : null,
  }, h("div", { class: "row", title: label(node) },
    h("span", { class: "twist", "aria-hidden": "true" }, node.children.length ? "▶" : ""),
    kindOf(node), h("span", { class: `what${node.failed ? " bad" : ""}` }, headline(node), error),
    node.all.calls > 1 && h("span", { class: "number" }, plural(node.all.calls, "call")),
    node.lasts && node.ended && h("span", { class: "number" }, seconds(node.wall)),
    !node.ended && h("span", { class: "number warn" }, "never ended")));
  items.set(node, item);
  return item;
}

/** Unfolds a node: draws its first children, or as many as it takes to include `wanted`. */
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
  const more = () => grow(node, group, Math.min(upTo + SIBLINGS, node.children.length));
  if (left) {
    group.append(h("li", { class: "more", role: "none" },
      h("button", { class: "link", onclick: more }, `${count(left)} more`)));
  }
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

/** Selects an event: marks it in the tree and on the time line, and shows its content beside the tree. */
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
