"use strict";
// Pages are whole without this. It sorts <table class="sortable">; what more a table wants, it says:
//   <table data-search="texts">   a field that searches all cells of a row; the value is what it is called
//   <th data-filter>              a list to choose from, of what the column's cells hold
//   <table data-rows="100">       so many rows at first, and a button for more
//   <td data-sort="1.5">          what the cell is sorted by; "" is missing
// matching(table) gives the rows that are not filtered out, in their order; fill(table, rows) gives it others.

const collator = new Intl.Collator(undefined, {numeric: true});
const tables = new Map();

function value(cell) {
  if (!cell) return null;
  if (cell.dataset.sort !== undefined) return cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
  const text = cell.textContent.trim();
  if (text === "–" || text === "") return null;
  if (cell.classList.contains("text")) return text;  // a sentence may begin with a number
  const number = Number(text.replace("−", "-").replace(/[%\s].*$/, ""));
  return Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(String(a), String(b));
}

function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

function make(tag, parts = {}, ...inside) {
  const element = Object.assign(document.createElement(tag), parts);
  element.append(...inside);
  return element;
}

function sort(table, column) {
  const heads = table.tHead.rows[0].cells, head = heads[column], body = table.tBodies[0];
  const down = head.getAttribute("aria-sort") === "ascending";
  const rows = Array.from(body.rows, row => [value(row.cells[column]), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);  // what is missing stays last
    return down ? compare(b, a) : compare(a, b);
  });
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  for (const [, row] of rows) body.append(row);
  refresh(table);
}

function matching(table) {
  const rows = Array.from(table.tBodies[0].rows), state = tables.get(table);
  if (!state) return rows;
  const words = state.search ? fold(state.search.value).split(/\s+/).filter(Boolean) : [];
  const chosen = state.filters.filter(([, list]) => list.value !== "");
  return rows.filter(row => {
    if (chosen.some(([column, list]) => row.cells[column].textContent.trim() !== list.value)) return false;
    if (!words.length) return true;
    if (!state.texts.has(row)) state.texts.set(row, fold(row.textContent));
    return words.every(word => state.texts.get(row).includes(word));
  });
}

function refresh(table) {
  const state = tables.get(table);
  if (!state || !state.tools) return;
  state.tools.hidden = !table.tBodies[0].rows.length;
  const all = table.tBodies[0].rows, rows = matching(table), shown = new Set(rows.slice(0, state.shown));
  for (const row of all) row.hidden = !shown.has(row);
  state.count.value = rows.length === all.length ? `${all.length} rows` : `${rows.length} of ${all.length} rows`;
  state.more.hidden = rows.length <= state.shown;
  state.button.textContent = `Show ${Math.min(state.step, rows.length - state.shown)} more of ${rows.length - state.shown}`;
}

// What a filter offers: the values of its column, if they are neither one nor very many.
function choices(table) {
  const {filters} = tables.get(table);
  for (const [column, list] of filters) {
    const found = new Set(Array.from(table.tBodies[0].rows, row => row.cells[column].textContent.trim()));
    const before = found.has(list.value) ? list.value : "";
    list.replaceChildren(make("option", {value: ""}, "all"));
    for (const one of Array.from(found).sort(collator.compare)) list.append(make("option", {value: one}, one || "–"));
    list.value = before;
    list.parentElement.hidden = found.size < 2 || found.size > 200;
  }
}

function fill(table, rows) {
  const state = tables.get(table), body = table.tBodies[0];
  body.replaceChildren();
  for (const row of rows) body.append(row);
  for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
  if (!state) return;
  state.texts.clear();
  state.shown = state.step;
  choices(table);
  refresh(table);
  stops();
}

function prepare(table) {
  const heads = Array.from(table.tHead.rows[0].cells), names = heads.map(head => head.textContent.trim());
  const step = Number(table.dataset.rows) || Infinity;
  const state = {filters: [], texts: new Map(), step, shown: step, tools: null};
  tables.set(table, state);
  if (table.classList.contains("sortable")) {
    heads.forEach((head, column) => {
      if (!names[column]) return;
      const button = make("button", {type: "button"}, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, column));
    });
  }
  const again = () => { state.shown = state.step; refresh(table); };
  const parts = [];
  if (table.dataset.search !== undefined) {
    state.search = make("input", {type: "search"});
    state.search.addEventListener("input", again);
    parts.push(make("label", {}, `Search ${table.dataset.search}`, state.search));
  }
  heads.forEach((head, column) => {
    if (head.dataset.filter === undefined) return;
    const list = make("select");
    list.addEventListener("change", again);
    state.filters.push([column, list]);
    parts.push(make("label", {}, names[column], list));
  });
  choices(table);
  if (!parts.length && step === Infinity) return;
  state.count = make("output");
  state.tools = make("div", {className: "tools"}, ...parts, state.count);
  state.button = make("button", {type: "button"});
  state.button.addEventListener("click", () => { state.shown += state.step; refresh(table); });
  state.more = make("p", {className: "more"}, state.button);
  const place = table.closest(".wide") || table;
  place.before(state.tools);
  place.after(state.more);
  refresh(table);
}

function reveal() {
  let id = location.hash.slice(1);
  try { id = decodeURIComponent(id); } catch { /* not one of ours */ }
  const place = document.getElementById(location.hash.slice(1)) || document.getElementById(id);
  if (!place) return;
  for (let at = place; at; at = at.parentElement) {
    if (at.tagName === "DETAILS") at.open = true;
    if (at.tagName === "TR") at.hidden = false;
  }
  place.scrollIntoView();
}

// Only what scrolls needs a stop of the keyboard.
function stops() {
  for (const place of document.querySelectorAll(".wide")) {
    const scrolls = place.scrollWidth > place.clientWidth;
    if (scrolls) place.tabIndex = 0; else place.removeAttribute("tabindex");
  }
}

for (const table of document.querySelectorAll("table.sortable, table[data-search], table[data-rows]")) prepare(table);
window.addEventListener("hashchange", reveal);
window.addEventListener("resize", stops);
document.addEventListener("toggle", stops, true);
stops();
reveal();
