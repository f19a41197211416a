// The run as a tree of nodes: what each of them cost, and the words by which it is shown.

const KIND_NAMES = {
  __proto__: null,
  run: "run", retrieve: "retrieve", route: "route", turn: "turn", cell: "cell", host_call: "host call",
  model_call: "model call", batch: "batch", submit: "submit", answer: "answer", note: "note", budget: "budget",
  retry: "retry", wait: "wait", repair: "repair", cache: "cache", error: "error",
};

const source = JSON.parse($("data").textContent);
const nodes = source.nodes.map(([id, parent, kind, at, wall, ended, data]) => ({
  id, parent, kind: String(kind), at, wall, ended, data: asObject(unfold(data)), children: [],
}));
const byId = new Map(nodes.map((node) => [node.id, node]));
const run = nodes[0];
link();
// A run that was resumed has a node for each attempt under its own.
const attempts = run.data.attempts > 1 ? run.children.filter((node) => node.kind === "run") : [run];

function unfold(value) {
  if (Array.isArray(value)) return value.map(unfold);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value);
  const only = entries.length === 1 ? entries[0][0] : "";
  if (only === "$text") return source.texts[value.$text] ?? "";
  if (/^\$\$+text$/.test(only)) return { [only.slice(1)]: unfold(value[only]) };
  return Object.fromEntries(entries.map(([key, item]) => [key, unfold(item)]));
}

/** Sets parents, ends and costs: `own` of the calls right under a node, `all` of everything below it. */
function link() {
  const last = nodes.reduce((latest, node) => Math.max(latest, node.at + (node.wall ?? 0)), 0);
  for (const node of nodes) {
    node.parent = node === run ? null : byId.get(node.parent);
    node.depth = node.parent ? node.parent.depth + 1 : 0;
    node.parent?.children.push(node);
    node.lasts = node.wall !== null || !node.ended;
    node.end = node.wall === null ? (node.ended ? node.at : last) : node.at + node.wall;
    node.failed = Boolean(node.data.error) || node.kind === "error";
    node.own = node.kind === "model_call" ? bill(node.data) : { calls: 0, tokens: 0, usd: 0, unpriced: false };
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

function bill({ input_tokens, output_tokens, cost_usd }) {
  const tokens = asNumber(input_tokens) + asNumber(output_tokens);
  return { calls: 1, tokens, usd: asNumber(cost_usd), unpriced: cost_usd === null };
}

/** Returns the seconds during which at least one of these spans ran. They must be sorted by their starts. */
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
  run: (d) => `${d.life > 0 ? `attempt ${d.life + 1}: ` : ""}${oneLine(d.question ?? "")}`,
  retrieve: (d) => `${plural(asList(d.documents).length, "document")} for “${oneLine(d.query ?? "", 80)}”`,
  route: (d) => `${d.route}, depth needed: p = ${asNumber(d.probability).toFixed(2)}`,
  turn: (d) => `${d.number ?? ""}${d.depth ? `, depth ${d.depth}` : ""}`,
  cell: (d) => oneLine(asText(d.code ?? "").split("\n").find((line) => /^\s*(?!#|import |from )\S/.test(line)) ?? ""),
  host_call: (d) => `${d.name}(${oneLine(asList(d.arguments).join(", "), 120)})`,
  model_call: (d) => `${d.purpose ?? ""} ${d.model ?? ""}${d.purpose === "query" ? ` “${asked(d.messages)}”` : ""}`,
  batch: (d) => `${count(d.n)} at once${d.failed ? `, ${count(d.failed)} failed` : ""}`,
  answer: (d) => `${d.status ?? ""}${d.end_reason ? `, ${d.end_reason}` : ""}, ${plural(asList(d.citations).length, "citation")}`,
  submit: (d) => oneLine(d.answer ?? ""),
  cache: (d) => `${d.source ?? ""}: ${d.purpose ?? ""} ${d.model ?? ""}`,
  note: (d) => `${d.key ?? ""}: ${oneLine(d.text ?? "", 100)}`,
};
const asked = (messages) => oneLine(asList(messages).at(-1)?.content ?? "", 80);
const headline = (node) => node.headline ??= HEADLINES[node.kind]?.(node.data) ?? oneLine(
  node.data.reason ?? Object.entries(node.data).map(([key, value]) => `${key} ${oneLine(value, 40)}`).join(", "));
const label = (node) => `${KIND_NAMES[node.kind] ?? node.kind} ${headline(node)}`;
function path(node) {
  const steps = [];
  for (let step = node; step; step = step.parent) steps.push(step);
  return steps.reverse();
}
