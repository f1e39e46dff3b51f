"use strict";
// One player at the foot of the page for all its sounds; without this a link opens its sound.
{
  const box = document.getElementById("player");
  const audio = box && box.querySelector("audio");
  let current = null;

  const mark = on => { if (current) current.classList.toggle("playing", on); };

  const say = text => { box.querySelector(".name").textContent = text; };

  const start = link => {
    mark(false);
    current = link;
    box.hidden = false;
    say(link.dataset.name);
    audio.src = link.href;  // the attribute: a part of a recording begins again at its start
    audio.play().catch(() => {});  // "error" says why
  };

  const toggle = link => {
    if (link === current && !audio.paused) audio.pause();
    else start(link);
  };

  if (box) {
    for (const link of document.querySelectorAll("a.play")) link.setAttribute("role", "button");
    document.addEventListener("click", event => {
      const link = event.target.closest("a.play");
      if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      toggle(link);
    });
    document.addEventListener("keydown", event => {
      if (event.key !== " " || !event.target.matches("a.play")) return;
      event.preventDefault();
      toggle(event.target);
    });
    audio.addEventListener("play", () => mark(true));
    for (const name of ["pause", "ended", "error"]) audio.addEventListener(name, () => mark(false));
    audio.addEventListener("error", () => say(`${current.dataset.name}: cannot be played; is the file still there?`));
  }
}
