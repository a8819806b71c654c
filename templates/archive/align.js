// Aligns the results of two runs as `retrocast diff` does (core/deliver/src/diff): figures by stage,
// name and subject; findings by stage and identity; improvements by stage, identity and metric.
retrocast.align = (function () {
  "use strict";
  // Minimum relative change of a size without an interval.
  var CHANGE_MIN = 0.1;
  function json(value) { return JSON.stringify(value === undefined ? null : value); }
  function same(a, b) { return sorted(a) === sorted(b); }
  // JSON with sorted keys.
  function sorted(value) {
    return JSON.stringify(value === undefined ? null : value, function (_, item) {
      if (item === null || typeof item !== "object" || Array.isArray(item)) return item;
      return Object.keys(item).sort().reduce(function (out, key) { out[key] = item[key]; return out; }, {});
    });
  }
  function node(run, name) { return run.nodes.find(function (node) { return node.name === name; }); }
  function state(run, name) { var match = node(run, name); return match ? match.state : "absent"; }
  function isReport(node) { return node.kind === "report"; }
  // True if a run searched for the findings of a node. A stage with too little data leaves earlier
  // findings unresolved, but findings after it are new.
  function covers(run, name, isNew) {
    var current = state(run, name);
    return current === "done" || (current === "not enough" && !isNew);
  }
  function importance(a, b) {
    var order = ["critical", "warning", "notice", "info"];
    return order.indexOf(a.severity) - order.indexOf(b.severity);
  }

  function figures(old, now) {
    var key = function (figure) { return json([figure.node, figure.name, figure.subject]); };
    var first = function (list, name) { return list.find(function (figure) { return key(figure) === name; }); };
    var keys = [];
    now.figures.concat(old.figures).forEach(function (figure) {
      if (keys.indexOf(key(figure)) < 0) keys.push(key(figure));
    });
    var pairs = keys.map(function (name) {
      var a = first(old.figures, name), b = first(now.figures, name), any = b || a;
      var isKnown = function (figure) { return Boolean(figure) && figure.value !== null; };
      var both = isKnown(a) && isKnown(b) && a.unit === b.unit;
      return {
        node: any.node, name: any.name, subject: any.subject, unit: any.unit,
        old: a, now: b,
        compared: state(old, any.node) === "done" && state(now, any.node) === "done",
        difference: both ? b.value - a.value : null,
        overlap: both && a.interval && b.interval ? a.interval[0] <= b.interval[1] && b.interval[0] <= a.interval[1] : null,
        beyondChance: beyondChance(a, b),
        better: both && a.value !== b.value ? (b.value < a.value) === any.lower_is_better : null,
        crossed: Boolean(a && b) && a.on_target !== null && b.on_target !== null && a.on_target !== b.on_target,
        changed: (a ? a.text : "") !== (b ? b.text : ""),
        weight: weight(a, b)
      };
    });
    var rank = function (figure) { return (figure.beyondChance === true ? 0 : 4) + (figure.crossed ? 0 : 2) + (figure.changed ? 0 : 1); };
    return pairs.map(function (figure, index) { return [figure, index]; }).sort(function (a, b) {
      return rank(a[0]) - rank(b[0]) || (a[0].weight === b[0].weight ? 0 : b[0].weight - a[0].weight) || a[1] - b[1];
    }).map(function (pair) { return pair[0]; });
  }
  // The result of the stage's own test, which compares a window with the one before.
  function beyondChance(a, b) {
    if (!a || !b) return null;
    var follows = function (figure, before) {
      if (figure.previous === null || before.value === null || !figure.tested) return null;
      var close = Math.abs(figure.previous - before.value) <= 1e-9 * Math.max(Math.abs(before.value), 1);
      return close ? figure.significant : null;
    };
    var result = follows(b, a);
    return result === null ? follows(a, b) : result;
  }
  // The change relative to the uncertainty of both values; without intervals, relative to the figure.
  function weight(a, b) {
    if (!a || !b || a.value === null || b.value === null) return Number.MAX_VALUE;
    var half = function (figure) { return figure.interval ? (figure.interval[1] - figure.interval[0]) / 2 : null; };
    var scale = half(a) !== null && half(b) !== null ? Math.hypot(half(a), half(b)) : Math.max(Math.abs(a.value), Math.abs(b.value));
    return scale > 0 ? Math.abs(b.value - a.value) / scale : 0;
  }

  function effects(old, now) {
    var isSameAs = function (a) { return function (b) { return a.node === b.node && a.improvement === b.improvement && a.metric === b.metric; }; };
    var out = [];
    now.effects.concat(old.effects).forEach(function (effect) {
      if (out.some(isSameAs(effect))) return;
      out.push({
        node: effect.node, improvement: effect.improvement, metric: effect.metric, title: effect.title, sentence: effect.sentence,
        old: old.effects.find(isSameAs(effect)), now: now.effects.find(isSameAs(effect)),
        compared: covers(old, effect.node, false) && covers(now, effect.node, true)
      });
    });
    return out;
  }

  // Findings by node, identity and, for repeated claims, number.
  function byKey(run, verdicts) {
    var entries = new Map();
    run.findings.forEach(function (finding) {
      var isVerdict = finding.improvement && verdicts.some(function (effect) {
        return effect.compared && effect.node === finding.node && effect.improvement === finding.improvement;
      });
      if (isVerdict) return;
      var n = 0;
      while (entries.has(json([finding.node, finding.id, n]))) n += 1;
      entries.set(json([finding.node, finding.id, n]), finding);
    });
    return entries;
  }
  function findings(old, now, verdicts) {
    var before = byKey(old, verdicts), after = byKey(now, verdicts);
    var out = { fresh: [], resolved: [], changed: [], unchanged: [], notCompared: [] };
    var skip = function (finding, inNew) {
      var entry = out.notCompared.find(function (entry) { return entry.node === finding.node && entry.inNew === inNew; });
      if (entry) entry.findings += 1; else out.notCompared.push({ node: finding.node, inNew: inNew, findings: 1 });
    };
    after.forEach(function (finding, key) {
      var was = before.get(key);
      if (was) (hasChanged(was, finding) ? out.changed : out.unchanged).push({ severity: finding.severity, old: was, now: finding });
      else if (covers(old, finding.node, false)) out.fresh.push(finding);
      else skip(finding, false);
    });
    before.forEach(function (finding, key) {
      if (after.has(key)) return;
      if (covers(now, finding.node, true)) out.resolved.push(finding); else skip(finding, true);
    });
    ["fresh", "resolved", "changed", "unchanged"].forEach(function (list) { out[list].sort(importance); });
    return out;
  }
  function hasChanged(old, now) {
    if (old.severity !== now.severity || old.direction !== now.direction) return true;
    var a = old.size, b = now.size;
    if (!a || !b) return Boolean(a) !== Boolean(b);
    if (a.unit !== b.unit) return true;
    var outside = function (value, size) {
      if (size.lower === null) return null;
      if (value < size.lower) return true;
      return size.upper === null ? null : value > size.upper;
    };
    var beyond = [outside(a.value, b), outside(b.value, a)];
    if (beyond[0] === null && beyond[1] === null) {
      return Math.abs(a.value - b.value) > CHANGE_MIN * Math.max(Math.abs(a.value), Math.abs(b.value));
    }
    return beyond.indexOf(true) >= 0;
  }

  // Values that differ from run to run and that a job file may refer to. If a key differs only by
  // these, its text in the job file is the same.
  function references(old, now) {
    var text = function (value) { return typeof value === "string" ? value : json(value); };
    var texts = [[old.instants[0], now.instants[0]], [old.instants[1], now.instants[1]], [old.window, now.window]];
    var values = [[old.title, now.title], [old.owner, now.owner]];
    Object.keys(old.params).sort().forEach(function (name) {
      if (!(name in now.params)) return;
      texts.push([text(old.params[name]), text(now.params[name])]);
      values.push([old.params[name], now.params[name]]);
    });
    texts = texts.filter(function (pair) { return pair[0] !== pair[1] && pair[0] !== "" && pair[1] !== ""; });
    return function (a, b) {
      if (same(a, b) || values.some(function (pair) { return same(pair[0], a) && same(pair[1], b); })) return true;
      if (typeof a !== "string" || typeof b !== "string") return false;
      texts.forEach(function (pair, index) {
        var mark = "\u0000" + index + "\u0000";
        a = a.split(pair[0]).join(mark);
        b = b.split(pair[1]).join(mark);
      });
      return a === b;
    };
  }
  function config(old, now) {
    var out = { added: [], removed: [], settings: [], textDiffers: old.job_file !== now.job_file };
    var add = function (place, key, a, b) {
      if (!same(a, b)) out.settings.push({ place: place, key: key, old: a === undefined ? null : a, now: b === undefined ? null : b });
    };
    add("program", "build", old.build, now.build);
    add("job", "name", old.job, now.job);
    ["title", "owner", "compare", "timezone", "seed"].forEach(function (key) { add("job", key, old[key], now[key]); });
    Object.keys(Object.assign({}, old.params, now.params)).sort().forEach(function (name) {
      add("params", name, old.params[name], now.params[name]);
    });
    var kinds = [], explain = references(old, now);
    now.nodes.forEach(function (b) {
      var a = node(old, b.name);
      // The code version is that of the kind: one line for all of its nodes.
      if (!a || a.kind !== b.kind || kinds.indexOf(b.kind) >= 0) return;
      kinds.push(b.kind);
      add("program", "code of " + b.kind, a.code, b.code);
    });
    now.nodes.forEach(function (b) {
      var a = node(old, b.name);
      if (a) nodes(a, b, explain, out.settings);
    });
    out.added = now.nodes.filter(function (b) { return !node(old, b.name); }).map(function (b) { return b.name; });
    out.removed = old.nodes.filter(function (a) { return !node(now, a.name); }).map(function (a) { return a.name; });
    return out;
  }
  function nodes(a, b, explain, out) {
    var before = out.length;
    var compare = function (key, x, y) { values(b.name, key, x, y, explain, out); };
    compare("kind", a.kind, b.kind);
    if (!isReport(b)) compare("title", a.own_title, b.own_title);
    compare("", a.config, b.config);
    if (b.kind !== "source") compare("optional", a.optional, b.optional);
    if (same(a.config.contract, b.config.contract)) compare("contract's content", a.contract_hash, b.contract_hash);
    if (out.length === before && !isReport(b) && !same(a.inputs, b.inputs)) out.push({ place: b.name, key: "inputs", old: a.inputs, now: b.inputs });
  }
  function isTable(value) { return value !== null && typeof value === "object" && !Array.isArray(value); }
  function values(place, key, a, b, explain, out) {
    var below = function (name) { return key === "" ? name : key + "." + name; };
    if (a === undefined) a = null;
    if (b === undefined) b = null;
    if (a === null && b === null) return;
    if (a !== null && b !== null && explain(a, b)) return;
    if (isTable(a) && isTable(b)) {
      Object.keys(Object.assign({}, a, b)).sort().forEach(function (name) { values(place, below(name), a[name], b[name], explain, out); });
    } else if (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.concat(b).every(isTable)) {
      b.forEach(function (item, index) {
        values(place, below(typeof item.name === "string" ? item.name : String(index + 1)), a[index], item, explain, out);
      });
    } else {
      out.push({ place: place, key: key, old: a, now: b });
    }
  }

  // Stages of both runs whose figures may differ because of their code, setup or method.
  function methods(old, now, settings) {
    return now.nodes.filter(function (b) {
      var a = node(old, b.name);
      if (!a || isReport(b)) return false;
      return a.kind !== b.kind || a.code !== b.code || (a.method !== b.method && a.method && b.method) ||
        settings.some(function (setting) { return setting.place === b.name && setting.key !== "title" && setting.key !== "optional"; });
    }).map(function (b) { return b.name; });
  }
  function states(old, now) {
    return now.nodes.filter(function (b) {
      var was = state(old, b.name);
      return !isReport(b) && was !== "absent" && was !== b.state;
    }).map(function (b) { return { node: b.name, old: node(old, b.name), now: b }; });
  }

  return function (old, now) {
    var verdicts = effects(old, now), setup = config(old, now);
    return {
      figures: figures(old, now), effects: verdicts, findings: findings(old, now, verdicts), config: setup,
      methods: methods(old, now, setup.settings), states: states(old, now),
      records: Object.keys(Object.assign({}, old.records, now.records)).sort().map(function (name) {
        return { node: name, same: old.records[name] === now.records[name], compared: name in old.records && name in now.records };
      })
    };
  };
})();
