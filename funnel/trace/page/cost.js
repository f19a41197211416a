// What the run cost, by purpose and by node.

const ROWS = 40;

function drawCost() {
  const calls = Map.groupBy(nodes.filter((node) => node.kind === "model_call"), purpose);
  $("purposes").append(table("By purpose",
    ["purpose and model", "calls", "tokens in", "tokens out", "cost", "time, summed", "a call"],
    [...calls].map(([name, made]) => costOf(name, made)), 4));
  $("nodes").append(table("By node: its own calls, and all below it",
    ["node", "own calls", "all calls", "own tokens", "all tokens", "own cost", "all cost", "own time", "all time"],
    nodes.filter((node) => node.lasts && node.kind !== "model_call").map(costOfNode), 4));
}

const purpose = ({ data }) => `${data.purpose ?? ""} · ${data.model ?? ""}`;

function costOf(name, calls) {
  const of = (key) => calls.reduce((sum, call) => sum + asNumber(call.data[key]), 0);
  const usd = { usd: of("cost_usd"), unpriced: calls.some((call) => call.own.unpriced) };
  const s = calls.reduce((sum, call) => sum + call.end - call.at, 0);
  return [{ sort: name, show: name }, number(calls.length), number(of("input_tokens")), number(of("output_tokens")),
    money(usd), time(s), time(s / calls.length)];
}

function costOfNode(node) {
  const { own, all } = node;
  const turns = path(node.parent).filter((up) => up.kind === "turn").map((up) => `${step(up)} › `);
  const name = h("button", { class: "link", onclick: () => select(node) },
    kindOf(node), " ", turns, oneLine(headline(node), 80));
  return [{ sort: node.id, show: name }, number(own.calls), number(all.calls), number(own.tokens),
    { ...number(all.tokens), share: all.tokens / Math.max(1, run.all.tokens) },
    money(own), money(all), time(own.s), time(all.s)];
}

const number = (n) => ({ sort: n, show: count(n) });
const money = (sums) => ({ sort: sums.usd, show: price(sums) });
const time = (s) => ({ sort: s, show: seconds(s) });

const cell = ({ show, share }) =>
  h("td", {}, show, share ? h("span", { class: "share", css: { width: `${share * 100}%` } }) : null);

/** A table that is sorted by a click on a column head; at first by column `by`, largest first. */
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
    const order = down ? "descending" : "ascending";
    columns.forEach((column, at) => column.setAttribute("aria-sort", at === by ? order : "none"));
    const compare = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b)));
    rows.sort((a, b) => compare(a[by].sort, b[by].sort) * (down ? -1 : 1));
    body.replaceChildren(...(all ? rows : rows.slice(0, ROWS)).map((row) => h("tr", {}, row.map(cell))));
    more.hidden = all || rows.length <= ROWS;
  }
  fill();
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
    h("table", {}, h("caption", { class: "aside" }, title), h("thead", {}, h("tr", {}, columns)), body), more);
}
