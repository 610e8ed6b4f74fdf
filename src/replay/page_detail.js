/* --- one slice ----------------------------------------------------------------------------- */

const IDS_KEY = "nodeswarm-replay-ids";

/* The job of a slice: only the list of all knows it, so it is kept for the next step. */
async function idOfSlice(slice) {
	let ids = null;
	try {
		ids = JSON.parse(sessionStorage.getItem(IDS_KEY));
	} catch {
		/* Not ours, or no session data: asked again. */
	}
	if (ids && ids[slice]) {
		try {
			const d = await ask("/v1/jobs/" + ids[slice]);
			if (d.job.replay_slice_id === slice)
				return ids[slice];
		} catch (t) {
			if (t.status !== 404)
				throw t;
		}
	}
	ids = {};
	for (const j of (await ask("/v1/jobs")).jobs)
		ids[j.replay_slice_id] = j.job_id;
	try {
		sessionStorage.setItem(IDS_KEY, JSON.stringify(ids));
	} catch {
		/* Too many for it: then each step asks. */
	}
	if (!ids[slice])
		throw new Trouble(404, "there is no slice " + slice);
	return ids[slice];
}

function hashNode(hash, cls) {
	return el("span", { class: "hash " + (cls || "") }, hash || "-");
}

/* Whether it is what it should be, in a word. */
function verdictBadge(job) {
	const state = stateOf(job);
	const cls = { verified: "ok", mismatch: "bad", failed: "bad", unverified: "warn" }[state] || "";
	return el("span", { class: "badge " + cls }, stateNames[state]);
}

const timeText = (v) => (v ? String(v).replace("T", " ").replace(/\.\d+Z$/, "Z") : null);

function jobFacts(j) {
	const state = stateOf(j);
	const cls = state === "verified" ? "ok" : state === "mismatch" ? "bad" : "";
	const facts = [
		["status", el("span", {}, verdictBadge(j), " ", el("span", { class: "mono" }, j.status))],
		["blocks", rangeOf(j) + " (" + count(j.end_block_num - j.start_block_num) + ")"],
		["reached", count(j.last_block_processed) + ", " + percent(partOf(j), 1)],
		["worker", j.worker],
		["tries", count(j.tries) + (j.losses ? ", " + plural(j.losses, "worker") + " lost" : "")],
		["started", timeText(j.start_time)],
		["ended", timeText(j.end_time)],
		["expected time", j.expected_seconds ? duration(j.expected_seconds) : null],
		["start hash", hashNode(j.start_hash)],
		["end hash", hashNode(j.actual_integrity_hash, cls)],
		["expected end hash", hashNode(j.expected_integrity_hash, cls)],
		["snapshot", el("span", { class: "mono" }, j.snapshot_path || "none: from the genesis")],
		["storage", j.storage_type],
		["version wanted", j.leap_version || j.spring_version],
		["version run", j.nodeos_version],
		["job", String(j.job_id)],
	];
	if (j.retry_at && state === "waiting")
		facts.splice(5, 0, ["next try", timeText(j.retry_at)]);
	if (j.error)
		facts.splice(1, 0, ["last error", el("span", { class: "bad-text" }, j.error)]);
	return facts;
}

/* A try keeps its <details> over the refreshes, so an open log stays open. */
class Tries {
	constructor() {
		this.element = el("div");
		this.shown = new Map();
	}
	set(tries) {
		for (const t of tries) {
			let d = this.shown.get(t.number);
			if (!d) {
				d = { head: el("summary"), error: el("p", { class: "bad-text hint" }), log: el("pre") };
				d.box = el("details", {}, d.head, el("div", { style: "padding:0 14px 8px" }, d.error), d.log);
				this.shown.set(t.number, d);
				this.element.prepend(d.box);
			}
			const times = [timeText(t.started_at), timeText(t.ended_at)].filter(Boolean).join(" to ");
			setText(d.head, ["Try " + t.number, t.end, t.worker, times,
				t.last_block ? "block " + count(t.last_block) : null].filter(Boolean).join(" · "));
			setText(d.error, t.error || "");
			setText(d.log, t.log || "");
			d.error.hidden = !t.error;
			d.log.hidden = !t.log;
		}
		for (const [n, d] of this.shown)
			if (!tries.some((t) => t.number === n)) {
				d.box.remove();
				this.shown.delete(n);
			}
	}
}

function detailView() {
	let id = query.get("job") || query.get("jobid");
	const slice = Number(query.get("slice") || query.get("sliceid"));
	let job = null;
	const facts = el("dl"), tries = new Tries();
	const back = el("a"), next = el("a");
	const redo = el("button", { type: "button", on: { click: () => again(job) } }, "Requeue");
	const stop = el("button", { type: "button", class: "danger", on: { click: () => cancel(job) } }, "Cancel");
	const actions = el("div", { class: "row", hidden: true }, back, next, redo, stop);
	const find = el("form", { class: "row", on: { submit: (event) => {
		event.preventDefault();
		location.search = "?slice=" + Number(event.target.elements[0].value);
	} } }, el("label", { for: "find" }, "Slice"), el("input", { id: "find", type: "number", min: 1, required: true }),
	el("button", { type: "submit" }, "Show"));
	byId("main").append(el("section", {}, actions, find));
	const factsSection = section("Slice", el("div", { class: "box" }, facts));
	const triesSection = section("Tries", tries.element);
	factsSection.hidden = triesSection.hidden = true;
	setTitle("Which slice?", "");

	return async () => {
		if (!id && !slice)
			return;
		id = id || String(await idOfSlice(slice));
		const d = await ask("/v1/jobs/" + encodeURIComponent(id));
		job = d.job;
		setTitle("Slice " + job.replay_slice_id, rangeOf(job));
		back.hidden = job.replay_slice_id <= 1;
		back.href = "?slice=" + (job.replay_slice_id - 1);
		next.href = "?slice=" + (job.replay_slice_id + 1);
		setText(back, "← slice " + (job.replay_slice_id - 1));
		setText(next, "slice " + (job.replay_slice_id + 1) + " →");
		actions.hidden = factsSection.hidden = false;
		find.hidden = true;
		stop.hidden = !OPEN.includes(job.status) && job.status !== "WAITING_4_WORKER";
		redo.hidden = job.status === "WAITING_4_WORKER" && !job.retry_at;
		fillFacts(facts, jobFacts(job));
		triesSection.hidden = !(d.tries || []).length;
		tries.set(d.tries || []);
	};
}

/* Anew only when something has changed: a hash that is being selected stays selected. */
function fillFacts(dl, facts) {
	const now = JSON.stringify(facts.map(([n, v]) => [n, v instanceof Node ? v.outerHTML : v]));
	if (dl.dataset.now === now)
		return;
	dl.dataset.now = now;
	fillList(dl, facts);
}
