// Hosts down, ports across. Only the cells in sight and a few around them exist; the grid keeps the focus and names the
// cell it is at, so that drawing anew never loses it.
const [CELL_WIDTH, CELL_HEIGHT, NAME_WIDTH, AROUND] = [76, 26, 190, 3];

function matrixPlaces() {
  const used = new Map(listeners.map((held) => [held, 0]));
  for (const host of hosts) for (const at of host.listeners) used.set(listeners[at], used.get(listeners[at]) + 1);
  const places = new Map();
  const at = (place) => {
    if (!places.has(place)) places.set(place, { place, hosts: 0, found: false, owners: new Map() });
    return places.get(place);
  };
  for (const [held, number] of used) {
    if (!held.serves || !number) continue;
    const entry = at(held.place);
    entry.hosts += number;
    entry.owners.set(held.owner, (entry.owners.get(held.owner) ?? 0) + number);
  }
  for (const [place] of data.open) if (/^[0-9]/.test(findings[place].place)) at(findings[place].place).found = true;
  for (const entry of places.values()) entry.usual = [...entry.owners].sort((a, b) => b[1] - a[1])[0]?.[0];
  return [...places.values()].sort((a, b) => collator.compare(a.place, b.place));
}

function cellOf(host, entry) {
  if (!host.cells) {
    host.cells = new Map();
    const at = (place) => host.cells.get(place) ?? host.cells.set(place, { owners: [], findings: [] }).get(place);
    for (const place of host.listeners) if (listeners[place].serves) at(listeners[place].place).owners.push(listeners[place].owner);
    for (const place of host.findings) if (findings[place].standing !== "resolved") at(findings[place].place).findings.push(findings[place]);
  }
  const { owners = [], findings: found = [] } = host.cells.get(entry.place) ?? {};
  const rank = found.filter(isOpen).reduce((worst, finding) => Math.max(worst, finding.rank), -1);
  const held = owners.length ? owners.join(", ") || "holder not seen" : host.seen ? "nobody listens" : "host not seen";
  const told = found.map((finding) => `${words(finding.rule)} (${finding.waived ? "waived" : finding.severity})`);
  const kind = rank >= SEVERITIES.indexOf("high") ? "broken" : rank >= 0 ? "minor" : found.length ? "waived" : !host.seen ? "unseen"
    : !owners.length ? "none" : owners.every((owner) => owner === entry.usual) ? "same" : "other";
  return { kind, said: [held, ...told].join(", ") };
}

function drawMatrix() {
  const grid = one("#matrix");
  const everyPlace = matrixPlaces();
  const head = make("div", { role: "row", class: "head", "aria-rowindex": "1" });
  const body = make("div", { role: "rowgroup", class: "body" });
  grid.append(make("div", { role: "rowgroup", class: "heads" }, head), body);
  let [rows, columns, row, column, asked] = [hosts, everyPlace, 0, 0, false];

  const place = (element, left, top) => {
    element.style.left = `${left}px`;
    if (top !== undefined) element.style.top = `${top}px`;
    return element;
  };
  const across = () => {
    const first = Math.max(0, Math.floor(grid.scrollLeft / CELL_WIDTH) - AROUND);
    return [first, Math.min(columns.length, first + Math.ceil(grid.clientWidth / CELL_WIDTH) + 2 * AROUND)];
  };
  const drawRow = (at, from, to) => {
    const host = rows[at];
    const cells = columns.slice(from, to).map((entry, index) => {
      const { kind, said } = cellOf(host, entry);
      const cell = make("div", { role: "gridcell", class: `cell ${kind}`, id: `cell-${at}-${from + index}`, title: said,
        "aria-colindex": String(from + index + 2), "aria-label": `${host.name}, ${entry.place}: ${said}` });
      if (at === row && from + index === column) cell.classList.add("at");
      return place(cell, NAME_WIDTH + (from + index) * CELL_WIDTH);
    });
    const name = make("div", { role: "rowheader", class: "name", "aria-colindex": "1", title: host.name }, host.name);
    return place(make("div", { role: "row", class: "row", "aria-rowindex": String(at + 2) }, name, cells), 0, at * CELL_HEIGHT);
  };
  const draw = () => {
    asked = false;
    const [from, to] = across();
    const top = Math.max(0, Math.floor(grid.scrollTop / CELL_HEIGHT) - AROUND);
    const bottom = Math.min(rows.length, top + Math.ceil(grid.clientHeight / CELL_HEIGHT) + 2 * AROUND);
    const drawn = [];
    for (let at = top; at < bottom; at += 1) drawn.push(drawRow(at, from, to));
    head.replaceChildren(make("div", { role: "columnheader", class: "name", "aria-colindex": "1" }, "Host"),
      ...columns.slice(from, to).map((entry, index) => place(make("div", { role: "columnheader", class: "place", title: entry.place,
        "aria-colindex": String(from + index + 2) }, entry.place), NAME_WIDTH + (from + index) * CELL_WIDTH)));
    body.replaceChildren(...drawn);
    if (rows.length && columns.length) grid.setAttribute("aria-activedescendant", `cell-${row}-${column}`);
    else grid.removeAttribute("aria-activedescendant");
  };
  const soon = () => {
    if (!asked) requestAnimationFrame(draw);
    asked = true;
  };
  const say = () => {
    const [host, entry] = [rows[row], columns[column]];
    one("#at").textContent = host && entry ? `${host.name}, ${entry.place}: ${cellOf(host, entry).said}` : "";
  };
  const goTo = (newRow, newColumn) => {
    row = Math.max(0, Math.min(rows.length - 1, newRow));
    column = Math.max(0, Math.min(columns.length - 1, newColumn));
    const [left, top] = [column * CELL_WIDTH, row * CELL_HEIGHT];
    const [wide, high] = [grid.clientWidth - NAME_WIDTH, grid.clientHeight - CELL_HEIGHT];
    if (left < grid.scrollLeft || left + CELL_WIDTH > grid.scrollLeft + wide) grid.scrollLeft = left - wide / 2;
    if (top < grid.scrollTop || top + CELL_HEIGHT > grid.scrollTop + high) grid.scrollTop = top - high / 2;
    draw();
    say();
  };
  const choose = () => {
    const term = one("#matrix-hosts").value.trim().toLowerCase();
    const which = one("#matrix-ports").value;
    rows = hosts.filter((host) => host.name.toLowerCase().includes(term));
    columns = everyPlace.filter((entry) => which === "all" || (which === "found" ? entry.found : entry.hosts > 1));
    body.style.height = `${rows.length * CELL_HEIGHT}px`;
    body.style.width = head.style.width = `${NAME_WIDTH + columns.length * CELL_WIDTH}px`;
    grid.ariaRowCount = String(rows.length + 1);
    grid.ariaColCount = String(columns.length + 1);
    [row, column] = [0, 0];
    grid.scrollTo(0, 0);
    draw();
  };
  const open = () => rows[row] && (location.hash = `host=${encodeURIComponent(rows[row].name)}`);
  const page = () => Math.max(1, Math.floor(grid.clientHeight / CELL_HEIGHT) - 2);
  const MOVES = {
    ArrowUp: () => [row - 1, column], ArrowDown: () => [row + 1, column],
    ArrowLeft: () => [row, column - 1], ArrowRight: () => [row, column + 1],
    PageUp: () => [row - page(), column], PageDown: () => [row + page(), column],
    Home: (event) => [event.ctrlKey ? 0 : row, 0],
    End: (event) => [event.ctrlKey ? rows.length - 1 : row, columns.length - 1],
  };
  grid.addEventListener("keydown", (event) => {
    if (event.key in MOVES) goTo(...MOVES[event.key](event));
    else if (event.key === "Enter" || event.key === " ") open();
    else return;
    event.preventDefault();
  });
  grid.addEventListener("click", (event) => {
    const line = event.target.closest(".body .row");
    const cell = event.target.closest(".cell");
    if (!line) return;
    goTo(line.ariaRowIndex - 2, cell ? cell.ariaColIndex - 2 : column);
    open();
  });
  grid.addEventListener("focus", say);
  grid.addEventListener("scroll", soon, { passive: true });
  new ResizeObserver(soon).observe(grid);
  one("#matrix-hosts").addEventListener("input", choose);
  one("#matrix-ports").addEventListener("change", choose);
  choose();
}
