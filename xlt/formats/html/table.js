"use strict";
// Tables of the class sortable are sorted by a click on the head of a column; they are whole without this.

function value(cell) {
  if (cell.dataset.sort !== undefined) return cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
  const text = cell.textContent.trim();
  if (text === "–" || text === "") return null;
  const number = Number(text.replace("−", "-").replace(/[%\s].*$/, ""));
  return Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b));
}

function sort(table, column, head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, row => [value(row.cells[column]), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);  // what is missing stays last
    return down ? compare(b, a) : compare(a, b);
  });
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  for (const [, row] of rows) body.append(row);
}

function prepare(table) {
  Array.from(table.tHead.rows[0].cells, (head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, column, head));
  });
}

for (const table of document.querySelectorAll("table.sortable")) prepare(table);
