"use strict";
// drop.txt follows the ticks. Lines of utterances that are not on the page stay.
{
  const table = document.getElementById("utterances"), area = document.getElementById("lines");
  const boxes = Array.from(table.querySelectorAll("input[type=checkbox]"));
  const here = new Set(boxes.map(box => box.closest("tr").dataset.id));
  const given = new Map(area.value.split("\n").filter(Boolean).map(line => [line.split(" ", 1)[0], line]));
  const others = Array.from(given).filter(([id]) => !here.has(id)).map(([, line]) => line);

  let kept = null;  // what was saved; until then ticks are nowhere else than on the page

  const refresh = () => {
    const ticked = boxes.filter(box => box.checked).map(box => {
      const row = box.closest("tr");
      return given.get(row.dataset.id) || `${row.dataset.id} ${row.dataset.reason}`;
    });
    const lines = [...others, ...ticked].sort();
    area.value = lines.map(line => line + "\n").join("");
    document.getElementById("count").value = `${lines.length} training utterances`;
  };

  const made = document.getElementById("made");
  const said = make("output");
  made.append(
    action("Copy drop.txt", async () => {
      const text = area.value, done = await copied(text);
      if (done) kept = text;
      said.value = done ? "copied" : "the browser does not allow it: copy the lines below";
    }),
    action("Save drop.txt", () => { kept = area.value; save("drop.txt", area.value, "text/plain"); }),
    said,
  );
  table.addEventListener("change", refresh);
  window.addEventListener("beforeunload", event => { if (area.value !== kept) event.preventDefault(); });
  refresh();
  kept = area.value;

  const text = (row, name) => row.querySelector(name).textContent.trim();
  offer(table, "listen.csv", ["leave out", "score", "set", "row", "path", "utterance", "text", "the model hears"], row => {
    const box = row.querySelector("input");
    return [[box && box.checked ? "yes" : "no", row.cells[2].textContent, row.cells[3].textContent, row.dataset.row,
      row.dataset.path, row.dataset.id, text(row, ".said"), text(row, ".heard")]];
  });
}
