// The top of the page: question, answer, citations within their documents, route and sums.

function drawAnswer() {
  const answer = nodes.findLast((node) => node.kind === "answer" && attempts.includes(node.parent))?.data;
  const route = nodes.findLast((node) => node.kind === "route")?.data ?? {};
  const begun = run.data;
  const status = answer?.status ?? (run.ended ? "no answer" : "never ended");
  const tone = { complete: "good", partial: "warn", declined: "warn" }[status] ?? "bad";
  const facts = [begun.model, begun.sub_model !== begun.model && begun.sub_model, answer?.sandbox, begun.memory,
    begun.started_at && `${asText(begun.started_at).slice(0, 19).replace("T", " ")} UTC`];
  $("answer").append(
    h("h1", {}, begun.question ?? answer?.question ?? "A run"),
    h("ul", { class: "chips", "aria-label": "The run in short" },
      h("li", { class: `strong ${tone}` }, status, ended(answer)),
      attempts.length > 1 && h("li", {}, plural(attempts.length, "attempt")),
      route.route && h("li", { class: "strong" }, route.route, route.pinned ? " (pinned)" : ""),
      facts.filter(Boolean).map((fact) => h("li", {}, fact))),
    h("div", { class: "reply" },
      h("div", {},
        answer ? h("div", { class: "text" }, listed(marked(answer))) : h("p", { class: "faint" }, "This run gave no answer."),
        begun.error && h("p", { class: "notice bad" }, begun.error),
        asList(answer?.notices).map((notice) => h("p", { class: "notice" }, notice)),
        answer && coverageOf(asList(answer.coverage).map(asObject), asObject(answer.coverage_total)),
        h("ol", { class: "citations", "aria-label": "Citations" }, asList(answer?.citations).map((cited, at) =>
          citation(asObject(cited), at, asObject(asList(answer.surroundings)[at]))))),
      h("aside", { "aria-label": "What it took" }, sums(asObject(answer?.usage)), why(route))));
}

/** Why the work ended, unless the status says it already. */
function ended(answer) {
  const reason = asText(answer?.end_reason ?? "");
  return reason && !["answered", "not_found"].includes(reason) ? `: ${reason}` : "";
}

/** How much of the documents was seen, in one line that unfolds. */
function coverageOf(documents, total) {
  const seen = ({ read, judged }) => asNumber(read) + asNumber(judged);
  const opened = documents.filter((document) => seen(document) > 0);
  if (!documents.length) return null;
  return h("details", { class: "coverage" },
    h("summary", {}, `Seen: ${plural(opened.length, "document")} of ${count(Math.max(documents.length, asNumber(total.documents)))} that were found or searched`),
    h("ul", {}, documents.map(({ document_id, title, n_chars, searched, matched, read, judged }) =>
      h("li", {}, `${title || document_id}: ${count(asNumber(read))} of ${count(asNumber(n_chars))} characters read, `,
        `${count(asNumber(judged))} judged, ${plural(asNumber(searched), "pattern")}, ${plural(asNumber(matched), "match", "matches")}`))));
}

/** The answer's text, with markers as buttons and uncited statements underlined. Spans count code points. */
function marked(answer) {
  const letters = Array.from(asText(answer.text ?? "")), known = asList(answer.citations).length;
  const parts = [];
  let done = 0;
  for (const { start, stop, absent } of asList(answer.uncited).map(asObject)) {
    if (!(start >= done && stop > start)) continue;
    parts.push(...markers(letters.slice(done, start).join(""), known),
      h("span", { class: "uncited", title: absent ? "No citation can back this: it says that nothing is there." : "No citation backs this." }, letters.slice(start, stop).join("")));
    done = stop;
  }
  return [...parts, ...markers(letters.slice(done).join(""), known)];
}

/** Lines that are items of a Markdown list, as a list. `parts` are texts and elements, in order. */
function listed(parts) {
  const lines = [[]];
  for (const part of parts.flatMap((each) => (typeof each === "string" ? each.split(/(\n)/) : [each]))) {
    if (part === "\n") lines.push([]);
    else if (part !== "") lines.at(-1).push(part);
  }
  const blocks = [];
  for (const line of lines) {
    const [, bullet, number] = ITEM.exec(textOf(line[0])) ?? [];
    const tag = bullet ? "ul" : number ? "ol" : null, last = blocks.at(-1);
    if (!tag) {
      if (last && !last.tag) last.items.push("\n", ...line);
      else blocks.push({ tag, items: line });
    } else {
      if (last?.tag !== tag) blocks.push({ tag, items: [], start: number });
      blocks.at(-1).items.push(h("li", {}, withoutBullet(line)));
    }
  }
  return blocks.map(({ tag, items, start }) => (tag ? h(tag, { start }, items) : items));
}

const ITEM = /^\s*(?:([-*•])|(\d{1,3})[.)])\s+(?=\S|$)/;
const textOf = (part) => (part instanceof Element ? part.textContent : part ?? "");

/** A line without what makes it an item, which may stand in an element. */
function withoutBullet([first, ...rest]) {
  if (first instanceof Element) first.textContent = first.textContent.replace(ITEM, "");
  return [first instanceof Element ? first : first.replace(ITEM, ""), ...rest];
}

function markers(text, known) {
  return text.split(/(\[\d{1,3}\])/).map((part, at) => {
    const number = at % 2 ? Number(part.slice(1, -1)) : 0;
    return number >= 1 && number <= known
      ? h("button", { class: "marker", "aria-label": `Citation ${number}`, onclick: () => showCitation(number) }, number)
      : part;
  });
}

function citation({ document_id, title, uri, start, stop, quote, header }, at, { before, after }) {
  const place = `characters ${count(start)}–${count(stop)}`;
  return h("li", { id: `citation-${at + 1}`, tabindex: -1 },
    h("header", {}, h("b", {}, at + 1), h("span", { title: uri ?? "" }, title || document_id, " ",
      h("span", { class: "faint" }, title && title !== document_id ? `${document_id}, ${place}` : place))),
    header ? h("pre", { class: "columns", title: "The header of this table" }, header) : "",
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

/** Replies that the last attempt did not pay for. */
function spared({ cached_calls, replayed_calls }) {
  const cached = cached_calls > 0 && `${count(cached_calls)} more from the cache`;
  const replayed = replayed_calls > 0 && `${count(replayed_calls)} from the journal`;
  return [cached, replayed].filter(Boolean).join(", ");
}

function why(route) {
  if (!route.route) return null;
  return h("div", { class: "why" }, `Depth needed: p = ${asNumber(route.probability).toFixed(2)}`,
    h("div", { class: "gauge" }, h("i", { css: { width: `${asNumber(route.probability) * 100}%` } })),
    h("ul", {}, asList(route.reasons).map((reason) => h("li", {}, reason))),
    route.shape && h("p", { class: "faint" },
      `Shape: ${route.shape}`, route.shape_reason ? ` (${route.shape_reason})` : ""));
}
