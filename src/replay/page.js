"use strict";
/*
 * The pages' common part: elements, words, asking the orchestrator, and the clock that asks again.
 *
 * Text is set as text, never as markup.  The token lives in sessionStorage: it is gone with the tab,
 * and no other site's page can send it.  A hidden tab asks nothing.
 */

const TOKEN_KEY = "nodeswarm-replay-token";
const EVERY_MS = 2000, EVERY_MAX_MS = 15000, TIMEOUT_MS = 20000;

const byId = (id) => document.getElementById(id);

/* --- elements --------------------------------------------------------------------------- */

function el(tag, attributes, ...children) {
	const e = document.createElement(tag);
	for (const [k, v] of Object.entries(attributes || {})) {
		if (k === "on")
			for (const [event, fn] of Object.entries(v))
				e.addEventListener(event, fn);
		else if (v !== null && v !== undefined && v !== false)
			e.setAttribute(k, v === true ? "" : v);
	}
	for (const c of children)
		if (c !== null && c !== undefined)
			e.append(c);
	return e;
}
/* Only what changes is touched: a selection, the focus and the scroll position stay. */
function setText(e, text) {
	if (e.textContent !== text)
		e.textContent = text;
}

/*
 * A table that is kept up to date: columns of { head, num, text, of }, where of(item) gives a text,
 * or { text, href, cls, title, part (0 to 1, a small bar), act (a button's function), off }.
 */
class Table {
	constructor(caption, columns, empty) {
		this.columns = columns;
		this.rows = new Map();
		this.body = el("tbody");
		this.table = el("table", { "aria-label": caption },
			el("thead", {}, el("tr", {}, ...columns.map((c) =>
				el("th", { scope: "col", class: c.num ? "num" : null }, c.head)))),
			this.body);
		this.empty = el("p", { class: "hint" }, empty || "");
		this.box = el("div", { class: "box scroll" }, this.table);
		this.element = el("div", {}, this.box, this.empty);
	}
	cell(td, column, item, row) {
		const raw = column.of(item);
		const c = raw !== null && typeof raw === "object" ? raw : { text: raw };
		const text = c.text === null || c.text === undefined || c.text === "" ? "-" : String(c.text);
		const now = JSON.stringify([text, c.href, c.cls, c.title, c.part, !!c.act, !!c.off]);
		if (td.dataset.now === now)
			return;
		td.dataset.now = now;
		td.className = [column.num ? "num" : "", column.text ? "text" : "", c.cls || ""].join(" ").trim();
		td.title = c.title || "";
		const track = c.part === undefined ? null
			: el("span", { class: "track" }, el("b", { style: "width:" + (100 * c.part).toFixed(1) + "%" }));
		if (c.act)
			td.replaceChildren(el("button", { type: "button", class: c.cls, disabled: c.off,
				on: { click: () => c.act(row.item) } }, text));
		else if (c.href)
			td.replaceChildren(el("a", { href: c.href }, text));
		else
			td.replaceChildren(...(track ? [track, text] : [text]));
	}
	set(items, keyOf) {
		const seen = new Set();
		let at = this.body.firstChild;
		for (const item of items) {
			const key = keyOf(item);
			let row = this.rows.get(key);
			if (!row) {
				row = { tr: el("tr", {}, ...this.columns.map(() => el("td"))) };
				this.rows.set(key, row);
			}
			row.item = item;
			seen.add(key);
			this.columns.forEach((c, i) => this.cell(row.tr.children[i], c, item, row));
			if (row.tr === at)
				at = at.nextSibling;
			else
				this.body.insertBefore(row.tr, at);
		}
		for (const [key, row] of this.rows)
			if (!seen.has(key)) {
				row.tr.remove();
				this.rows.delete(key);
			}
		this.box.hidden = items.length === 0;
		this.empty.hidden = items.length !== 0 || !this.empty.textContent;
	}
}

/* --- words ------------------------------------------------------------------------------ */

const number = new Intl.NumberFormat("en");
const count = (v) => (v === null || v === undefined ? "-" : number.format(v));
const plural = (n, word) => count(n) + " " + word + (n === 1 ? "" : "s");

const compact = (v) => (v === null || v === undefined ? "-" : v >= 1e6 ? (v / 1e6).toFixed(v < 1e7 ? 2 : 1) + "M"
	: v >= 1e4 ? Math.round(v / 1e3) + "k" : count(v));

/* Never 100 % before all of it, never 0 % after the first. */
function percent(part, whole) {
	if (!whole)
		return "-";
	if (part >= whole)
		return "100\u00a0%";
	const v = 100 * part / whole;
	return (v > 99.9 ? "99.9" : v > 0 && v < 0.1 ? "0.1" : v.toFixed(1)) + "\u00a0%";
}
function duration(s) {
	if (s === null || s === undefined || !isFinite(s))
		return "-";
	if (s < 1)
		return Math.round(s * 1000) + "\u00a0ms";
	if (s < 9.95)
		return s.toFixed(1) + "\u00a0s";
	const t = Math.round(s), m = Math.floor(t / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
	const two = (a, x, b, y) => a + "\u00a0" + x + (b ? " " + b + "\u00a0" + y : "");
	return d ? two(d, "d", h % 24, "h") : h ? two(h, "h", m % 60, "min") : m ? two(m, "min", t % 60, "s") : t + "\u00a0s";
}
const short = (hash) => (hash ? hash.slice(0, 8) + "…" + hash.slice(-4) : "-");

/* The states that a slice is shown in, in the order of the bar; mark: not by colour alone. */
const STATES = [
	{ key: "verified", name: "verified", mark: "✓" },
	{ key: "unverified", name: "unverified", mark: "?", hint: "complete, and nobody knows yet what its end hash should be" },
	{ key: "mismatch", name: "hash mismatch", mark: "≠" },
	{ key: "failed", name: "failed", mark: "✗" },
	{ key: "working", name: "working", mark: "▸" },
	{ key: "loading", name: "starting", mark: "↓", hint: "claimed: fetching and loading its snapshot" },
	{ key: "waiting", name: "waiting", mark: "·" },
];
const stateNames = Object.fromEntries(STATES.map((s) => [s.key, s.name]));
const OPEN = ["STARTED", "LOADING_SNAPSHOT", "WORKING"];
const BAD = ["ERROR", "TIMEOUT", "HASH_MISMATCH"];

function stateOf(job) {
	switch (job.status) {
	case "COMPLETE":
		return job.verdict === "verified" ? "verified" : job.verdict === "mismatch" ? "mismatch" : "unverified";
	case "HASH_MISMATCH":
		return "mismatch";
	case "ERROR":
	case "TIMEOUT":
		return "failed";
	case "WORKING":
		return "working";
	case "STARTED":
	case "LOADING_SNAPSHOT":
		return "loading";
	default:
		return "waiting";
	}
}
/* How many of each, of /v1/run. */
function stateCounts(run) {
	const t = run.totals || {}, s = t.by_status || {};
	return {
		verified: t.verified || 0,
		unverified: t.unverified || 0,
		mismatch: t.mismatched || 0,
		failed: (s.ERROR || 0) + (s.TIMEOUT || 0),
		working: s.WORKING || 0,
		loading: (s.STARTED || 0) + (s.LOADING_SNAPSHOT || 0),
		waiting: s.WAITING_4_WORKER || 0,
	};
}
/* Of its blocks, 0 to 1. */
function partOf(job) {
	const all = job.end_block_num - job.start_block_num;
	const done = (job.last_block_processed || 0) - job.start_block_num;
	return all > 0 ? Math.min(1, Math.max(0, done / all)) : 0;
}
const rangeOf = (job) => count(job.start_block_num) + " to " + count(job.end_block_num);

/* --- where we are ----------------------------------------------------------------------- */

const here = location.pathname.replace(/\/+$/, "");
const base = here.slice(0, here.lastIndexOf("/"));
const view = here.slice(here.lastIndexOf("/") + 1);
const query = new URLSearchParams(location.search);
const detailUrl = (job) => base + "/detail?job=" + job.job_id;

/* --- asking ----------------------------------------------------------------------------- */

class Trouble extends Error {
	constructor(status, message, hint) {
		super(message);
		this.status = status;
		this.hint = hint;
	}
}
function readToken() {
	try {
		return sessionStorage.getItem(TOKEN_KEY);
	} catch {
		return null;
	}
}
async function call(method, path, body) {
	const headers = { Accept: "application/json" };
	const token = readToken();
	let reply, text;
	if (token)
		headers.Authorization = "Bearer " + token;
	if (body !== undefined)
		headers["Content-Type"] = "application/json";
	try {
		reply = await fetch(base + path, {
			method, headers, body: body === undefined ? undefined : JSON.stringify(body),
			cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(TIMEOUT_MS),
		});
		text = await reply.text();
	} catch {
		throw new Trouble(0, "no answer from " + location.host);
	}
	let json = null;
	try {
		json = JSON.parse(text);
	} catch {
		/* Something between us and it may answer in HTML. */
	}
	if (!reply.ok) {
		const e = json && json.error || {};
		throw new Trouble(reply.status, e.message || reply.status + " " + reply.statusText, e.hint);
	}
	if (json === null)
		throw new Trouble(reply.status, path + ": the answer is not JSON");
	return json;
}
const ask = (path) => call("GET", path);
const jobsOf = async (status) => (await ask("/v1/jobs?status=" + status)).jobs || [];

/* --- the frame -------------------------------------------------------------------------- */

const pages = [["progress", "Progress"], ["grid", "Grid"], ["control", "Control"]];

function showTrouble(t) {
	const e = byId("trouble");
	e.hidden = !t;
	if (t)
		setText(e, t.hint ? t.message + " – " + t.hint : t.message);
}
function wantToken(t) {
	const form = byId("token");
	const why = !t ? "" : t.status === 401 ? (readToken() ? "The token is not known here. Another:" : "A token, to read:")
		: "This token may not do that. Another:";
	form.hidden = !t;
	setText(byId("token-why"), why);
	byId("forget").hidden = !readToken();
}
/* Does it, tells what went wrong, and looks again at once. */
async function act(fn) {
	try {
		await fn();
		showTrouble(null);
	} catch (t) {
		if (t.status === 401 || t.status === 403)
			wantToken(t);
		showTrouble(t);
	}
	poke();
}
function setTitle(title, what) {
	setText(byId("title"), title);
	if (what !== undefined)
		setText(byId("what"), what);
	document.title = title + " – nodeswarm replay";
}
function frame() {
	byId("nav").append(...pages.map(([path, name]) =>
		el("a", { href: base + "/" + path, "aria-current": path === view ? "page" : null }, name)));
	byId("token").addEventListener("submit", (event) => {
		event.preventDefault();
		try {
			sessionStorage.setItem(TOKEN_KEY, byId("token-text").value.trim());
		} catch {
			showTrouble(new Trouble(0, "this browser keeps no session data, so no token"));
		}
		byId("token-text").value = "";
		showTrouble(null);
		wantToken(null);
		poke();
	});
	byId("forget").addEventListener("click", () => {
		sessionStorage.removeItem(TOKEN_KEY);
		byId("forget").hidden = true;
		poke();
	});
	byId("forget").hidden = !readToken();
}

/* --- the clock -------------------------------------------------------------------------- */

let poke = () => {};
const sleep = (ms) => new Promise((done) => {
	const timer = setTimeout(done, ms);
	poke = () => {
		clearTimeout(timer);
		done();
	};
});

/* tick() asks and draws.  What takes long is asked seldom; who does not answer, too. */
async function run(tick) {
	let lost = 0, heard = null;
	document.addEventListener("visibilitychange", () => poke());
	byId("main").hidden = true;
	for (;;) {
		const begin = performance.now();
		let wait = EVERY_MS;
		if (!document.hidden) {
			try {
				await tick();
				byId("main").hidden = false;
				if (lost > 0) {
					showTrouble(null);
					wantToken(null);
				}
				lost = 0;
				heard = new Date();
				byId("live").className = "";
				setText(byId("live"), "live, " + heard.toLocaleTimeString());
			} catch (t) {
				if (!(t instanceof Trouble))
					console.error(t);
				lost++;
				byId("live").className = "lost";
				setText(byId("live"), heard ? "as of " + heard.toLocaleTimeString() : "nothing heard yet");
				if (t.status === 401 || t.status === 403)
					wantToken(t);
				else
					showTrouble(t);
				wait = Math.min(EVERY_MAX_MS, EVERY_MS * lost);
			}
		}
		await sleep(Math.max(wait, 10 * (performance.now() - begin)));
	}
}
