"use strict";
// offer(table, name, head, lines): buttons that copy the rows of a table that are not filtered out, or save them
// as a CSV file. lines(row): the lines of a row, lists of texts. Uses table.js.

function quoted(text) {
  const formula = /^'*[=+\-@\t\r]/.test(text) && !/^[+-]?\d+(\.\d+)?$/.test(text);  // a spreadsheet would compute it
  const safe = formula ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save(name, text, type) {
  const link = make("a", {download: name, href: URL.createObjectURL(new Blob([text], {type}))});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {  // a browser that allows it to no file
    const area = make("textarea", {value: text});
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function action(label, work) {
  const made = make("button", {type: "button"}, label);
  made.addEventListener("click", work);
  return made;
}

function offer(table, name, head, lines) {
  const state = tables.get(table), said = make("output");
  const csv = () => [head, ...matching(table).flatMap(lines)].map(line => line.map(quoted).join(",") + "\r\n");
  const tell = (done, found) => { said.value = done ? `${found.length - 1} lines copied` : "the browser does not allow it"; };
  state.tools.append(
    action("Copy these rows", async () => { const found = csv(); tell(await copied(found.join("")), found); }),
    action("Save as CSV", () => save(name, "\ufeff" + csv().join(""), "text/csv")),
    said,
  );
}
