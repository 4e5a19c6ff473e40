// Puts the parts together: the sections, the address, the keys, paper.
const TOLD_AT_ONCE = 50;

function drawTold() {
  for (const section of ["outliers", "collisions", "candidates"]) {
    const place = one(`#${section}`);
    if (!place) continue;
    const draw = ([said, hostPlaces]) => {
      const details = make("details", {}, make("summary", {}, text(said)));
      details.addEventListener("toggle", () => details.append(...hostLinks(hostPlaces)), { once: true });
      return make("li", {}, details);
    };
    drawInParts(one(".told", place), one(".rest", place), data[section], draw, TOLD_AT_ONCE);
  }
}

let leftAt = null;

function follow() {
  const asked = /^#host=(.*)$/s.exec(location.hash);
  const overview = one("#overview");
  if (asked && !overview.hidden) leftAt = { top: scrollY, from: document.activeElement };
  overview.hidden = Boolean(asked);
  one("#host-page").hidden = !asked;
  if (asked) {
    drawHost(named(asked[1]));
    scrollTo(0, 0);
  } else if (leftAt) {
    scrollTo(0, leftAt.top);
    leftAt.from.focus({ preventScroll: true });
    leftAt = null;
  }
}

function named(encoded) {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

function leave() {
  if (leftAt) history.back();
  else location.hash = "";
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select");
  if (event.key === "/" && !typing && one("#words") && !one("#overview").hidden) {
    event.preventDefault();
    one("#words").focus();
  } else if (event.key === "Escape" && !one("#host-page").hidden) {
    leave();
  }
});
one("#host-page").addEventListener("click", (event) => {
  if (!event.target.closest(".back a")) return;
  event.preventDefault();
  leave();
});
addEventListener("hashchange", follow);
addEventListener("beforeprint", () => {
  for (const drawn of all(".findings, .told")) drawn.drawAll?.();
});
for (const form of all("form")) form.addEventListener("submit", (event) => event.preventDefault());

document.documentElement.classList.add("scripted");
drawFindings();
drawTold();
drawHosts();
if (one("#matrix")) drawMatrix();
follow();
document.documentElement.dataset.usable = "yes";
