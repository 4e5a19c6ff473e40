"use strict";
// Before the body is read: rows stay unseen until they are chosen, or a large fleet would be laid out in vain.
document.documentElement.classList.add("scripted");
addEventListener("DOMContentLoaded", () => {
  const SHOWN_AT_ONCE = 400;
  const one = (selector) => document.querySelector(selector);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const table = one("#port-table");
  const words = one("#words");
  const risk = one("#risk");
  const order = one("#order");
  const chips = all(".chips button");
  const collator = new Intl.Collator("en", { numeric: true });
  const texts = new Map();
  let rows = all("tbody.port", table);
  let everything = false;
  let onlyHost = null;
  let sorted = { key: "host", down: false };

  const text = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase().replace(/\s+/g, " ") + " " + row.dataset.verdict);
    return texts.get(row);
  };

  const wanted = () => {
    const terms = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chip = chips.find((button) => button.ariaPressed === "true").dataset;
    return (row) =>
      (onlyHost === null || row.dataset.host === onlyHost) &&
      (!chip.verdict || row.dataset.verdict === chip.verdict) &&
      (!chip.tone || row.dataset.tone === chip.tone) &&
      (!risk.value || row.dataset.risks.split(" ").includes(risk.value)) &&
      terms.every((term) => text(row).includes(term));
  };

  const show = () => {
    const fits = wanted();
    let found = 0;
    for (const row of rows) {
      const fit = fits(row);
      found += fit;
      row.classList.toggle("chosen", fit && (everything || found <= SHOWN_AT_ONCE));
    }
    const narrowed = found < rows.length;
    const of = narrowed ? ` of ${rows.length}` : "";
    const where = onlyHost === null ? "" : ` on ${onlyHost}`;
    one("#found").textContent = `${found}${of} ${rows.length === 1 ? "port" : "ports"}${where}`;
    one("#reset").hidden = !narrowed;
    one(".rest").hidden = everything || found <= SHOWN_AT_ONCE;
    one("#rest").textContent = `Show the other ${found - SHOWN_AT_ONCE}`;
  };

  const press = (chosen) => chips.forEach((button) => (button.ariaPressed = String(button === chosen)));

  const value = (row, key) => (key === "risks" ? String(row.dataset.risks.split(" ").filter(Boolean).length) : row.dataset[key]);

  const sort = (key, down) => {
    sorted = { key, down };
    const direction = down ? -1 : 1;
    const compare = (a, b) =>
      direction * collator.compare(value(a, key), value(b, key)) ||
      collator.compare(a.dataset.host, b.dataset.host) ||
      a.dataset.port - b.dataset.port;
    rows = rows.sort(compare);
    table.append(...rows);
    for (const heading of all("th", table)) {
      if (heading.dataset.key === key) heading.ariaSort = down ? "descending" : "ascending";
      else heading.removeAttribute("aria-sort");
    }
    order.value = key;
    show();
  };

  const toggle = (row) => {
    const opened = row.classList.toggle("opened");
    one(`#${row.querySelector(".detail").id}`).parentNode.querySelector(".open").ariaExpanded = String(opened);
  };

  const reset = () => {
    words.value = "";
    risk.value = "";
    onlyHost = null;
    everything = false;
    press(chips[0]);
    show();
  };

  let typing;
  words.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(show, 80);
  });
  risk.addEventListener("change", show);
  order.addEventListener("change", () => sort(order.value, order.value === "risks"));
  chips.forEach((button) => button.addEventListener("click", () => (press(button), show())));
  all("th button", table).forEach((button) =>
    button.addEventListener("click", () => {
      const { key } = button.parentNode.dataset;
      sort(key, sorted.key === key ? !sorted.down : key === "risks");
    }),
  );
  table.addEventListener("click", (event) => {
    const row = event.target.closest("tbody.port");
    const control = event.target.closest("button, summary, .detail, details");
    if (!row || (control && !control.matches(".open")) || String(getSelection())) return;
    toggle(row);
  });
  one(".tools").addEventListener("submit", (event) => event.preventDefault());
  one("#reset").addEventListener("click", (event) => {
    event.preventDefault();
    reset();
    words.focus();
  });
  one("#rest").addEventListener("click", () => {
    everything = true;
    show();
  });
  all(".machine .only").forEach((button) =>
    button.addEventListener("click", () => {
      reset();
      onlyHost = button.closest(".machine").dataset.host;
      show();
      one("#ports").scrollIntoView();
      words.focus({ preventScroll: true });
    }),
  );
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input, select")) {
      event.preventDefault();
      words.focus();
    } else if (event.key === "Escape" && event.target === words) {
      reset();
    }
  });
  addEventListener("beforeprint", () => {
    everything = true;
    show();
  });

  show();
});
