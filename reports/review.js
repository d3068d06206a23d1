"use strict";
const data = JSON.parse(document.getElementById("content").textContent);
const pictures = data.pictures, taxa = data.taxa, STORE = "review " + data.key;
const $ = (id) => document.getElementById(id);
const UNIDENTIFIED = "indet.", DROP = "drop";
const WHY = {
  verify: "part of the random sample from which the shares of the whole are estimated",
  suspect: "its label looks wrong", unsure: "the model is not sure", unknown: "unlike all training pictures",
  differs: "the model takes it for another taxon", range: "out of its taxon’s geological range",
};
const STATES = {
  "": "All", open: "To be checked", done: "Checked", right: "Right", changed: "Changed", dontknow: "Don’t know",
  dropped: "Dropped", verify: "Random sample", suspect: "Suspect label", unsure: "Not sure", unknown: "Unknown",
  range: "Out of range", differs: "Model differs",
};
const SIGNS = { open: "○", right: "✓", changed: "✎", dontknow: "?", dropped: "✗" };
const byLabel = new Map(taxa.map((taxon) => [taxon.label, taxon]));
for (const taxon of taxa) if (!byLabel.has(taxon.title)) byLabel.set(taxon.title, taxon);

// What was done: a word for each picture, notes, and the steps, so that each can be undone.
let work = { words: {}, notes: {}, steps: [] }, shown = [], current = -1, kept = true;

function load() {
  for (const picture of pictures) {
    if (picture.done !== null) work.words[picture.file] = picture.done;
    if (picture.note) work.notes[picture.file] = picture.note;
  }
  try {
    const stored = JSON.parse(localStorage.getItem(STORE));
    if (stored && stored.words && stored.notes && Array.isArray(stored.steps)) work = stored;
  } catch (error) { kept = false; }
}

function keep() {
  try { localStorage.setItem(STORE, JSON.stringify(work)); kept = true; } catch (error) { kept = false; }
  $("warning").hidden = kept;
  $("warning").textContent = kept ? "" : "This browser keeps nothing for this page: save before you close it.";
}

const wordOf = (picture) => work.words[picture.file];
function stateOf(picture) {
  const word = wordOf(picture);
  if (word === undefined) return "open";
  if (word === DROP) return "dropped";
  if (word === picture.label) return "right";
  return word === UNIDENTIFIED ? "dontknow" : "changed";
}
const stateText = (picture) => {
  const state = stateOf(picture);
  return SIGNS[state] + " " + (state === "changed" ? brief(wordOf(picture)) : state === "open" ? "to be checked" : STATES[state].toLowerCase());
};
const brief = (text) => (text.length > 160 ? text.slice(0, 100) + "…" + text.slice(-50) : text);
const percent = (share) => (100 * share).toFixed(share > 0.1 ? 0 : 1) + "\u00a0%";
const taxonOf = (picture) => byLabel.get(wordOf(picture) && wordOf(picture) !== DROP ? wordOf(picture) : picture.label);
const uri = (image) => (image ? "data:image/jpeg;base64," + image : "data:,");

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// The list: a line for each picture; thumbnails are decoded when they come into sight.
const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    entry.target.src = uri(pictures[entry.target.dataset.picture].image);
    sight.unobserve(entry.target);
  }
}, { root: null, rootMargin: "300px" });
const lines = pictures.map((picture, number) => {
  const line = element("li", "", { role: "option", id: "p" + number, "aria-selected": "false" });
  const image = element("img", "", { alt: "", "data-picture": number, width: 56, height: 56 });
  const text = element("div");
  text.append(element("span", "", { class: "state" }), element("span", brief(picture.file)), element("span", brief(picture.answer)));
  line.append(image, text);
  sight.observe(image);
  line.addEventListener("click", () => show(shown.indexOf(number), true));
  return line;
});
function paintLine(number) {
  const picture = pictures[number], text = stateText(picture);
  lines[number].querySelector(".state").textContent = text;
  lines[number].setAttribute("aria-label", `${brief(picture.file)}: ${brief(picture.answer)}, ${text.slice(2)}`);
}

function fits(picture) {
  const state = $("f-state").value, taxon = $("f-taxon").value, rank = $("f-rank").value, sample = $("f-sample").value;
  const its = taxonOf(picture), now = stateOf(picture);
  if (state && !(state === now || (state === "done" && now !== "open") || picture.flags.includes(state))) return false;
  if (taxon && !(its && (its.lineage === taxon || its.lineage.startsWith(taxon + " > ")))) return false;
  if (rank && !(its ? its.rank === rank : rank === "none")) return false;
  return !sample || picture.sample === sample.slice(1);
}
function filter() {
  const before = shown[current];
  shown = pictures.map((_, number) => number).filter((number) => fits(pictures[number]));
  $("list").replaceChildren(...shown.map((number) => lines[number]));
  $("shown").textContent = shown.length === pictures.length ? "" : `${shown.length} shown`;
  const place = shown.indexOf(before);
  show(place >= 0 ? place : shown.length ? 0 : -1, false);
}

function show(place, say) {
  if (current >= 0 && shown[current] !== undefined) lines[shown[current]].setAttribute("aria-selected", "false");
  for (const line of document.querySelectorAll("#list [aria-selected=true]")) line.setAttribute("aria-selected", "false");
  current = place;
  $("nothing").hidden = place >= 0;
  $("something").hidden = place < 0;
  closeFinder();
  if (place < 0) { $("list").removeAttribute("aria-activedescendant"); return; }
  const number = shown[place], picture = pictures[number], line = lines[number];
  line.setAttribute("aria-selected", "true");
  $("list").setAttribute("aria-activedescendant", line.id);
  const list = $("list"), box = list.getBoundingClientRect(), its = line.getBoundingClientRect();
  if (its.top < box.top || its.bottom > box.bottom) list.scrollTop += its.top - box.top - box.height / 3;
  $("large").src = uri(picture.image);
  $("large").alt = picture.image ? `${brief(picture.file)}, ${brief(picture.answer)}` : "It cannot be read any more";
  $("name").textContent = brief(picture.answer);
  $("about").textContent = brief(picture.file);
  $("why").textContent = picture.flags.length ? "Look: " + picture.flags.map((flag) => WHY[flag]).join("; ") + "." : "";
  $("note").value = work.notes[picture.file] || "";
  paintCandidates(picture);
  paintActs(picture);
  if (say) announce(`${place + 1} of ${shown.length}. ${brief(picture.file)}: ${brief(picture.answer)}. ${stateText(picture).slice(2)}`);
}
function paintCandidates(picture) {
  $("candidates").replaceChildren(...picture.candidates.map(([label, share, nearest], place) => {
    const taxon = taxa[data.classes[label]], item = element("li"), box = element("div", "", { class: "shown" });
    const button = element("button", "", { type: "button", "aria-pressed": String(wordOf(picture) === taxon.label) });
    const bar = element("span", "", { class: "share" });
    bar.style.width = 100 * share + "%";
    button.append(element("kbd", String(place + 1)), " ", element("bdi", brief(taxon.label)), ` ${percent(share)}`, bar);
    button.addEventListener("click", () => decide(taxon.label));
    for (const index of nearest) {
      const training = data.training[index];
      box.append(element("img", "", { src: uri(training.image), alt: `Training picture of ${brief(taxon.label)}: ${brief(training.file)}` }));
    }
    item.append(button, box);
    if (taxon.features) item.append(element("p", taxon.features, { class: "features" }));
    return item;
  }));
}
function paintActs(picture) {
  const state = stateOf(picture);
  for (const [id, its] of [["right", "right"], ["dontknow", "dontknow"], ["drop", "dropped"]])
    $(id).setAttribute("aria-pressed", String(state === its));
}
function paintProgress() {
  const done = pictures.filter((picture) => wordOf(picture) !== undefined).length;
  const drawn = pictures.filter((picture) => picture.flags.includes("verify"));
  const checked = drawn.filter((picture) => wordOf(picture) !== undefined).length;
  $("progress").value = done;
  $("done").textContent = `${done} of ${pictures.length} checked` + (drawn.length ? `, ${checked} of ${drawn.length} of the random sample` : "");
  $("undo").disabled = !work.steps.length;
}
function announce(text) { $("live").textContent = text; }

function decide(word) {
  if (current < 0) return;
  const number = shown[current], picture = pictures[number], before = wordOf(picture);
  work.steps.push([picture.file, before === undefined ? null : before]);
  work.words[picture.file] = word;
  keep();
  paintLine(number);
  paintProgress();
  const said = `${brief(picture.file)}: ${stateText(picture).slice(2)}.`;
  if (current + 1 < shown.length) show(current + 1, false); else show(current, false);
  const next = pictures[shown[current]];
  announce(`${said} ${$("done").textContent}. ${next === picture ? "This was the last." : `Next: ${brief(next.file)}, ${brief(next.answer)}`}`);
}
function undo() {
  const step = work.steps.pop();
  if (!step) return;
  const [file, before] = step, number = pictures.findIndex((picture) => picture.file === file);
  if (before === null) delete work.words[file]; else work.words[file] = before;
  keep();
  paintProgress();
  if (number < 0) return;
  paintLine(number);
  if (!shown.includes(number)) resetFilters();
  show(shown.indexOf(number), false);
  announce(`Undone: ${brief(file)} is ${stateText(pictures[number]).slice(2)}. ${$("done").textContent}`);
}

// A taxon by its name: beginnings of names before other places.
let found = [], chosen = -1;
const plain = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
function openFinder() {
  if (current < 0) return;
  $("finder").hidden = false;
  $("other").setAttribute("aria-expanded", "true");
  $("find").value = "";
  search();
  $("find").focus();
}
function closeFinder() {
  const inside = $("finder").contains(document.activeElement);
  $("finder").hidden = true;
  $("other").setAttribute("aria-expanded", "false");
  $("find").setAttribute("aria-expanded", "false");
  if (inside) $("list").focus({ preventScroll: true });
}
function search() {
  const asked = plain($("find").value.trim()), ranked = [];
  for (const taxon of taxa) {
    const name = plain(taxon.label), place = name.indexOf(asked);
    const score = place === 0 ? 0 : place > 0 && name[place - 1] === " " ? 1 : place > 0 ? 2 : plain(taxon.lineage).includes(asked) ? 3 : 4;
    if (score < 4) ranked.push([score, taxon]);
  }
  ranked.sort((a, b) => a[0] - b[0]);
  found = ranked.slice(0, 60).map((each) => each[1]);
  $("found").replaceChildren(...found.map((taxon, place) => {
    const item = element("li", brief(taxon.label), { role: "option", id: "t" + place, "aria-selected": "false" });
    item.append(element("small", `${taxon.rank} · ${brief(taxon.lineage)}`));
    item.addEventListener("click", () => take(place));
    return item;
  }));
  $("find").setAttribute("aria-expanded", String(found.length > 0));
  choose(found.length ? 0 : -1);
  if (!found.length) announce("No taxon of this name");
}
function choose(place) {
  chosen = place;
  [...$("found").children].forEach((item, index) => item.setAttribute("aria-selected", String(index === place)));
  if (place < 0) { $("find").removeAttribute("aria-activedescendant"); return; }
  $("find").setAttribute("aria-activedescendant", "t" + place);
  $("found").children[place].scrollIntoView({ block: "nearest" });
}
function take(place) {
  if (place < 0 || !found[place]) return;
  const label = found[place].label;
  closeFinder();
  decide(label);
}
$("find").addEventListener("input", search);
$("find").addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(Math.min(chosen + 1, found.length - 1));
  else if (event.key === "ArrowUp") choose(Math.max(chosen - 1, 0));
  else if (event.key === "Enter") take(chosen);
  else if (event.key === "Escape") closeFinder();
  else return;
  event.preventDefault();
  event.stopPropagation();
});

// corrections.csv, as both scripts read it; text that a spreadsheet takes for a formula gets an apostrophe before it.
function cell(text) {
  text = String(text).replace(/[\r\n\t]+/g, " ");
  if (/^'*\s*([=+\-@＝＋－＠|%].|[\d.,]{16,}$|\d+([.,]\d*)?[eE][+-]?\d+$)/.test(text) && !/^-?\d+\.?\d*$/.test(text)) text = "'" + text;
  return /[",;]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}
function table() {
  const columns = ["file", "label", "note", "lineage"].concat(data.of_samples ? ["sample"] : []), rows = [columns];
  for (const picture of pictures) {
    const word = wordOf(picture);
    if (word === undefined) continue;
    const taxon = byLabel.get(word);
    const row = [picture.file, word, work.notes[picture.file] || "", taxon ? taxon.lineage : ""];
    rows.push(data.of_samples ? row.concat([picture.sample]) : row);
  }
  return "\ufeff" + rows.map((row) => row.map(cell).join(",") + "\n").join("");
}
function save() {
  const link = element("a", "", { download: "corrections.csv" });
  link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv;charset=utf-8" }));
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  announce(`corrections.csv is saved. ${$("done").textContent}`);
}

// Filters.
function options(select, entries) { select.replaceChildren(...entries.map(([value, text]) => new Option(text, value))); }
function resetFilters() { for (const id of ["f-state", "f-taxon", "f-rank", "f-sample"]) $(id).value = ""; filter(); }
function fillFilters() {
  const has = (state) => ["", "open", "done", "right", "changed", "dontknow", "dropped"].includes(state) || pictures.some((picture) => picture.flags.includes(state));
  options($("f-state"), Object.entries(STATES).filter(([state]) => has(state)));
  const named = pictures.map((picture) => byLabel.get(picture.label)).filter(Boolean).map((taxon) => taxon.lineage);
  const used = taxa.filter((taxon) => named.some((lineage) => lineage === taxon.lineage || lineage.startsWith(taxon.lineage + " > ")));
  const indent = (taxon) => "\u00a0\u00a0".repeat(taxon.lineage.split(" > ").length - 1);
  options($("f-taxon"), [["", "All"]].concat(used.map((taxon) => [taxon.lineage, indent(taxon) + brief(taxon.label)])));
  const ranks = [...new Set(taxa.map((taxon) => taxon.rank))];
  options($("f-rank"), [["", "All"]].concat(ranks.map((rank) => [rank, rank]), [["none", "unknown or indet."]]));
  const samples = [...new Set(pictures.map((picture) => picture.sample))].sort();
  options($("f-sample"), [["", "All"]].concat(samples.map((sample) => ["=" + sample, brief(sample)])));
}
for (const id of ["f-state", "f-taxon", "f-rank", "f-sample"]) $(id).addEventListener("change", filter);
$("f-none").addEventListener("click", resetFilters);

$("right").addEventListener("click", () => current >= 0 && decide(pictures[shown[current]].label));
$("dontknow").addEventListener("click", () => decide(UNIDENTIFIED));
$("drop").addEventListener("click", () => decide(DROP));
$("other").addEventListener("click", () => ($("finder").hidden ? openFinder() : closeFinder()));
$("undo").addEventListener("click", undo);
$("save").addEventListener("click", save);
const move = (step) => { const place = current + step; if (place >= 0 && place < shown.length) show(place, true); };
$("previous").addEventListener("click", () => move(-1));
$("next").addEventListener("click", () => move(1));
$("note").addEventListener("input", () => { if (current >= 0) { work.notes[pictures[shown[current]].file] = $("note").value; keep(); } });
document.addEventListener("keydown", (event) => {
  const at = event.target, typing = /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName);
  if (event.ctrlKey && event.key === "z" && !typing) { undo(); event.preventDefault(); return; }
  if (event.ctrlKey || event.altKey || event.metaKey || (typing && at.type !== "checkbox")) return;
  const pressable = /^(BUTTON|A|SUMMARY)$/.test(at.tagName) || at.type === "checkbox";
  if (event.key === "ArrowRight" || (at === $("list") && event.key === "ArrowDown")) move(1);
  else if (event.key === "ArrowLeft" || (at === $("list") && event.key === "ArrowUp")) move(-1);
  else if (at === $("list") && event.key === "Home") show(shown.length ? 0 : -1, true);
  else if (at === $("list") && event.key === "End") show(shown.length - 1, true);
  else if (event.key === "Enter" && !pressable) $("right").click();
  else if (!$("keys").checked) return;
  else if (event.key === "y") $("right").click();
  else if (/^[1-5]$/.test(event.key)) { const button = $("candidates").querySelectorAll("button")[event.key - 1]; if (button) button.click(); }
  else if (event.key === "t" || event.key === "/") openFinder();
  else if (event.key === "n") decide(UNIDENTIFIED);
  else if (event.key === "d") decide(DROP);
  else if (event.key === "z") undo();
  else if (event.key === "s") save();
  else return;
  event.preventDefault();
});

load();
keep();
pictures.forEach((_, number) => paintLine(number));
fillFilters();
$("filter-box").open = innerWidth > 640;
paintProgress();
filter();
const first = shown.findIndex((number) => wordOf(pictures[number]) === undefined);
show(shown.length ? Math.max(first, 0) : -1, true);
$("list").focus({ preventScroll: true });
