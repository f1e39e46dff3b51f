// Compares two models of a recipe, and lists all utterances. Texts come from the JSON beside them and get into the
// page as text only.

const MISSING = "-", ADDED = "+";

function piece(kind, text) {
  if (kind && !text.trim()) text = "␣";  // a space that is struck out looks like a hyphen
  return kind === MISSING ? make("del", {}, text) : kind === ADDED ? make("mark", {}, text) : text;
}

// What a model wrote, with what is wrong in it: [errors] or [errors, [kind, text, kind, text, …]].
function differences(cell, [, pieces], ref) {
  if (!pieces) { cell.append(ref); return cell; }
  for (let k = 0; k < pieces.length; k += 2) cell.append(piece(pieces[k], pieces[k + 1]));
  return cell;
}

function cell(text, name = "", sort) {
  const made = make("td", {className: name}, text);
  if (sort !== undefined) made.dataset.sort = sort === null ? "" : sort;
  return made;
}

function said(lang, text = "") {
  const made = make("td", {className: "text", dir: "auto"}, text);
  made.lang = lang;
  return made;
}

function play(href, seconds, name) {
  const length = seconds === null ? "–" : seconds.toFixed(1);
  if (!href) return cell(length);
  const link = make("a", {className: "play", href}, seconds === null ? "play" : `${length} s`);
  link.setAttribute("role", "button");
  link.dataset.name = name;
  return cell(link, "", seconds);
}

function options(list, names, chosen) {
  names.forEach(([value, text]) => list.append(make("option", {value, selected: value === chosen}, text)));
}

function everything(place, data) {
  const list = place.querySelector(".model"), table = place.querySelector("table");
  options(list, data.texts.map((run, k) => [k, data.runs[run].join(": ")]), 0);
  const show = () => {
    const k = Number(list.value);
    fill(table, data.rows.map(([id, speaker, seconds, href, ref, length, texts]) => make("tr", {},
      cell((100 * texts[k][0] / length).toFixed(1)), play(href, seconds, id),
      said(data.lang, ref), differences(said(data.lang), texts[k], ref),
      cell(texts[k][0]), cell(speaker || "–"), cell(id, "text id"))));
  };
  list.addEventListener("change", show);
  place.addEventListener("toggle", () => { if (place.open && !table.tBodies[0].rows.length) show(); });
  place.hidden = false;
}

// So many rows are made at once; more of them when one asks for them.
const AT_ONCE = 200;

function comparison(place, data) {
  const [a, b] = [".a", ".b"].map(name => place.querySelector(name)), verdict = place.querySelector(".verdict");
  const changed = place.querySelector(".changed"), table = place.querySelector("table");
  const names = data.runs.map((run, k) => [k, run.join(": ")]);
  const [first, second] = data.texts.length > 1 ? data.texts : [0, 1];
  options(a, names, second);
  options(b, names, first);
  let waiting = null;
  const list = () => {
    if (!changed.open || !waiting) return;
    fill(table, waiting());
    waiting = null;
  };
  const row = (i, j) => ([id, , seconds, href, ref, , texts]) => {
    const more = texts[j][0] - texts[i][0], name = more > 0 ? "worse" : "better";
    return make("tr", {}, cell(name, name), cell(more > 0 ? `+${more}` : `−${-more}`, "", more), play(href, seconds, id),
      said(data.lang, ref), differences(said(data.lang), texts[i], ref), differences(said(data.lang), texts[j], ref),
      cell(id, "text id"));
  };
  const show = () => {
    const lines = a.value === b.value ? ["A and B are the same model."] : data.pairs[`${a.value} ${b.value}`] || ["These do not compare."];
    verdict.replaceChildren(...lines.map(line => make("p", {}, line)));
    if (!changed) return;
    const [i, j] = [a, b].map(list => data.texts.indexOf(Number(list.value)));
    if (i < 0 || j < 0) {
      const lacking = [i < 0 ? "A" : "", j < 0 ? "B" : ""].filter(Boolean).join(" and ");
      verdict.append(make("p", {className: "lacking"}, `The texts of ${lacking} are not on this machine.`));
    }
    const rows = i < 0 || j < 0 ? [] : data.rows.filter(([, , , , , , texts]) => texts[i][0] !== texts[j][0]);
    const change = ([, , , , , , texts]) => texts[j][0] - texts[i][0];
    rows.sort((x, y) => change(x) - change(y));
    changed.hidden = !rows.length;
    changed.querySelector("summary").textContent = `${rows.length} utterances that B got better or worse`;
    waiting = () => rows.map(row(i, j));
    changed.open = rows.length <= AT_ONCE;
    list();
  };
  a.addEventListener("change", show);
  b.addEventListener("change", show);
  if (changed) changed.addEventListener("toggle", list);
  place.hidden = data.runs.length < 2;
  if (!place.hidden) show();
}

for (const source of document.querySelectorAll("script.data")) {
  const data = JSON.parse(source.textContent), section = source.closest("section");
  for (const place of section.querySelectorAll(".compare")) comparison(place, data);
  for (const place of section.querySelectorAll(".every")) everything(place, data);
}
stops();
