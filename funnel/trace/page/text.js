"use strict";
// Formats text for people. Foreign text gets into the document only through `h`: as text, never as markup, with
// every invisible character spelled out.

// The ranges of funnel/text/unseen.py.
const UNSEEN = new RegExp(String.raw`[{{unseen}}]`, "gu");
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
const dollars = (usd) => typeof usd !== "number" ? "unknown" : `$${usd.toFixed(usd === 0 || usd >= 1 ? 2 : 4)}`;
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
