/* --- what several views have --------------------------------------------------------------- */

/* The bar of all slices, and its legend; choose(key) makes the legend's keys buttons. */
class Bar {
	constructor(choose) {
		this.parts = {};
		this.keys = {};
		this.bar = el("div", { class: "bar", role: "img" });
		this.legend = el("div", { class: "legend" });
		for (const s of STATES) {
			if (s.key !== "waiting") {
				this.parts[s.key] = el("span", { class: "s-" + s.key, hidden: true });
				this.bar.append(this.parts[s.key]);
			}
			const text = el("span");
			const mark = el("i", { class: "s-" + s.key, "aria-hidden": "true" }, s.mark);
			const key = choose
				? el("button", { type: "button", class: "key small", "aria-pressed": "false", title: s.hint,
					on: { click: () => choose(s.key) } }, mark, text)
				: el("span", { class: "key", title: s.hint }, mark, text);
			this.keys[s.key] = { key, text };
			this.legend.append(key);
		}
	}
	set(counts) {
		const all = Object.values(counts).reduce((a, b) => a + b, 0);
		const said = [];
		for (const s of STATES) {
			const n = counts[s.key];
			setText(this.keys[s.key].text, s.name + " " + count(n));
			this.keys[s.key].key.hidden = n === 0 && (s.key === "mismatch" || s.key === "failed" || s.key === "unverified");
			if (n)
				said.push(count(n) + " " + s.name);
			if (this.parts[s.key]) {
				this.parts[s.key].hidden = n === 0;
				this.parts[s.key].style.width = (all ? 100 * n / all : 0) + "%";
			}
		}
		this.bar.setAttribute("aria-label", "Slices: " + said.join(", "));
	}
	press(chosen) {
		for (const [k, { key }] of Object.entries(this.keys))
			key.setAttribute("aria-pressed", String(k === chosen));
	}
}

class Figures {
	constructor() {
		this.element = el("section", { class: "figures", "aria-label": "Key figures" });
		this.all = new Map();
	}
	set(name, value, sub, isBad) {
		let f = this.all.get(name);
		if (!f) {
			f = { value: el("div", { class: "value" }), sub: el("div", { class: "sub" }) };
			f.box = el("div", { class: "figure" }, el("div", { class: "name" }, name), f.value, f.sub);
			this.all.set(name, f);
			this.element.append(f.box);
		}
		setText(f.value, value);
		f.value.classList.toggle("long", value.length > 8);
		setText(f.sub, sub || "");
		f.box.classList.toggle("bad", !!isBad);
	}
}

function section(title, ...children) {
	const s = el("section", {}, el("h2", {}, title), ...children);
	byId("main").append(s);
	return s;
}

/* The run in one line. */
function headline(run) {
	const t = run.totals || {}, c = stateCounts(run);
	const bad = c.failed + c.mismatch;
	if (run.done)
		return bad ? plural(bad, "slice") + " failed" : c.unverified > 1 ? "Done, " + plural(c.unverified, "slice") + " unverified"
			: c.unverified ? "Done: all verified but the last, whose end nobody knows" : "Done: all slices verified";
	if (run.mode === "paused")
		return "Paused";
	if (run.mode === "draining")
		return "Draining: no new slices";
	if (!t.claimed)
		return "Waiting for workers";
	return plural(t.claimed, "slice") + " in work";
}
function subline(run) {
	const t = run.totals || {}, c = stateCounts(run);
	const over = c.verified + c.unverified + c.mismatch + c.failed;
	const words = [count(over) + " of " + plural(t.jobs || 0, "slice") + " over"];
	if (!run.done && run.eta_seconds)
		words.push("about " + duration(run.eta_seconds) + " to go");
	return words.join(", ");
}

const jobColumn = { head: "Slice", of: (j) => ({ text: j.replay_slice_id, href: detailUrl(j) }) };
const rangeColumn = { head: "Blocks", num: true, of: rangeOf };
const statusColumn = { head: "Status", of: (j) => ({ text: stateNames[stateOf(j)], title: j.status }) };
const partColumn = { head: "Done", of: (j) => ({ text: percent(partOf(j), 1), part: partOf(j) }) };
const workerColumn = { head: "Worker", of: (j) => j.worker };
const triesColumn = { head: "Tries", num: true, of: (j) => ({ text: count(j.tries),
	title: j.losses ? plural(j.losses, "worker") + " lost" : "", cls: j.tries > 1 ? "bad-text" : "" }) };
const whyOf = (j) => (stateOf(j) === "mismatch"
	? "ends with " + short(j.actual_integrity_hash) + ", expected " + short(j.expected_integrity_hash) : j.error);
const whyColumn = { head: "Why", text: true, of: whyOf };
const byRange = (a, b) => a.start_block_num - b.start_block_num;

async function badJobs(run) {
	const s = run.totals && run.totals.by_status || {};
	const lists = await Promise.all(BAD.filter((w) => s[w]).map(jobsOf));
	return lists.flat().sort(byRange);
}
function shown(list, hint, most) {
	hint.hidden = list.length <= most;
	setText(hint, list.length > most ? "The first " + most + " of " + count(list.length) + "." : "");
	return list.slice(0, most);
}

/* /v1/run names those in work, which is enough for the tables here. */
const workerJobs = (run) => (run.workers || []).map((w) => ({
	job_id: w.job_id, replay_slice_id: w.slice_id, status: w.status, worker: w.worker,
	start_block_num: w.start_block, end_block_num: w.end_block, last_block_processed: w.block,
	since_seconds: w.since_seconds, heard_seconds: w.heard_seconds,
})).sort(byRange);
const sinceColumn = { head: "Since", num: true, of: (j) => duration(j.since_seconds) };
const heardColumn = { head: "Heard", num: true, of: (j) => ({ text: duration(j.heard_seconds) + " ago",
	cls: j.heard_seconds > 30 ? "bad-text" : "" }) };

/* --- progress ------------------------------------------------------------------------------ */

/* Blocks a second over the last minute, as seen from here. */
class Pace {
	constructor() {
		this.seen = [];
	}
	see(blocks) {
		const now = performance.now() / 1000;
		this.seen.push([now, blocks]);
		while (this.seen.length > 2 && now - this.seen[0][0] > 60)
			this.seen.shift();
		const [t, b] = this.seen[0];
		return now - t > 3 ? Math.max(0, (blocks - b) / (now - t)) : null;
	}
}

function progressView() {
	const bar = new Bar(), figures = new Figures(), pace = new Pace();
	const bad = new Table("Slices that failed",
		[jobColumn, rangeColumn, statusColumn, triesColumn, workerColumn, whyColumn]);
	const open = new Table("Slices in work",
		[jobColumn, rangeColumn, statusColumn, partColumn, sinceColumn, workerColumn, heardColumn],
		"Nobody works on a slice now.");
	const more = el("p", { class: "hint" }), moreBad = el("p", { class: "hint" });
	const stats = new Figures();
	byId("main").append(bar.bar, bar.legend, figures.element);
	const badSection = section("Needs a look", bad.element,
		el("p", { class: "hint" }, moreBad, " ", el("a", { href: base + "/control" }, "Put it right")));
	section("In work", open.element, more);
	const statsSection = section("Time a slice took", stats.element);

	return async () => {
		const r = await ask("/v1/run");
		const broken = await badJobs(r), working = workerJobs(r);
		const t = r.totals || {}, c = stateCounts(r), s = r.stats || {};
		const rate = pace.see(t.blocks_done || 0);
		setTitle(headline(r), subline(r));
		bar.set(c);
		/* The public rule counts blocks of a slice from 0 as done, and not as all: so "all" may be early. */
		const all = t.blocks || 0, done = Math.min(t.blocks_done || 0, r.done ? all : 0.999 * all);
		figures.set("Blocks replayed", percent(done, all), compact(Math.min(t.blocks_done || 0, all)) + " of " + compact(all));
		figures.set("Verified", count(c.verified), "of " + plural(t.jobs || 0, "slice"));
		figures.set("Unverified", count(c.unverified), c.unverified ? "end hash not known yet" : "");
		figures.set("Failed", count(c.failed + c.mismatch), c.mismatch ? count(c.mismatch) + " with another hash" : "",
			c.failed + c.mismatch > 0);
		figures.set("In work", count(t.claimed), t.claimed ? t.claimed === 1 ? "by one worker" : "by as many workers" : "");
		figures.set("Speed", rate === null || r.done ? "-" : compact(Math.round(rate)), r.done ? "" : "blocks/s, last minute");
		figures.set("To go", r.done ? "done" : duration(r.eta_seconds || null), r.eta_seconds ? "if it goes on like this" : "");
		figures.set("Tries", count(t.tries), t.losses ? plural(t.losses, "worker") + " lost" : "");
		badSection.hidden = broken.length === 0;
		bad.set(shown(broken, moreBad, 20), (j) => j.job_id);
		open.set(shown(working, more, 100), (j) => j.job_id);
		statsSection.hidden = !s.jobs;
		if (!s.jobs)
			return;
		stats.set("slices", count(s.jobs));
		for (const [key, name] of [["total", "all together"], ["mean", "mean"], ["stdev", "deviation"],
			["median", "median"], ["p75", "p75"], ["p90", "p90"], ["longest", "longest"]])
			stats.set(name, duration(s[key + "_seconds"]));
	};
}

function fillList(dl, pairs) {
	pairs.forEach(([name, value], i) => {
		let dd = dl.children[2 * i + 1];
		if (!dd) {
			dd = el("dd");
			dl.append(el("dt"), dd);
		}
		setText(dl.children[2 * i], name);
		if (value instanceof Node)
			dd.replaceChildren(value);
		else
			setText(dd, value === null || value === undefined || value === "" ? "-" : String(value));
	});
	while (dl.children.length > 2 * pairs.length)
		dl.lastChild.remove();
}

/* --- control ------------------------------------------------------------------------------- */

const MODES = [
	["running", "Run", "Workers get slices."],
	["paused", "Pause", "Nobody gets a slice; who works goes on, and workers wait."],
	["draining", "Drain", "Nobody gets a slice; who works goes on, and workers end when they have nothing."],
];

const requeue = (job) => act(() => call("POST", "/v1/jobs/" + job.job_id + "/requeue", {}));
const cancel = (job) => {
	if (confirm("Cancel slice " + job.replay_slice_id + " (" + stateNames[stateOf(job)] + ")? It ends as failed."))
		act(() => call("POST", "/v1/jobs/" + job.job_id + "/cancel", {}));
};
const again = (job) => {
	if (stateOf(job) !== "failed" && stateOf(job) !== "mismatch" &&
		!confirm("Slice " + job.replay_slice_id + " is " + stateNames[stateOf(job)] + ". From the start again?"))
		return;
	requeue(job);
};

/* One after the other: a few at a time would not be faster, and stop at the first that is refused. */
function requeueAll(jobs) {
	if (confirm("Put " + plural(jobs.length, "slice") + " back to waiting?"))
		act(async () => {
			for (const j of jobs)
				await call("POST", "/v1/jobs/" + j.job_id + "/requeue", {});
		});
}

async function saveCertificate() {
	const c = await ask("/v1/certificate");
	const url = URL.createObjectURL(new Blob([JSON.stringify(c)], { type: "application/json" }));
	const a = el("a", { href: url, download: "certificate-" + c.first_block + "-" + c.last_block + ".json" });
	a.click();
	setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function controlView() {
	const buttons = MODES.map(([mode, name]) => el("button", { type: "button", "aria-pressed": "false",
		on: { click: () => act(() => call("POST", "/v1/mode", { mode })) } }, name));
	const hint = el("p", { class: "hint" });
	const button = (text, fn) => ({ head: "", of: () => ({ text, act: fn, cls: text === "Cancel" ? "danger" : "" }) });
	const bad = new Table("Slices that failed",
		[jobColumn, rangeColumn, statusColumn, triesColumn, whyColumn, button("Requeue", requeue)], "None.");
	const open = new Table("Slices in work",
		[jobColumn, rangeColumn, statusColumn, partColumn, sinceColumn, workerColumn, heardColumn,
			button("Cancel", cancel)], "None.");
	const more = el("p", { class: "hint" }), moreBad = el("p", { class: "hint" });
	let broken = [];
	const all = el("button", { type: "button", on: { click: () => requeueAll(broken) } }, "Requeue all");
	section("Hand out slices", el("div", { class: "row" }, ...buttons), hint);
	section("Failed, mismatched, timed out", el("div", { class: "row below" }, all), bad.element, moreBad);
	section("In work", open.element, more);
	section("Certificate", el("div", { class: "row" }, el("button", { type: "button",
		on: { click: () => act(saveCertificate) } }, "Save the certificate")),
	el("p", { class: "hint" }, "Of the run so far. 'nodeswarm replay certificate verify FILE' checks it, 'diff A B' compares two."));

	return async () => {
		const r = await ask("/v1/run");
		const working = workerJobs(r);
		broken = await badJobs(r);
		setTitle(headline(r), subline(r));
		MODES.forEach(([mode, , text], i) => {
			buttons[i].setAttribute("aria-pressed", String(mode === r.mode));
			if (mode === r.mode)
				setText(hint, text);
		});
		all.hidden = broken.length < 2;
		setText(all, "Requeue all " + count(broken.length));
		bad.set(shown(broken, moreBad, 300), (j) => j.job_id);
		open.set(shown(working, more, 300), (j) => j.job_id);
	};
}
