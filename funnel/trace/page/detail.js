// The content of an event: facts, code, output, prompts and replies. Each is drawn when it is opened.

const LONG = 200, SHOWN_CHARS = 50_000;
const BLOCKS = new Set(["stdout", "answer"]);
const SHOWN_APART = new Set(["error", "question"]);

function detail(node) {
  const facts = [["started", seconds(node.at - run.at)]];
  if (node.lasts) facts.push(["took", node.ended ? seconds(node.end - node.at) : "never ended"]);
  if (node.kind !== "model_call" && node.all.calls) {
    facts.push(["model calls", `${count(node.all.calls)}, ${count(node.all.tokens)} tokens, ${price(node.all)}`]);
  }
  const blocks = [];
  for (const [key, value] of Object.entries(node.data)) {
    if (SHOWN_APART.has(key) || value === null || value === "") continue;
    const plain = typeof value !== "object" || (Array.isArray(value) && value.every((item) => typeof item !== "object"));
    const short = plain && String(value).length <= LONG && !String(value).includes("\n");
    if (key === "code") blocks.unshift(block("code", value, { draw: python }));
    else if (key === "text") blocks.unshift(block("reply", value));
    else if (key === "messages") blocks.push(...prompt(asList(value)));
    else if (short && !BLOCKS.has(key)) facts.push([key.replaceAll("_", " "), fact(key, value)]);
    else blocks.push(block(key === "stdout" ? "output" : key.replaceAll("_", " "), asText(value)));
  }
  return [
    h("nav", { class: "crumbs", "aria-label": "Where this event stands" },
      path(node.parent).map((up) => [h("button", { class: "link", onclick: () => select(up) }, step(up)), "›"])),
    h("h3", {}, kindOf(node), " ", node.kind === "run" ? "" : headline(node)),
    node.data.question && node.kind === "run" && h("div", {}, node.data.question),
    node.data.error && h("p", { class: "notice bad" }, node.data.error),
    h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    ...blocks,
  ].filter(Boolean);
}

const step = (node) => `${KIND_NAMES[node.kind] ?? node.kind}${node.kind === "turn" ? ` ${node.data.number}` : ""}`;

function fact(key, value) {
  if (key === "cost_usd") return dollars(value);
  if (typeof value === "number") return value.toLocaleString("en", { maximumFractionDigits: 6 });
  return Array.isArray(value) ? value.join(", ") : String(value);
}

/** All messages of a prompt; all but the last are folded, since an earlier call had them already. */
function prompt(messages) {
  return messages.map((message, at) => block(
    `prompt ${at + 1} of ${messages.length}: ${message?.role ?? ""}`, asText(message?.content ?? message),
    { unfolded: at === messages.length - 1 }));
}

/** A text that is drawn when it is opened; of a long one only the beginning, until all is asked for. */
function block(title, text, { unfolded = true, draw = (part) => [part] } = {}) {
  const whole = asText(text);
  const fill = () => {
    if (box.childElementCount > 1) return;
    const pre = h("pre", { tabindex: 0, "aria-label": title }, draw(whole.slice(0, SHOWN_CHARS)));
    box.append(pre);
    if (whole.length <= SHOWN_CHARS) return;
    const all = () => {
      pre.replaceChildren(...h("pre", {}, draw(whole)).childNodes);
      more.remove();
    };
    const more = h("button", { class: "more", onclick: all }, `show all ${count(whole.length)} characters`);
    box.append(more);
  };
  const first = unfolded ? null : h("span", { class: "faint" }, " ", oneLine(whole, 60));
  const box = h("details", { open: unfolded ? "" : null, ontoggle: fill },
    h("summary", {}, title, " ", h("small", {}, plural(whole.length, "character")), first));
  if (unfolded) fill();
  return box;
}

const HOST_FUNCTIONS = "llm_query llm_query_batched rlm_query rlm_query_batched read grep search documents note notes "
  + "cite budget last_output recall submit outline definitions references";
const KEYWORDS = "False None True and as assert async await break class continue def del elif else except finally for "
  + "from global if import in is lambda nonlocal not or pass raise return try while with yield";
const oneOf = (words) => words.replaceAll(" ", "|");
const PYTHON = new RegExp([
  /(?<comment>#[^\n]*)/.source,
  /(?<string>[rbfuRBFU]{0,2}(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))/.source,
  `(?<host>\\b(?:${oneOf(HOST_FUNCTIONS)})(?=\\())`,
  `(?<keyword>\\b(?:${oneOf(KEYWORDS)})\\b)`,
  /(?<number>\b\d[\w.]*)/.source,
  /\w+/.source,
].join("|"), "g");

/** Returns Python code with coloured tokens. */
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
