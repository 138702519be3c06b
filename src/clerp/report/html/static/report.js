"use strict";
const table = document.querySelector("table.features");
const collator = new Intl.Collator("en", { numeric: true });

function readNumber(text) {
  const number = parseFloat(text);
  return Number.isNaN(number) ? -Infinity : number;
}

function sortBy(column, head) {
  const isNumber = head.dataset.kind === "number";
  // Numbers start with the greatest, words with the first.
  const before = head.getAttribute("aria-sort");
  const first = isNumber ? "descending" : "ascending";
  const second = isNumber ? "ascending" : "descending";
  const order = before === first ? second : first;
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies].map((body) => {
    const text = body.rows[0].cells[column].textContent;
    return { body, key: isNumber ? readNumber(text) : text };
  });
  rows.sort((one, other) => {
    if (!isNumber) return sign * collator.compare(one.key, other.key);
    return one.key === other.key ? 0 : sign * (one.key < other.key ? -1 : 1);
  });
  for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  table.append(...rows.map((row) => row.body));
}

[...table.tHead.rows[0].cells].forEach((head, column) => {
  if (head.tagName !== "TH") return;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sortBy(column, head));
  head.replaceChildren(button);
});

table.addEventListener("click", (event) => {
  const button = event.target.closest("[aria-controls]");
  if (!button) return;
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  button.textContent = isOpen ? "+" : "−";
  document.getElementById(button.getAttribute("aria-controls")).hidden = isOpen;
});
