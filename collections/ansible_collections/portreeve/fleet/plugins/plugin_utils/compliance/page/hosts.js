// The list of hosts, and the page of one of them, which is opened by #host=NAME.
const HOST_ROWS_AT_ONCE = 100;

function hostItem(host) {
  const { open } = host;
  const worst = open.reduce((rank, finding) => Math.max(rank, finding.rank), -1);
  return make("li", {}, hostLink(host), " ", badge(host.status), " ",
    open.length ? make("span", { class: `badge ${TONES[SEVERITIES[worst]]}` }, counted(open.length, "finding")) : "",
    make("span", { class: "note" }, host.seen ? counted(host.listeners.length, "port") : host.reason));
}

function drawHosts() {
  const [field, status] = [one("#host-words"), one("#host-status")];
  const list = one(".host-list");
  const show = () => {
    const term = field.value.trim().toLowerCase();
    const found = hosts.filter((host) => host.name.toLowerCase().includes(term) && (!status.value || host.status === status.value));
    list.replaceChildren();
    drawInParts(list, one("#hosts .rest"), found, hostItem, HOST_ROWS_AT_ONCE);
    one("#hosts-found").textContent = found.length === hosts.length ? counted(hosts.length, "host") : `${found.length} of ${counted(hosts.length, "host")}`;
  };
  field.addEventListener("input", show);
  status.addEventListener("change", show);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") field.value = "";
    if (event.key === "Escape") show();
  });
  show();
}

function sectionOf(title, rows, ...inside) {
  return rows.length ? make("section", { "aria-label": title },
    make("h2", {}, title, " ", make("span", { class: "tally" }, String(rows.length))), ...inside) : null;
}

const list = (kind, items) => make("ul", { class: kind }, items.map((item) => make("li", {}, item)));

function findingList(found) {
  return make("ul", { class: "troubles" }, found.map((finding) => make("li", { class: TONES[finding.severity] },
    make("p", { class: "where" }, make("strong", {}, finding.place || "the host"), " ", badge(finding.severity), " ",
      words(finding.rule), " ", badge(finding.standing)),
    findingWords(finding),
  )));
}

function listenerTable(host) {
  const columns = ["Port", "Address", "Owner", "Programs", "Users", "Verdict", "Risks", "Findings"];
  const open = host.open;
  const rows = host.listeners.map((at) => {
    const held = listeners[at];
    const cell = (column, ...inside) => make("td", { "data-label": columns[column] }, ...inside);
    const lines = (places) => texts(places).map((said) => make("span", { class: "line" }, said));
    return make("tr", {},
      make("th", { scope: "row" }, held.place), cell(1, lines(held.addresses)),
      cell(2, held.owner || make("span", { class: "note" }, "not seen")),
      cell(3, texts(held.programs).map((said, index) => make("span", { class: "line", title: texts(held.exes)[index] ?? "" }, said))),
      cell(4, lines(held.users)),
      cell(5, words(text(held.verdict)), held.serves ? "" : make("span", { class: "note line" }, "does not listen")),
      cell(6, lines(held.risks).map((line) => ((line.textContent = words(line.textContent)), line))),
      cell(7, open.filter((finding) => finding.place === held.place).map((finding) => badge(finding.severity))));
  });
  return make("div", { class: "wide" }, make("table", { class: "held" }, make("caption", { class: "aside" }, `Ports of ${host.name}`),
    make("thead", {}, make("tr", {}, columns.map((column) => make("th", { scope: "col" }, column)))), make("tbody", {}, rows)));
}

function hostFacts(host) {
  const facts = [
    ["Seen", host.taken ? moment(host.taken) : "never in this run"], ["System", host.system || "not known"],
    ["Rules left out", texts(host.ignored).map(words).join(", ")],
  ];
  return make("dl", {}, facts.filter(([, value]) => value).map(([label, value]) => [make("dt", {}, label), make("dd", {}, value)]).flat());
}

function hostArticle(host) {
  const found = host.findings.map((place) => findings[place]);
  const [open, waived, resolved] = [found.filter(isOpen), found.filter((finding) => finding.waived && finding.standing !== "resolved"),
    found.filter((finding) => finding.standing === "resolved")];
  const unjudged = host.unjudged.map(texts);
  const declared = host.declared.map(texts);
  return [
    make("h1", { tabindex: "-1" }, host.name, " ", badge(host.status)),
    host.reason ? make("p", { class: "reason" }, host.reason) : null,
    hostFacts(host),
    sectionOf("Findings", open, findingList(open)),
    open.length ? null : make("p", { class: "note" }, host.seen ? "No open findings." : "Nothing is known of it in this run."),
    sectionOf("Not judged", unjudged, list("left-out", unjudged.map(([rule, place, why]) => `${words(rule)} ${place || "on the whole host"}: ${why}`))),
    sectionOf("Not seen", host.blind, list("left-out", texts(host.blind))),
    sectionOf("Ports", host.listeners, listenerTable(host)),
    sectionOf("Declared", declared, list("declared", declared.map(([application, place]) => `${application} ${place}`))),
    sectionOf("Waived", waived, findingList(waived)),
    sectionOf("Resolved", resolved, findingList(resolved)),
  ];
}

function drawHost(name) {
  const host = hostByName.get(name);
  const back = make("p", { class: "back" }, make("a", { href: "#" }, "← All hosts"));
  const body = host ? hostArticle(host) : [make("h1", { tabindex: "-1" }, "No such host"), make("p", {}, `${name} is not in this run.`)];
  one("#host-page").replaceChildren(back, ...body.filter(Boolean));
  one("#host-page h1").focus({ preventScroll: true });
}
