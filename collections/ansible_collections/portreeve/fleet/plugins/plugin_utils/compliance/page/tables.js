"use strict";
// What the page was given: rows of places in one list of texts. Elements are made by make() alone, which takes every
// text as text: no name of a host or process is ever read as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const one = (selector, inside = document) => inside.querySelector(selector);
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const text = (place) => data.texts[place];
const texts = (places) => places.map(text);
const collator = new Intl.Collator("en", { numeric: true });
const words = (name) => name.replaceAll("_", " ");
const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
const moment = (time) => time.replace("T", " ").replace("Z", " UTC");

const SEVERITIES = ["info", "low", "medium", "high", "critical"];
const STANDINGS = ["new", "persisting", "unseen", "resolved"];
const TONES = {
  critical: "alarm", high: "alarm", medium: "notice", low: "plain", info: "plain",
  new: "notice", persisting: "plain", unseen: "unseen", resolved: "quiet",
  unreachable: "alarm", failed: "alarm", stale: "notice", incomplete: "notice", ok: "quiet",
};

function make(tag, attributes, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...inside.flat().filter((part) => part !== null && part !== ""));
  return element;
}

const badge = (name) => make("span", { class: `badge ${TONES[name] ?? "plain"}` }, words(name));

const FINDING = [
  "rule", "severity", "place", "subject", "who", "said", "advice", "evidence", "waived", "standing", "first_seen",
  "last_seen",
];
const findings = data.findings.map((row) => {
  const finding = Object.fromEntries(FINDING.map((name, at) => [name, text(row[at])]));
  finding.rank = SEVERITIES.indexOf(finding.severity);
  return finding;
});
const isOpen = (finding) => finding.standing !== "resolved" && finding.waived === "";

const listeners = data.listeners.map(([place, port, serves, addresses, owner, programs, users, exes, verdict, risks]) => ({
  place: text(place), port, serves, addresses, owner: text(owner), programs, users, exes, verdict, risks,
}));

const hosts = data.hosts.map(
  ([name, status, reason, taken, system, blind, unjudged, ignored, declared, found, held], at) => ({
    at, name: text(name), status: text(status), reason: text(reason), taken: text(taken), system: text(system),
    blind, unjudged, ignored, declared, findings: found, listeners: held,
    get seen() {
      return this.status === "ok" || this.status === "incomplete";
    },
    get open() {
      return this.findings.map((place) => findings[place]).filter(isOpen);
    },
  }),
);
const hostByName = new Map(hosts.map((host) => [host.name, host]));
const hostLink = (host) => make("a", { href: `#host=${encodeURIComponent(host.name)}` }, host.name);

// Draws the first of many rows and, when asked, those that follow.
function drawInParts(place, rest, rows, draw, atOnce) {
  const button = one("button", rest);
  let drawn = 0;
  const more = (upTo) => {
    const added = rows.slice(drawn, upTo).map(draw);
    place.append(...added);
    drawn += added.length;
    rest.hidden = drawn === rows.length;
    button.textContent = `Show ${Math.min(atOnce, rows.length - drawn)} of the other ${rows.length - drawn}`;
  };
  button.onclick = () => {
    const last = place.lastElementChild;
    more(drawn + atOnce);
    one("button, a, summary", last.nextElementSibling)?.focus();
  };
  place.drawAll = () => more(rows.length);
  more(atOnce);
}
