/* --- all jobs, kept up to date -------------------------------------------------------------- */

/*
 * A list of 10,000 jobs is megabytes, so it is asked for once.  After that only those in work are
 * asked for, and those that no longer are; the run's own counts tell when something was missed, and
 * then the list is asked for again, seldom.  A run of few slices is asked for as a whole.
 */
const FEW = 1000, MISSED_MAX = 60, AGAIN_MS = 30000;

async function openJobs(run) {
	const s = run.totals && run.totals.by_status || {};
	const lists = await Promise.all(OPEN.filter((w) => s[w]).map(jobsOf));
	return lists.flat().sort(byRange);
}

class Jobs {
	constructor() {
		this.list = null;
		this.byId = new Map();
		this.byEnd = new Map();
		this.open = new Set();
		this.fullAt = 0;
	}
	async all() {
		const { jobs } = await ask("/v1/jobs");
		this.fullAt = performance.now();
		this.byId.clear();
		this.byEnd.clear();
		this.list = jobs.map((j) => this.slim(j)).sort(byRange);
		this.list.forEach((j, i) => {
			j.at = i;
			this.byId.set(j.job_id, j);
			this.byEnd.set(j.end_block_num, j);
		});
		this.open = new Set(this.list.filter((j) => OPEN.includes(j.status)).map((j) => j.job_id));
	}
	/* What the grid shows of one; the rest is on its own page. */
	slim(j) {
		return {
			job_id: j.job_id, replay_slice_id: j.replay_slice_id, status: j.status, verdict: j.verdict,
			start_block_num: j.start_block_num, end_block_num: j.end_block_num,
			last_block_processed: j.last_block_processed, worker: j.worker, tries: j.tries, losses: j.losses,
			error: j.error, start_hash: j.start_hash, actual_integrity_hash: j.actual_integrity_hash,
			expected_integrity_hash: j.expected_integrity_hash, state: stateOf(j),
		};
	}
	/* Returns the job below, when what it should end with has become known. */
	put(j) {
		const old = this.byId.get(j.job_id);
		if (!old)
			return null;
		const learned = j.start_hash && !old.start_hash;
		Object.assign(old, this.slim(j));
		return learned ? this.byEnd.get(j.start_block_num) || null : null;
	}
	async changes(r) {
		const now = await openJobs(r), open = new Set(now.map((j) => j.job_id)), look = new Set();
		const see = (j) => {
			const below = this.put(j);
			if (below)
				look.add(below.job_id);
		};
		now.forEach(see);
		for (const id of this.open)
			if (!open.has(id))
				look.add(id);
		this.open = open;
		if (look.size > MISSED_MAX)
			return;
		for (const id of look)
			see((await ask("/v1/jobs/" + id)).job);
	}
	counts() {
		const c = Object.fromEntries(STATES.map((s) => [s.key, 0]));
		for (const j of this.list)
			c[j.state]++;
		return c;
	}
	isRight(r) {
		const mine = this.counts(), real = stateCounts(r);
		return STATES.every((s) => mine[s.key] === real[s.key]);
	}
	async refresh(r) {
		if (!this.list || (r.totals || {}).jobs <= FEW)
			return this.all();
		await this.changes(r);
		if (!this.isRight(r) && performance.now() - this.fullAt > AGAIN_MS)
			await this.all();
	}
}

/* --- the grid ------------------------------------------------------------------------------- */

const SIZES = [44, 36, 30, 24, 20, 16, 13, 11, 9, 8, 7, 6, 5, 4, 3];
const GUTTER = 64;

class Cells {
	constructor(open) {
		this.canvas = el("canvas", { tabindex: "0", role: "application",
			"aria-label": "All slices by height. Arrow keys go from one to the next, Enter opens it." });
		this.at = el("p", { id: "at", role: "status" });
		this.element = el("div", {}, this.at, el("div", { id: "cells", class: "box" }, this.canvas));
		this.list = [];
		this.cursor = -1;
		this.only = null;
		this.open = open;
		this.say();
		this.canvas.addEventListener("pointermove", (e) => e.pointerType === "mouse" && this.move(this.hit(e)));
		this.canvas.addEventListener("pointerleave", (e) => e.pointerType === "mouse" && this.move(-1));
		this.canvas.addEventListener("click", (e) => this.click(e));
		this.canvas.addEventListener("keydown", (e) => this.key(e));
		this.canvas.addEventListener("blur", () => this.move(-1));
		new ResizeObserver(() => this.draw()).observe(this.element);
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
	}
	set(list) {
		this.list = list;
		this.draw();
		this.say();
	}
	/* As large as fits into what a person sees at once. */
	layout() {
		const width = this.canvas.parentElement.clientWidth - 24;
		const tall = Math.max(320, innerHeight * 0.62);
		for (const size of SIZES) {
			const columns = Math.max(1, Math.floor((width - GUTTER) / size));
			const rows = Math.ceil(this.list.length / columns);
			if (rows * size <= tall || size === SIZES[SIZES.length - 1])
				return { size, columns, rows, width };
		}
		return null;
	}
	draw() {
		/* Not shown yet: the observer calls again. */
		if (!this.list.length || !this.element.clientWidth)
			return;
		const l = this.layout(), ratio = devicePixelRatio || 1;
		this.l = l;
		this.canvas.width = Math.round(l.width * ratio);
		this.canvas.height = Math.round(l.rows * l.size * ratio);
		this.canvas.style.height = l.rows * l.size + "px";
		const g = this.canvas.getContext("2d");
		g.scale(ratio, ratio);
		this.labels(g, l);
		const css = getComputedStyle(document.documentElement);
		const color = Object.fromEntries(STATES.map((s) => [s.key, css.getPropertyValue("--s-" + s.key).trim()]));
		const ink = { on: css.getPropertyValue("--on").trim(), soft: css.getPropertyValue("--on-soft").trim() };
		this.list.forEach((j, i) => this.cell(g, l, j, i, color, ink));
		g.globalAlpha = 1;
		if (this.cursor >= 0) {
			g.strokeStyle = css.getPropertyValue("--ink").trim();
			g.lineWidth = 2;
			const [x, y] = this.place(l, this.cursor);
			g.strokeRect(x - 0.5, y - 0.5, l.size, l.size);
		}
	}
	place(l, i) {
		return [GUTTER + (i % l.columns) * l.size, Math.floor(i / l.columns) * l.size];
	}
	/* Heights at the left, one a line of text. */
	labels(g, l) {
		const step = Math.ceil(18 / l.size);
		g.font = "11.5px system-ui, sans-serif";
		g.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--dim").trim();
		g.textAlign = "right";
		g.textBaseline = "middle";
		for (let row = 0; row < l.rows; row += step)
			g.fillText(compact(this.list[row * l.columns].start_block_num), GUTTER - 10, Math.min(row * l.size + Math.max(l.size / 2, 6), l.rows * l.size - 6));
	}
	cell(g, l, j, i, color, ink) {
		const [x, y] = this.place(l, i), gap = l.size > 8 ? 2 : l.size > 4 ? 1 : 0, s = l.size - gap;
		g.globalAlpha = this.only && this.only !== j.state ? 0.18 : 1;
		if (j.state === "working" && s >= 7) {
			const part = Math.max(0.12, partOf(j)) * s;
			g.fillStyle = color.waiting;
			g.fillRect(x, y, s, s);
			g.fillStyle = color.working;
			g.fillRect(x, y + s - part, s, part);
		} else {
			g.fillStyle = color[j.state];
			g.fillRect(x, y, s, s);
		}
		g.fillStyle = g.strokeStyle = j.state === "waiting" || j.state === "unverified" ? ink.soft : ink.on;
		if (s >= 14 && j.state !== "waiting") {
			g.font = "700 " + Math.round(s * 0.6) + "px system-ui, sans-serif";
			g.textAlign = "center";
			g.textBaseline = "middle";
			g.fillText(STATES.find((k) => k.key === j.state).mark, x + s / 2, y + s / 2 + 1);
		} else if (s >= 5 && (j.state === "failed" || j.state === "mismatch")) {
			g.lineWidth = 1.2;
			g.beginPath();
			g.moveTo(x + 1, y + s - 1);
			g.lineTo(x + s - 1, y + 1);
			if (j.state === "failed") {
				g.moveTo(x + 1, y + 1);
				g.lineTo(x + s - 1, y + s - 1);
			}
			g.stroke();
		}
	}
	hit(e) {
		if (!this.l)
			return -1;
		const box = this.canvas.getBoundingClientRect();
		const column = Math.floor((e.clientX - box.left - GUTTER) / this.l.size);
		const i = Math.floor((e.clientY - box.top) / this.l.size) * this.l.columns + column;
		return column >= 0 && column < this.l.columns && i >= 0 && i < this.list.length ? i : -1;
	}
	move(i) {
		if (i === this.cursor)
			return;
		this.cursor = i;
		this.draw();
		this.say();
	}
	/* A finger has no way to hover: its first touch shows, the second opens. */
	click(e) {
		const i = this.hit(e);
		if (i >= 0 && (e.pointerType !== "touch" || i === this.cursor))
			this.open(this.list[i]);
		else
			this.move(i);
	}
	key(e) {
		const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -(this.l || {}).columns, ArrowDown: (this.l || {}).columns }[e.key];
		if (e.key === "Enter" && this.cursor >= 0)
			this.open(this.list[this.cursor]);
		if (!step || !this.list.length)
			return;
		e.preventDefault();
		this.move(Math.min(this.list.length - 1, Math.max(0, this.cursor < 0 ? 0 : this.cursor + step)));
	}
	say() {
		const j = this.list[this.cursor];
		if (!j) {
			setText(this.at, "Each cell is a slice, the lowest blocks first. Point at one, or press Enter on it.");
			return;
		}
		const words = ["Slice " + j.replay_slice_id, "blocks " + rangeOf(j), stateNames[j.state]];
		if (OPEN.includes(j.status))
			words.push(percent(partOf(j), 1));
		if (j.worker)
			words.push(j.worker);
		if (j.tries > 1)
			words.push(plural(j.tries, "try").replace(/ys$/, "ies"));
		if (j.error && j.state !== "verified")
			words.push(j.error);
		setText(this.at, words.join(" · "));
	}
}

/* --- the view ------------------------------------------------------------------------------- */

const PAGE_ROWS = 100;

/* A number is a slice or a block in it; anything else is a word of the worker or of the error. */
function matches(j, text) {
	const digits = text.replace(/[,_ ]/g, "");
	if (/^\d+$/.test(digits)) {
		const n = Number(digits);
		return j.replay_slice_id === n || (n > j.start_block_num && n <= j.end_block_num);
	}
	return [j.worker, j.error, j.status].some((s) => s && s.toLowerCase().includes(text));
}

function gridView() {
	const jobs = new Jobs();
	const bar = new Bar((key) => {
		cells.only = cells.only === key ? null : key;
		bar.press(cells.only);
		from = 0;
		draw();
	});
	const cells = new Cells((j) => {
		location.href = detailUrl(j);
	});
	const table = new Table("Slices", [jobColumn, rangeColumn, statusColumn, partColumn, triesColumn, workerColumn, whyColumn],
		"No such slice.");
	const search = el("input", { type: "search", size: 34, placeholder: "slice, block, worker or word of an error",
		"aria-label": "Search", on: { input: () => {
			from = 0;
			draw();
		} } });
	const back = el("button", { type: "button", class: "small", on: { click: () => turn(-1) } }, "←");
	const next = el("button", { type: "button", class: "small", on: { click: () => turn(1) } }, "→");
	const where = el("span");
	const pager = el("div", { class: "row pages" }, where, el("span", { class: "row" }, back, next));
	let from = 0;
	back.setAttribute("aria-label", "Previous page");
	next.setAttribute("aria-label", "Next page");
	byId("main").append(bar.bar, bar.legend, cells.element);
	section("Slices", el("div", { class: "row below" }, search, el("span", { class: "hint" },
		"The keys above choose a state.")), table.element, pager);

	function turn(by) {
		from = Math.max(0, from + by * PAGE_ROWS);
		draw();
	}
	function draw() {
		const text = search.value.trim().toLowerCase();
		const list = jobs.list.filter((j) => (!cells.only || j.state === cells.only) && (!text || matches(j, text)));
		from = Math.min(from, Math.max(0, Math.floor((list.length - 1) / PAGE_ROWS) * PAGE_ROWS));
		const page = list.slice(from, from + PAGE_ROWS);
		table.set(page, (j) => j.job_id);
		setText(where, list.length ? count(from + 1) + " to " + count(from + page.length) + " of " + count(list.length) : "");
		back.disabled = from === 0;
		next.disabled = from + PAGE_ROWS >= list.length;
		pager.hidden = list.length <= PAGE_ROWS;
		cells.set(jobs.list);
	}
	return async () => {
		const r = await ask("/v1/run");
		await jobs.refresh(r);
		setTitle(headline(r), subline(r));
		bar.set(jobs.counts());
		draw();
	};
}

/* --- start ---------------------------------------------------------------------------------- */

frame();
run(({ grid: gridView, control: controlView, detail: detailView }[view] || progressView)());
