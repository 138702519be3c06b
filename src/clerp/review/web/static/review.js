// Keys, decisions, suggestions. All text goes in by textContent; the server escapes its own.

const DRAFT = "clerp-draft";
const SAVED = "clerp-saved";
const SUGGEST_AFTER_MS = 120;
const BUSY = 503;
const ATTEMPTS = 12;

const find = (selector) => document.querySelector(selector);
const findAll = (selector) => [...document.querySelectorAll(selector)];
const page = JSON.parse(find("#page-data")?.textContent ?? "null");
const csrf = find('meta[name="csrf-token"]').content;
const label = find("#label");
const comment = find("#comment");
let isSending = false;

// ---- messages

function tell(text, isBad = false) {
  const status = find("#status");
  status.classList.toggle("bad", isBad);
  status.textContent = text;
}

function tellSaved() {
  const saved = sessionStorage.getItem(SAVED);
  sessionStorage.removeItem(SAVED);
  if (saved) tell(saved);
}

// ---- what goes to the server

async function post(address, body) {
  if (isSending) return;
  isSending = true;
  try {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrf-token": csrf },
      body: JSON.stringify(body),
    });
    // After an answer the next page is loading, and keys meant for it must not act on this one.
    isSending = answer.ok;
    return { status: answer.status, said: await answer.json() };
  } catch {
    isSending = false;
    tell("No answer, and nothing is known to be saved: does clerp review still run?", true);
  }
}

// The server waits some seconds each time; nothing is written when it then says that it is busy.
async function postPatiently(address, body) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await post(address, body);
    if (answer?.status !== BUSY || attempt === ATTEMPTS) return answer;
    tell("Not saved yet: somebody else writes to the ledger. Trying again …", true);
  }
}

function pickRole() {
  return find('[data-role][aria-pressed="true"]')?.dataset.role ?? "";
}

function describe(act, text, role) {
  const done = { accept: "accepted", edit: "named", reject: "no name fits", role, skip: "skipped",
    flag: "flagged", comment: "comment saved" }[act];
  return [`${page.feature}:`, done, act === "accept" || act === "edit" ? text : ""].join(" ").trim();
}

async function decide(act, { role = pickRole() } = {}) {
  const typed = label?.value.trim() ?? "";
  if (act === "edit" && typed && typed === page.proposed) act = "accept";
  const text = act === "accept" ? page.proposed : act === "edit" ? typed : "";
  const answer = await postPatiently(`/item/${page.item}/decision`, {
    act, seen: page.seen, label: text, role,
    comment: comment.value.trim(), seconds: watch.read(),
    saw_proposal: page.saw_proposal, saw_others: page.saw_others,
  });
  if (!answer) return;
  if (answer.status === 409) return showConflict(answer.said);
  if (answer.status !== 200) return tell(answer.said.error, true);
  if (act === "flag" || act === "comment") keepDraft({ comment: "" });
  // What is kept may be written otherwise than it was typed.
  sessionStorage.setItem(SAVED, `Saved. ${describe(act, answer.said.label, role)}`);
  location.assign(answer.said.next);
}

async function take(what) {
  const answer = await postPatiently(`/${what}`, {});
  if (!answer) return;
  if (answer.status !== 200) return tell(answer.said.error, true);
  if (!answer.said.next) {
    isSending = false;
    return tell(`There is nothing to ${what}`);
  }
  sessionStorage.setItem(SAVED, what === "undo" ? "Undone" : "Done again");
  location.assign(answer.said.next);
}

// ---- conflicts: what was typed outlives the page

function keepDraft(changed) {
  const now = { label: label?.value ?? "", comment: comment.value, role: pickRole() };
  sessionStorage.setItem(DRAFT, JSON.stringify({ item: page.item, ...now, ...changed }));
}

function restoreDraft() {
  const draft = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null");
  sessionStorage.removeItem(DRAFT);
  if (draft?.item !== page.item) return;
  if (label) label.value = draft.label;
  comment.value = draft.comment;
  if (draft.role) pressRole(draft.role);
}

function showConflict({ conflict, url }) {
  const box = find("#conflict");
  box.hidden = false;
  box.querySelector("p").textContent = conflict;
  find("#take-theirs").onclick = () => location.assign(url);
  find("#decide-anyway").onclick = () => {
    keepDraft({});
    location.assign(url);
  };
  find("#take-theirs").focus();
}

// ---- how long the feature was looked at

const watch = {
  seen: 0,
  since: document.hidden ? null : performance.now(),
  turn() {
    if (this.since !== null) this.seen += performance.now() - this.since;
    this.since = document.hidden ? null : performance.now();
  },
  read() {
    this.turn();
    return Math.round(this.seen) / 1000;
  },
};

// ---- roles

function pressRole(role) {
  for (const button of findAll("[data-role]")) {
    const isIt = button.dataset.role === role && button.ariaPressed !== "true";
    button.ariaPressed = String(isIt);
  }
}

// ---- suggestions

const suggestions = {
  list: find("#suggestions"),
  timer: 0,
  asked: 0,
  chosen: -1,

  ask() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetch(), SUGGEST_AFTER_MS);
  },

  async fetch() {
    const asked = ++this.asked;
    if (!label.value.trim()) return this.close();
    const query = new URLSearchParams({ typed: label.value });
    const answer = await fetch(`/suggest?${query}`).catch(() => null);
    if (!answer?.ok) return;
    const { labels } = await answer.json();
    const isLate = asked !== this.asked || document.activeElement !== label;
    if (!isLate) this.show(labels);
  },

  show(labels) {
    this.chosen = -1;
    this.list.replaceChildren(...labels.map((text, i) => this.draw(text, i)));
    this.list.hidden = labels.length === 0;
    label.ariaExpanded = String(labels.length > 0);
    label.removeAttribute("aria-activedescendant");
  },

  draw(text, i) {
    const option = document.createElement("li");
    option.id = `suggestion-${i}`;
    option.role = "option";
    option.ariaSelected = "false";
    option.textContent = text;
    option.onmousedown = (event) => {
      event.preventDefault();
      this.fill(text);
    };
    return option;
  },

  move(step) {
    const options = [...this.list.children];
    if (this.list.hidden || !options.length) return;
    const n = options.length;
    this.chosen = this.chosen < 0 ? (step > 0 ? 0 : n - 1) : (this.chosen + step + n) % n;
    options.forEach((option, i) => (option.ariaSelected = String(i === this.chosen)));
    options[this.chosen].scrollIntoView({ block: "nearest" });
    label.setAttribute("aria-activedescendant", options[this.chosen].id);
  },

  takeChosen() {
    if (this.list.hidden || this.chosen < 0) return false;
    this.fill(this.list.children[this.chosen].textContent);
    return true;
  },

  fill(text) {
    label.value = text;
    this.close();
  },

  close() {
    clearTimeout(this.timer);
    this.asked += 1;
    this.show([]);
  },
};

function onLabelKey(event) {
  if (event.isComposing) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    suggestions.move(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter") {
    event.preventDefault();
    if (!suggestions.takeChosen()) decide("edit");
  } else if (event.key === "Escape") {
    if (suggestions.list.hidden) label.blur();
    else suggestions.close();
  }
}

function onCommentKey(event) {
  if (event.isComposing) return;
  if (event.key === "Enter") decide("comment");
  else if (event.key === "Escape") comment.blur();
}

// ---- examples and panels

function openRow(button, isOpen) {
  button.ariaExpanded = String(isOpen);
  button.parentElement.classList.toggle("whole", isOpen);
}

function openAll(button) {
  const isOpen = button.ariaPressed !== "true";
  button.ariaPressed = String(isOpen);
  for (const each of findAll("button.open")) openRow(each, isOpen);
}

function toggleSide() {
  const isHidden = document.body.classList.toggle("no-side");
  localStorage.setItem("clerp-side", isHidden ? "hidden" : "shown");
}

function toggleTheme() {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const root = document.documentElement;
  const now = root.dataset.theme ?? (isDark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("clerp-theme", root.dataset.theme);
}

function toggleDialog(id) {
  const dialog = document.getElementById(id);
  if (dialog.open) return dialog.close();
  for (const other of findAll("dialog[open]")) other.close();
  dialog.showModal();
}

// ---- keys: each presses what wears it

function onKey(event) {
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
  const isModified = event.ctrlKey || event.metaKey || event.altKey;
  if (isTyping || isModified || event.isComposing || event.repeat || event.defaultPrevented) return;
  const opened = find("dialog[open]");
  if (opened) return press(event, find(`[data-opens="${opened.id}"]`));
  if (event.key === "h") return find("#side") && press(event, null, toggleSide);
  const isOnControl = event.target.closest?.("a, button, summary");
  const key = event.key === "Enter" && !isOnControl ? "e" : event.key;
  const wearer = findAll("[aria-keyshortcuts]").find((e) => e.ariaKeyShortcuts === key);
  if (wearer) press(event, wearer, null, key);
}

function press(event, wearer, act = null, key = event.key) {
  if (act === null && wearer?.getAttribute("aria-keyshortcuts") !== key) return;
  event.preventDefault();
  if (act) act();
  else if (wearer.matches("input")) wearer.select();
  else wearer.click();
}

// ---- wiring

function onClick(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const { act, takes, role, opens, closes } = button.dataset;
  if (act) decide(act);
  else if (takes) take(takes);
  else if (role && page.task === "roles") decide("role", { role });
  else if (role) pressRole(role);
  else if (opens) toggleDialog(opens);
  else if (closes) document.getElementById(closes).close();
  else if (button.matches(".open")) openRow(button, button.ariaExpanded !== "true");
  else if (button.id === "open-all") openAll(button);
  else if (button.id === "theme") toggleTheme();
}

function start() {
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", () => watch.turn());
  // A page from the history of the browser shows what was true then.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  tellSaved();
  if (!page) return;
  document.body.classList.toggle("no-side", localStorage.getItem("clerp-side") === "hidden");
  comment.addEventListener("keydown", onCommentKey);
  label?.addEventListener("keydown", onLabelKey);
  label?.addEventListener("input", () => suggestions.ask());
  label?.addEventListener("blur", () => suggestions.close());
  restoreDraft();
}

start();
