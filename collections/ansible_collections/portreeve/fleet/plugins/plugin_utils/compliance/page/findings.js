// Findings in a table that sorts, filters and opens. A row is made when it is shown, what is behind it when it opens.
const ROWS_AT_ONCE = 200;
const HOSTS_AT_ONCE = 60;

const FINDING_KEYS = {
  severity: (row) => row.finding.rank,
  rule: (row) => row.finding.rule,
  place: (row) => row.finding.place,
  subject: (row) => row.finding.subject,
  who: (row) => row.finding.who,
  hosts: (row) => row.hosts.length,
  standing: (row) => STANDINGS.indexOf(row.finding.standing),
  since: (row) => row.finding.first_seen,
};
const MOST_FIRST = new Set(["severity", "hosts", "since"]);

const onHosts = (rows) => rows.reduce((sum, row) => sum + row.hosts.length, 0);
const foldedRows = (section) => section.map(([place, hostPlaces]) => ({ finding: findings[place], hosts: hostPlaces }));

function findingBody(row) {
  const { finding } = row;
  const opener = make("button", { type: "button", class: "open", "aria-expanded": "false",
    "aria-label": `More on ${words(finding.rule)} ${finding.place}, ${counted(row.hosts.length, "host")}` });
  const cell = (label, ...inside) => make("td", { "data-label": label }, ...inside);
  return make("tbody", { class: `finding ${TONES[finding.severity]}` }, make("tr", {},
    make("td", { class: "severity" }, opener, badge(finding.severity)),
    cell("Rule", words(finding.rule)),
    make("td", { class: "number", "data-label": "Port" }, finding.place || "the host"),
    cell("Subject", finding.subject),
    cell("Who", finding.who),
    cell("Hosts", row.hosts.length === 1 ? hostLink(hosts[row.hosts[0]]) : String(row.hosts.length)),
    cell("Standing", badge(finding.standing)),
    cell("Since", make("time", { datetime: finding.first_seen, title: moment(finding.first_seen) },
      finding.first_seen.slice(0, 10))),
  ));
}

function findingWords(finding) {
  const lines = [make("p", { class: "summary" }, finding.said)];
  if (finding.advice) lines.push(make("p", { class: "advice" }, finding.advice));
  if (finding.evidence) lines.push(make("p", { class: "evidence" }, finding.evidence));
  if (finding.waived) lines.push(make("p", {}, make("b", {}, "Waived: "), finding.waived));
  const last = finding.standing === "unseen" || finding.standing === "resolved";
  lines.push(make("p", { class: "note" }, `Since ${moment(finding.first_seen)}`,
    last ? `, last seen ${moment(finding.last_seen)}` : ""));
  return lines;
}

function hostLinks(places) {
  const list = make("ul", { class: "on-hosts", "aria-label": "Hosts" });
  const rest = make("p", { class: "rest" }, make("button", { type: "button" }));
  drawInParts(list, rest, places, (place) => make("li", {}, hostLink(hosts[place])), HOSTS_AT_ONCE);
  return [list, rest];
}

function toggleFinding(body, row) {
  const opened = body.classList.toggle("opened");
  one(".open", body).ariaExpanded = String(opened);
  if (opened && body.rows.length === 1) {
    const inside = make("div", {}, findingWords(row.finding), hostLinks(row.hosts));
    body.append(make("tr", { class: "detail" }, make("td", { colspan: "8" }, inside)));
  }
}

function findingTable(table, section, heard) {
  const rows = foldedRows(section);
  const rest = table.nextElementSibling;
  const rowOf = new WeakMap();
  let fits = () => true;
  let ordered = rows;
  let sorted = { key: "severity", down: true };

  const show = () => {
    for (const body of [...table.tBodies]) body.remove();
    const chosen = ordered.filter(fits);
    const draw = (row) => {
      const body = findingBody(row);
      rowOf.set(body, row);
      return body;
    };
    drawInParts(table, rest, chosen, draw, ROWS_AT_ONCE);
    heard?.(chosen, rows, sorted.key);
  };
  const sort = (key, down) => {
    sorted = { key, down };
    const value = FINDING_KEYS[key];
    const direction = down ? -1 : 1;
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      return direction * (typeof x === "number" ? x - y : collator.compare(x, y));
    };
    ordered = key === "severity" && down ? rows : [...rows].sort(compare);
    for (const heading of all("th", table)) {
      if (heading.dataset.key === key) heading.ariaSort = down ? "descending" : "ascending";
      else heading.removeAttribute("aria-sort");
    }
    show();
  };
  for (const heading of all("th", table)) {
    const { key } = heading.dataset;
    one("button", heading).addEventListener("click", () => sort(key, sorted.key === key ? !sorted.down : MOST_FIRST.has(key)));
  }
  table.addEventListener("click", (event) => {
    const body = event.target.closest("tbody.finding");
    const control = event.target.closest("button, a, .detail");
    if (!body || (control && !control.matches(".open")) || String(getSelection())) return;
    toggleFinding(body, rowOf.get(body));
  });
  show();
  return { sort: (key) => sort(key, MOST_FIRST.has(key)), filter: (fit) => ((fits = fit), show()) };
}

// A term is found in a row's own words or in the name of one of its hosts.
function rowsWith(terms) {
  const named = terms.map((term) => new Set(hosts.filter((host) => host.name.toLowerCase().includes(term)).map((host) => host.at)));
  return (row) => {
    const { rule, place, subject, who, severity, standing, said, evidence } = row.finding;
    row.words ??= [rule, words(rule), place, subject, who, severity, standing, said, evidence].join(" ").toLowerCase();
    return terms.every((term, at) => row.words.includes(term) || row.hosts.some((host) => named[at].has(host)));
  };
}

function drawFindings() {
  for (const section of ["resolved", "waived"]) if (one(`#${section}`)) findingTable(one(`#${section}`), data[section]);
  if (!one("#open")) return;
  const [field, standing, order, reset] = ["#words", "#standing", "#order", "#reset"].map((name) => one(name));
  const chips = all(".chips button");
  const table = findingTable(one("#open"), data.open, (chosen, rows, key) => {
    const narrowed = chosen.length < rows.length;
    const total = counted(onHosts(rows), "finding");
    one("#found").textContent = `${narrowed ? `${onHosts(chosen)} of ${total}` : total}, ${counted(chosen.length, "row")}`;
    reset.hidden = !narrowed;
    order.value = key;
  });
  const filter = () => {
    const terms = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { severity } = chips.find((chip) => chip.ariaPressed === "true").dataset;
    const worded = rowsWith(terms);
    table.filter((row) =>
      (!severity || row.finding.severity === severity) &&
      (!standing.value || row.finding.standing === standing.value) && worded(row));
  };
  const press = (chosen) => chips.forEach((chip) => (chip.ariaPressed = String(chip === chosen)));
  const clear = () => {
    field.value = standing.value = "";
    press(chips[0]);
    filter();
  };
  let typing;
  field.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(filter, 80);
  });
  field.addEventListener("keydown", (event) => event.key === "Escape" && clear());
  standing.addEventListener("change", filter);
  order.addEventListener("change", () => table.sort(order.value));
  chips.forEach((chip) => chip.addEventListener("click", () => (press(chip), filter())));
  reset.addEventListener("click", (event) => {
    event.preventDefault();
    clear();
    field.focus();
  });
}
