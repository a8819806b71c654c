// Hides the runs that do not contain every search term. It needs only the text of the page; without
// it, the page shows all runs.
(function () {
  "use strict";
  var box = document.getElementById("search");
  if (!box) return;
  var field = box.querySelector("input");
  var result = box.querySelector("[role=status]");
  function plain(text) {
    return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").replace(/\s+/g, " ").toLowerCase();
  }
  var runs = Array.from(document.querySelectorAll(".run"), function (item) {
    var title = item.closest("section").querySelector("h2").textContent;
    return { item: item, text: plain(title + " " + item.textContent) };
  });
  var groups = Array.from(document.querySelectorAll("main section"));
  var folded = Array.from(document.querySelectorAll("details.earlier"));
  function show() {
    var words = plain(field.value).split(" ").filter(Boolean);
    var found = 0;
    runs.forEach(function (run) {
      var hit = words.every(function (word) { return run.text.includes(word); });
      run.item.hidden = !hit;
      if (hit) found += 1;
    });
    groups.forEach(function (group) { group.hidden = !group.querySelector(".run:not([hidden])"); });
    folded.forEach(function (part) {
      part.open = words.length > 0;
      part.hidden = !part.querySelector(".run:not([hidden])");
    });
    result.textContent = words.length === 0 ? "" : found === 0 ? "No run matches." :
      found + " of " + runs.length + (runs.length === 1 ? " run" : " runs");
  }
  field.addEventListener("input", show);
  box.hidden = false;
  show();
})();
