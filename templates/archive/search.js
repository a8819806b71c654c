// Searches the indexes of all jobs, year by year, the newest year first. They are loaded as classic
// scripts, so that the page works from disk.
(function () {
  "use strict";
  var form = document.getElementById("search");
  var field = document.getElementById("words");
  var list = document.getElementById("results");
  var status = document.getElementById("status");
  var more = document.getElementById("more");
  var PAGE = 50;
  var docs = [], shown = PAGE, missing = 0, loading = false;
  // Years with the jobs that have them, the newest first.
  var queue = [];
  retrocast.jobs.forEach(function (job) {
    job.years.forEach(function (year) { queue.push({ job: job, year: year }); });
  });
  queue.sort(function (a, b) { return a.year === b.year ? 0 : a.year < b.year ? 1 : -1; });
  var total = queue.length;

  function plain(text) {
    return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").replace(/\s+/g, " ").toLowerCase();
  }
  function add(kind, job, year, href, text, facts, also) {
    docs.push({ kind: kind, href: job.folder + "/" + href, text: text, facts: facts, year: year, rank: docs.length,
      plain: plain([job.title, text, facts, also].join(" ")), plainText: plain(text) });
  }
  retrocast.index = function (folder, year, data) {
    var job = retrocast.jobs.filter(function (job) { return job.folder === folder; })[0];
    if (!job) return;
    data.findings.forEach(function (item) {
      item.sentences.forEach(function (sentence) {
        add("finding", job, year, item.href, sentence[0], ["Finding", item.subject, sentence[1], job.title].filter(Boolean).join(", "),
          item.what + " " + item.stage);
      });
    });
    data.improvements.forEach(function (item) {
      add("improvement", job, year, item.href, item.title, ["Improvement", item.id, item.metric, job.title].filter(Boolean).join(", "),
        item.category + " " + item.text);
    });
    data.stages.forEach(function (item) {
      add("stage", job, year, item.href + "index.html", item.title || item.name, ["Stage " + item.name, item.kind, item.window, job.title].join(", "), "");
    });
    data.runs.forEach(function (item) {
      add("run", job, year, item.href + "index.html", item.text || "No headline.",
        ["Report " + item.window, item.period, item.status, item.old ? "superseded" : "", job.title].filter(Boolean).join(", "), item.run);
    });
  };
  function load() {
    var next = queue.shift();
    if (!next) { loading = false; show(); return; }
    loading = true;
    var script = document.createElement("script");
    script.src = next.job.folder + "/index-" + next.year + ".js";
    script.onload = function () { script.remove(); if (queue.length % 8 === 0) show(); load(); };
    script.onerror = function () { missing += 1; script.remove(); load(); };
    document.head.appendChild(script);
  }
  // Adds a text to an element, with the words marked; the text is never set as markup.
  function addMarked(element, text, words) {
    var lower = text.toLowerCase(), start = 0;
    // A text is not marked if lower case changes its length. Words have no accents, so accented words
    // of the text are not marked either.
    if (lower.length !== text.length) { element.textContent = text; return; }
    while (start < text.length) {
      var first = -1, length = 0;
      words.forEach(function (word) {
        var index = lower.indexOf(word, start);
        if (index >= 0 && (first < 0 || index < first || (index === first && word.length > length))) {
          first = index; length = word.length;
        }
      });
      if (first < 0) break;
      element.appendChild(document.createTextNode(text.slice(start, first)));
      var mark = document.createElement("mark");
      mark.textContent = text.slice(first, first + length);
      element.appendChild(mark);
      start = first + length;
    }
    element.appendChild(document.createTextNode(text.slice(start)));
  }
  function show() {
    var words = plain(field.value).split(" ").filter(Boolean);
    var kinds = Array.from(form.querySelectorAll("[name=kind]:checked"), function (box) { return box.value; });
    var matches = words.length === 0 ? [] : docs.filter(function (doc) {
      return kinds.indexOf(doc.kind) >= 0 && words.every(function (word) { return doc.plain.indexOf(word) >= 0; });
    });
    var inText = function (doc) { return words.filter(function (word) { return doc.plainText.indexOf(word) >= 0; }).length; };
    matches.sort(function (a, b) {
      return inText(b) - inText(a) || (a.year === b.year ? a.rank - b.rank : a.year < b.year ? 1 : -1);
    });
    list.textContent = "";
    matches.slice(0, shown).forEach(function (doc) {
      var item = document.createElement("li");
      var link = document.createElement("a");
      link.href = doc.href;
      addMarked(link, doc.text, words);
      var facts = document.createElement("span");
      facts.className = "run-facts";
      addMarked(facts, doc.facts, words);
      item.appendChild(link);
      item.appendChild(facts);
      list.appendChild(item);
    });
    more.hidden = matches.length <= shown;
    var progress = loading ? " Reading the index: " + (total - queue.length - 1) + " of " + total + "." : "";
    var problem = missing > 0 ? " " + missing + " parts of the index cannot be read; `retrocast archive rebuild` writes them." : "";
    status.textContent = (words.length === 0 ? "" : matches.length === 0 ? (loading ? "" : "Nothing matches.") :
      matches.length === 1 ? "1 result." : matches.length + " results.") + progress + problem;
  }
  function changed() {
    shown = PAGE;
    var query = field.value.trim();
    // A page opened from disk may not change its address.
    try { history.replaceState(null, "", query ? "?q=" + encodeURIComponent(query) : location.pathname); } catch (error) { /* The address stays unchanged. */ }
    if (query && !loading && queue.length > 0) load();
    show();
  }
  function links() { return Array.from(list.querySelectorAll("a")); }
  document.addEventListener("keydown", function (event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    var position = links().indexOf(document.activeElement);
    if (event.key === "/" && document.activeElement !== field) {
      event.preventDefault();
      field.focus();
    } else if (event.key === "ArrowDown" && (document.activeElement === field || position >= 0)) {
      var next = links()[position + 1];
      if (next) { event.preventDefault(); next.focus(); }
    } else if (event.key === "ArrowUp" && position >= 0) {
      event.preventDefault();
      (links()[position - 1] || field).focus();
    } else if (event.key === "Escape") {
      field.value = "";
      changed();
      field.focus();
    }
  });
  form.addEventListener("submit", function (event) { event.preventDefault(); changed(); });
  form.addEventListener("change", changed);
  field.addEventListener("input", changed);
  more.addEventListener("click", function () { shown += PAGE; show(); });
  var query = new URLSearchParams(location.search).get("q");
  if (query) field.value = query;
  form.hidden = false;
  field.focus();
  changed();
})();
