"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.hasAttribute("data-sort")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    const arrow = document.createElement("i");
    arrow.setAttribute("aria-hidden", "true");
    button.insertBefore(arrow, button.querySelector("small"));
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const first = head.dataset.sort;
      const other = first === "ascending" ? "descending" : "ascending";
      const order = before === first ? other : first;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const value = (row) => {
        const cell = row.cells[column];
        /* A line whose numbers are hidden has one wide cell in their place. */
        return !cell || cell.colSpan > 1 ? "" : cell.dataset.value ?? cell.textContent.trim();
      };
      const compare = (a, b) => {
        const x = value(a);
        const y = value(b);
        if (x === "" || y === "") return (x === "") - (y === "");
        const both = !Number.isNaN(Number(x)) && !Number.isNaN(Number(y));
        return sign * (both ? Number(x) - Number(y) : x.localeCompare(y));
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
for (const table of document.querySelectorAll("table.sortable")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 8) continue;
  const label = document.createElement("label");
  label.className = "filter";
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "part of a name";
  const shown = document.createElement("output");
  label.append("Only lines with", input, shown);
  table.parentElement.before(label);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const left = rows.filter((row) => !row.hidden).length;
    shown.textContent = words.length ? `${left} of ${rows.length}` : "";
  });
}
const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
