"use strict";
// A line of the CSV file for each utterance of a fault, or for the fault where it names none.
{
  const table = document.getElementById("faults");
  const inside = (row, name) => { const found = row.querySelector(name); return found ? found.textContent.trim() : ""; };
  const lines = row => {
    const fault = [".severity", ".about", ".place code", ".problem", ".remedy"].map(name => inside(row, name));
    const named = Array.from(row.querySelectorAll(".named > li"), item =>
      [...fault, item.dataset.set, item.dataset.row, item.dataset.path, item.dataset.id, inside(item, ".said")]);
    return named.length ? named : [[...fault, "", inside(row, ".rows"), "", "", ""]];
  };
  const head = ["severity", "about", "place", "problem", "remedy", "set", "row", "path", "utterance", "text"];
  if (table) offer(table, "faults.csv", head, lines);
}
