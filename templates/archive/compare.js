// Shows the differences between two runs. Their results are loaded as classic scripts, so that the
// page works from disk. Every text is set as text, never as markup.
(function () {
  "use strict";
  var byId = function (id) { return document.getElementById(id); };
  var form = byId("choice"), job = byId("job"), selects = { old: byId("old"), now: byId("new") };
  var status = byId("status"), result = byId("result");
  var wanted = { old: "", now: "" }, loaded = null;
  // Runs by folder of their job, the newest first.
  var runs = {};

  function make(name, text, className) {
    var element = document.createElement(name);
    if (text !== undefined && text !== null) element.textContent = shown(text);
    if (className) element.className = className;
    return element;
  }
  // Replaces characters that are invisible or reorder others.
  function shown(text) {
    return String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2061-\u206f\ufff9-\ufffb]/g, "□");
  }
  function script(src, done) {
    var element = document.createElement("script");
    element.src = src;
    element.onload = function () { element.remove(); done(true); };
    element.onerror = function () { element.remove(); done(false); };
    document.head.appendChild(element);
  }
  retrocast.results = function (data) { loaded = data; };
  retrocast.index = function (folder, year, data) {
    runs[folder] = (runs[folder] || []).concat(data.runs.map(function (run) {
      return { path: folder + "/" + run.href.replace(/\/$/, ""), year: year, text: run.window + ", " + run.status + ", run " + run.run, results: run.results };
    }));
  };
  function readHash() {
    location.hash.slice(1).split("&").forEach(function (part) {
      var at = part.indexOf("=");
      var name = part.slice(0, at);
      // Only paths of runs, never addresses.
      var path = /^[A-Za-z0-9%._~-]+(\/[A-Za-z0-9%._~-]+){2}$/.test(part.slice(at + 1)) && !/(^|\/)\.\.?(\/|$)/.test(part.slice(at + 1)) ? part.slice(at + 1) : "";
      if (name === "old") wanted.old = path;
      if (name === "new") wanted.now = path;
    });
  }
  function loadIndex(folder, done) {
    if (runs[folder]) { done(); return; }
    var entry = retrocast.jobs.find(function (job) { return job.folder === folder; });
    var years = entry ? entry.years.slice() : [];
    runs[folder] = [];
    (function next() {
      var year = years.shift();
      if (!year) { done(); return; }
      script(folder + "/index-" + year + ".js", next);
    })();
  }
  function fill() {
    var list = (runs[job.value] || []).filter(function (run) { return run.results; });
    Object.keys(selects).forEach(function (side) {
      var select = selects[side];
      select.textContent = "";
      var group = null;
      list.forEach(function (run) {
        if (!group || group.label !== run.year) { group = document.createElement("optgroup"); group.label = run.year; select.appendChild(group); }
        var option = make("option", run.text);
        option.value = run.path;
        group.appendChild(option);
      });
      if (wanted[side] && !list.some(function (run) { return run.path === wanted[side]; })) {
        var other = make("option", decodeURIComponent(wanted[side]));
        other.value = wanted[side];
        select.insertBefore(other, select.firstChild);
      }
    });
    if (!wanted.now && list[0]) wanted.now = list[0].path;
    if (!wanted.old && list[0]) wanted.old = (list[1] || list[0]).path;
    selects.old.value = wanted.old;
    selects.now.value = wanted.now;
  }
  function compare() {
    result.textContent = "";
    if (!wanted.old || !wanted.now) { status.textContent = "There are no two runs with results to compare."; return; }
    status.textContent = "Reading the results …";
    var pair = [wanted.old, wanted.now], read = [];
    (function next() {
      if (pair[0] !== wanted.old && read.length === 0) return;
      if (read.length === 2) { show(read[0], read[1]); return; }
      loaded = null;
      script(pair[read.length] + "/run.js", function (ok) {
        if (!ok || !loaded) { status.textContent = decodeURIComponent(pair[read.length]) + " has no results to compare; `retrocast archive rebuild` writes them for finished runs."; return; }
        read.push(loaded);
        next();
      });
    })();
  }
  function changed() {
    try { history.replaceState(null, "", "#old=" + wanted.old + "&new=" + wanted.now); } catch (error) { /* The address stays unchanged. */ }
    compare();
  }

  function heading(title) { result.appendChild(make("h2", title)); }
  function table(caption, heads, rows, numbers, wide) {
    var box = make("div", null, "scroll");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", caption);
    var element = make("table"), head = make("thead"), line = make("tr"), body = make("tbody");
    element.appendChild(make("caption", caption));
    heads.forEach(function (text, at) { var cell = make("th", text, numbers.indexOf(at) >= 0 ? "number" : ""); cell.scope = "col"; line.appendChild(cell); });
    head.appendChild(line);
    rows.forEach(function (row) {
      var line = make("tr");
      row.forEach(function (text, at) {
        var cell = make(at === 0 ? "th" : "td", null, numbers.indexOf(at) >= 0 ? "number" : wide ? "text" : "");
        if (at === 0) cell.scope = "row";
        if (text instanceof Node) cell.appendChild(text); else cell.textContent = shown(text);
        line.appendChild(cell);
      });
      body.appendChild(line);
    });
    element.appendChild(head);
    element.appendChild(body);
    box.appendChild(element);
    result.appendChild(box);
  }
  function list(title, id, items, text) {
    if (items.length === 0) return;
    heading(title + " (" + items.length + ")");
    var element = make("ul", null, "findings");
    element.id = id;
    items.forEach(function (item) {
      var line = make("li", null, "finding finding-" + item.severity);
      text(item).forEach(function (words, at) { if (words) line.appendChild(make("p", words, at === 0 ? "" : "run-facts")); });
      element.appendChild(line);
    });
    result.appendChild(element);
  }
  function digits(value) {
    var size = Math.abs(value);
    var places = size === 0 || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : Math.min(6, Math.ceil(-Math.log10(size)) + 1);
    return size.toFixed(places).replace(/\B(?=(\d{3})+(?!\d)(?<!\.\d*))/g, "\u202f");
  }
  function signed(value) { return (value < 0 ? "−" : value > 0 ? "+" : "") + digits(value); }
  function difference(figure) {
    var delta = figure.difference;
    if (delta === null) return "–";
    if (figure.unit === "share") return signed(100 * delta) + "\u00a0percentage points";
    if (figure.unit === "%" || figure.unit === "points") return signed(delta) + "\u00a0percentage points";
    var old = figure.old.value;
    return signed(delta) + (figure.unit ? "\u00a0" + figure.unit : "") + (old !== 0 && delta !== 0 ? " (" + signed(100 * delta / Math.abs(old)) + "\u00a0%)" : "");
  }
  function notes(figure, differing) {
    var out = [];
    if (figure.beyondChance === true) out.push(figure.better === null ? "proven" : figure.better ? "proven better" : "proven worse");
    if (figure.crossed) out.push("target " + figure.now.target_text + (figure.now.on_target ? " met now" : " missed now"));
    if (!figure.compared) out.push("not measured in both");
    if (differing.indexOf(figure.node) >= 0) out.push("method or setup differs");
    return out.join(", ");
  }
  function value(setting) { return setting === null ? "–" : typeof setting === "string" ? setting : JSON.stringify(setting); }
  function side(run) { return run.title + ", " + run.window + " (" + run.period + "), run " + run.run + ", " + run.status; }
  function short(name) { return name.replace(/^[a-z]+\./, ""); }

  function show(old, now) {
    var aligned = retrocast.align(old, now), findings = aligned.findings;
    result.textContent = "";
    status.textContent = "From " + side(old) + " to " + side(now) + ". " + findings.fresh.length + " new, " + (findings.changed.length + findings.unchanged.length) +
      " persisting and " + findings.resolved.length + " resolved findings.";
    if (old.job !== now.job) warn("The runs are of different jobs.");
    if (old.timezone !== now.timezone) warn("The time zones differ: " + old.timezone + " and " + now.timezone + ".");
    if (aligned.methods.length > 0) {
      warn("Methods differ: code, setup or method of these stages changed, so the data may not be the cause of a difference: " + aligned.methods.map(short).join(", ") + ".");
    }
    if (aligned.figures.length > 0) {
      heading("Key figures");
      table("Key figures of both runs, the most important change first",
        ["Figure", "Subject", old.window, now.window, "Difference", "Notes"],
        aligned.figures.map(function (figure) {
          var text = function (figure) {
            var cell = make("span", figure && figure.text ? figure.text : "–");
            if (figure && figure.interval_text) cell.appendChild(make("span", figure.interval_text, "run-facts"));
            return cell;
          };
          var change = make("span", difference(figure), figure.beyondChance === true && figure.better !== null ? (figure.better ? "better" : "worse") : "");
          var cell = make("span");
          cell.appendChild(change);
          if (figure.overlap !== null) cell.appendChild(make("span", figure.overlap ? "intervals overlap" : "intervals do not overlap", "run-facts"));
          return [figure.name, figure.subject, text(figure.old), text(figure.now), cell, notes(figure, aligned.methods)];
        }), [2, 3, 4]);
    }
    var facts = function (finding) { return finding.severity + (finding.subject !== "all" ? ", " + finding.subject : "") + ", " + short(finding.node); };
    var single = function (finding) { return [finding.sentence, facts(finding)]; };
    var pair = function (item) {
      return [item.now.sentence, facts(item.now), item.old.sentence === item.now.sentence ? "" : "before: " + item.old.sentence +
        (item.old.severity === item.now.severity ? "" : " (" + item.old.severity + ")"),
        item.old.method !== item.now.method && item.old.method && item.now.method ? "method differs: " + item.old.method + " → " + item.now.method : ""];
    };
    list("New findings", "fresh", findings.fresh, single);
    list("Resolved findings", "resolved", findings.resolved, single);
    list("Persisting findings that changed", "changed", findings.changed, pair);
    list("Persisting findings", "unchanged", findings.unchanged, pair);
    if (findings.notCompared.length > 0) {
      heading("Not compared");
      table("Stages that only one run reached: their findings are neither new nor resolved", ["Stage", "Findings", "Not reached by"],
        findings.notCompared.map(function (item) { return [short(item.node), item.findings, item.inNew ? now.window : old.window]; }), [1]);
    }
    if (aligned.effects.length > 0) {
      heading("Improvements");
      var words = function (effect) { return !effect ? "–" : effect.verdict_word + (effect.text ? ", " + effect.text + (effect.interval_text ? " (" + effect.interval_text + ")" : "") : ""); };
      table("Verdicts of both runs", ["Improvement", "Metric", old.window, now.window],
        aligned.effects.map(function (effect) { return [effect.title || effect.improvement, effect.metric, words(effect.old), words(effect.now)]; }), [], true);
    }
    setup(old, now, aligned);
    if (result.childNodes.length === 0) result.appendChild(make("p", "Nothing differs.", "empty"));
  }
  function warn(text) { result.appendChild(make("p", text, "notice notice-plain")); }
  function setup(old, now, aligned) {
    var config = aligned.config;
    var rows = config.settings.map(function (item) { return [item.place, item.key, value(item.old), value(item.now)]; });
    config.added.forEach(function (name) { rows.push([name, "node", "–", "added"]); });
    config.removed.forEach(function (name) { rows.push([name, "node", "removed", "–"]); });
    if (rows.length > 0) {
      heading("Setup");
      table("Changed params, settings and versions", ["Where", "Key", old.window, now.window], rows, [], true);
    } else if (config.textDiffers) {
      heading("Setup");
      result.appendChild(make("p", "The texts of the job files differ, but their meaning is the same."));
    }
    if (aligned.states.length > 0) {
      heading("Stages");
      table("Stages with different results", ["Stage", old.window, now.window],
        aligned.states.map(function (item) {
          var text = function (node) { return node.state + (node.message ? ": " + node.message : ""); };
          return [short(item.node), text(item.old), text(item.now)];
        }), [], true);
    }
    if (aligned.records.length > 0) {
      heading("Records");
      table("Records that the runs read", ["Source", "Records"],
        aligned.records.map(function (item) { return [short(item.node), !item.compared ? "read by only one run" : item.same ? "the same" : "different"]; }), []);
    }
  }

  readHash();
  retrocast.jobs.forEach(function (entry) { var option = make("option", entry.title); option.value = entry.folder; job.appendChild(option); });
  var first = (wanted.now || wanted.old).split("/")[0];
  if (first) job.value = first;
  job.addEventListener("change", function () { wanted = { old: "", now: "" }; loadIndex(job.value, function () { fill(); changed(); }); });
  selects.old.addEventListener("change", function () { wanted.old = selects.old.value; changed(); });
  selects.now.addEventListener("change", function () { wanted.now = selects.now.value; changed(); });
  byId("swap").addEventListener("click", function () {
    wanted = { old: wanted.now, now: wanted.old };
    selects.old.value = wanted.old;
    selects.now.value = wanted.now;
    changed();
  });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  window.addEventListener("hashchange", function () { readHash(); fill(); compare(); });
  form.hidden = false;
  loadIndex(job.value, function () { fill(); compare(); });
})();
