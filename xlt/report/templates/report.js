"use strict";
// A link opens what it points into.
function reveal() {
  const place = document.getElementById(location.hash.slice(1));
  if (!place) return;
  for (let at = place; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  place.scrollIntoView();
}

window.addEventListener("hashchange", reveal);
reveal();
