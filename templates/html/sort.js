// Makes the columns of tables sortable. Without scripts, tables have the order of the report.
(function () {
  "use strict";
  var SECONDS = { ms: 0.001, s: 1, min: 60, h: 3600, d: 86400 };
  // The number that a text starts with; durations of several parts are added. NaN for other texts.
  function number(text) {
    var plain = text.replace(/[\u00a0\u202f\s]+/g, " ").replace(/\u2212/g, "-").replace(/(\d) (?=\d{3}(\D|$))/g, "$1").trim();
    if (!/^[<>+-]? ?\d/.test(plain)) return NaN;
    var parts = plain.match(/\d+(\.\d+)? ?(ms|s|min|h|d)(?![a-z])/g);
    if (parts && parts.join(" ") === plain.replace(/^[<>+-] ?/, "")) {
      var sum = parts.reduce(function (sum, part) { return sum + parseFloat(part) * SECONDS[part.match(/[a-z]+$/)[0]]; }, 0);
      return plain[0] === "-" ? -sum : sum;
    }
    return parseFloat(plain.replace(/^[<>+] ?/, ""));
  }
  function text(row, column) {
    var cell = row.cells[column];
    var note = cell && cell.querySelector(".under");
    var whole = cell ? cell.textContent : "";
    return (note ? whole.slice(0, whole.length - note.textContent.length) : whole).trim();
  }
  function sort(table, column, down) {
    var body = table.tBodies[0], rows = Array.from(body.rows);
    var texts = rows.map(function (row) { return text(row, column); });
    var numbers = texts.map(number);
    var isNumeric = texts.every(function (text, index) { return text === "" || text === "–" || !isNaN(numbers[index]); });
    var order = rows.map(function (row, index) { return index; });
    order.sort(function (a, b) {
      if (isNumeric) {
        // Missing values are last in both directions.
        if (isNaN(numbers[a]) || isNaN(numbers[b])) return isNaN(numbers[a]) - isNaN(numbers[b]) || a - b;
        return (down ? numbers[b] - numbers[a] : numbers[a] - numbers[b]) || a - b;
      }
      return texts[a].localeCompare(texts[b]) * (down ? -1 : 1) || a - b;
    });
    order.forEach(function (index) { body.appendChild(rows[index]); });
  }
  Array.from(document.querySelectorAll("table")).forEach(function (table) {
    var head = table.tHead && table.tHead.rows[0];
    if (!head || !table.tBodies[0] || table.tBodies[0].rows.length < 2) return;
    Array.from(head.cells).forEach(function (cell, column) {
      if (cell.textContent.trim() === "") return;
      var button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      while (cell.firstChild) button.appendChild(cell.firstChild);
      cell.appendChild(button);
      button.addEventListener("click", function () {
        var down = cell.getAttribute("aria-sort") === "ascending";
        Array.from(head.cells).forEach(function (other) { other.removeAttribute("aria-sort"); });
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, column, down);
      });
    });
  });
})();
