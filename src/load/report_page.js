"use strict";
/*
 * Draws the page from the JSON in #data.  Text is set as text, never as markup.  All charts over
 * time share one axis and one cursor: `cursor.set(i)` moves it in all of them.
 */
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const rep = data.report;
const ser = data.series;
const n = ser.begin.length;
const byId = (id) => document.getElementById(id);

/* --- text ------------------------------------------------------------------------------- */

const number = new Intl.NumberFormat("en");
const count = (v) => number.format(v);
const three = (v) => (v === 0 ? "0" : v >= 99.95 ? v.toFixed(0) : v >= 9.995 ? v.toFixed(1) : v.toFixed(2));
const plain = (v) => String(Number(v.toPrecision(3)));

function scaled(us) {
	if (us < 999.5)
		return [us, "µs"];
	return us < 999.5e3 ? [us / 1e3, "ms"] : [us / 1e6, "s"];
}
function time(us) {
	if (us === null || us === undefined)
		return "-";
	const [v, unit] = scaled(us);
	return three(v) + "\u00a0" + unit;
}
function tickTime(us) {
	const [v, unit] = scaled(us * 1.0001);
	return plain(v) + "\u00a0" + unit;
}
function amount(v) {
	if (v === null || v === undefined)
		return "-";
	return v >= 100 ? count(Math.round(v)) : plain(v);
}
function tickAmount(v) {
	return v >= 1e6 ? plain(v / 1e6) + "M" : v >= 1e4 ? plain(v / 1e3) + "k" : plain(v);
}
function share(part, whole) {
	if (!whole || !part)
		return "0 %";
	const v = 100 * part / whole;
	if (part === whole)
		return "100 %";
	return v < 0.001 ? "< 0.001 %" : v > 99.999 ? "> 99.999 %" : (v < 0.1 || v > 99.9 ? v.toFixed(3) : v.toFixed(1)) + " %";
}
const pad = (v) => String(v).padStart(2, "0");
function clock(s, withSeconds) {
	const sign = s < 0 ? "-" : "";
	const t = Math.abs(Math.round(s));
	const h = Math.floor(t / 3600), m = Math.floor(t / 60) % 60;
	return sign + (withSeconds ? (h ? h + ":" + pad(m) : m) + ":" + pad(t % 60) : h + ":" + pad(m));
}
function seconds(s) {
	return s < 1 ? time(s * 1e6) : s < 120 ? Number(s.toFixed(2)) + "\u00a0s"
		: s < 7200 ? Number((s / 60).toFixed(1)) + "\u00a0min" : Number((s / 3600).toFixed(2)) + "\u00a0h";
}

/* --- elements --------------------------------------------------------------------------- */

function fill(e, attributes, children) {
	for (const [k, v] of Object.entries(attributes || {}))
		e.setAttribute(k, v);
	for (const c of children)
		if (c !== null && c !== undefined)
			e.append(c);
	return e;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
	fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function table(caption, heads, rows, leftColumns) {
	const left = (i) => ((leftColumns || []).includes(i) ? { class: "left" } : {});
	return el("table", { "aria-label": caption },
		el("thead", {}, el("tr", {}, ...heads.map((h, i) => el("th", { scope: "col", ...left(i) }, h)))),
		el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((c, i) =>
			(i === 0 ? el("th", { scope: "row" }, c)
				: c instanceof Node && c.tagName === "TD" ? c : el("td", left(i), c)))))));
}

/* --- axes ------------------------------------------------------------------------------- */

/* Round steps from 0 to at least max. */
function linearTicks(max, wanted) {
	const raw = (max || 1) / wanted;
	const ten = Math.pow(10, Math.floor(Math.log10(raw)));
	let step = [1, 2, 2.5, 5, 10].map((f) => f * ten).find((f) => f >= raw * 0.999);
	if (step < 1 && Number.isInteger(max))
		step = 1;
	const ticks = [];
	for (let i = 0; i === 0 || ticks[i - 1] < max * 0.999; i++)
		ticks.push(i * step);
	return ticks;
}
/* 1, 2, 5 of each decade around low..high; decades alone where those are many. */
function logTicks(low, high) {
	const all = [];
	for (let d = Math.floor(Math.log10(low)); d <= Math.ceil(Math.log10(high)); d++)
		for (const f of [1, 2, 5])
			all.push(f * Math.pow(10, d));
	const eps = 1.0001;
	let from = all.findIndex((t) => t * eps >= low), to = all.findIndex((t) => t * eps >= high);
	if (all[from] > low && from > 0)
		from--;
	if (to <= from)
		to = from + 1;
	const ticks = all.slice(from, to + 1);
	if (ticks.length <= 7)
		return { ticks, low: ticks[0], high: ticks[ticks.length - 1] };
	return {
		ticks: ticks.filter((t) => Math.abs(Math.log10(t) - Math.round(Math.log10(t))) < 1e-6),
		low: ticks[0],
		high: ticks[ticks.length - 1],
	};
}
const STEPS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200];
function timeTicks(from, to, wanted) {
	const step = STEPS.find((s) => (to - from) / s <= wanted) || 86400;
	const ticks = [];
	for (let t = Math.ceil(from / step - 1e-9) * step; t <= to + 1e-9; t += step)
		ticks.push(Math.abs(t) < 1e-9 ? 0 : t);
	const label = to <= 1 ? (t) => (t ? (t < 0 ? "-" : "") + tickTime(Math.abs(t) * 1e6) : "0")
		: to <= 120 ? (t) => Number(t.toFixed(3)) + "\u00a0s"
		: (t) => clock(t, step < 60 || to < 7200);
	return { ticks, label };
}

/* --- the cursor that all charts over time share ------------------------------------------- */

const cursor = {
	at: null,
	charts: [],
	set(i) {
		if (i === this.at)
			return;
		this.at = i;
		for (const c of this.charts)
			c.show(i);
	},
};
const t0 = n ? ser.begin[0] : 0;
const t1 = n ? ser.end[n - 1] : 1;
function indexAt(t) {
	let low = 0, high = n - 1;
	while (low < high) {
		const mid = (low + high) >> 1;
		if (ser.end[mid] > t)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}
function spanText(i) {
	const exact = t1 - t0 <= 600;
	const f = (s) => (exact ? Number(s.toFixed(2)) : clock(s, true));
	return f(ser.begin[i]) + " to " + f(ser.end[i]) + (exact ? " s" : "") + (ser.begin[i] < 0 ? ", warm-up" : "");
}

/* --- a chart over time ---------------------------------------------------------------------- */

function swatch(series) {
	return svg("svg", { width: 22, height: 10, "aria-hidden": "true" },
		svg("line", { class: "s s" + series.style, x1: 0, x2: 22, y1: 5, y2: 5 }));
}
function head(title, series) {
	const at = el("span", { class: "at" });
	const values = series.map(() => el("b"));
	const e = el("div", { class: "chart-head" }, el("h3", {}, title),
		...series.map((s, i) => el("span", { class: "legend" }, swatch(s), s.name, values[i])), at);
	return { e, at, values };
}

/* Steps: a value holds for its whole interval. */
function stepPath(x, y, values) {
	let d = "", open = false;
	for (let i = 0; i < n; i++) {
		if (values[i] === null) {
			open = false;
			continue;
		}
		const a = x(ser.begin[i]).toFixed(1), b = x(ser.end[i]).toFixed(1), v = y(values[i]).toFixed(1);
		d += (open ? "V" : "M" + a + ",") + v + "H" + b;
		open = true;
	}
	return d;
}
function areaPath(x, y, low, high, least) {
	let d = "";
	for (let i = 0; i < n; i++) {
		if (high[i] === null || high[i] === low[i])
			continue;
		const a = x(ser.begin[i]).toFixed(1), b = Math.max(x(ser.end[i]), x(ser.begin[i]) + (least || 0.5)).toFixed(1);
		d += "M" + a + "," + y(low[i]).toFixed(1) + "V" + y(high[i]).toFixed(1) + "H" + b + "V" + y(low[i]).toFixed(1) + "Z";
	}
	return d;
}

/* Warm-up, and the time after the last request was begun. */
function shades(x, top, bottom, withText) {
	const out = [];
	const shade = (from, to, text) => {
		if (x(to) - x(from) < 1)
			return;
		out.push(svg("rect", { class: "shade", x: x(from), y: top, width: x(to) - x(from), height: bottom - top }));
		if (withText && x(to) - x(from) > 6.5 * text.length)
			out.push(svg("text", { x: (x(from) + x(to)) / 2, y: top + 12, "text-anchor": "middle" }, text));
	};
	if (t0 < 0)
		shade(t0, Math.min(0, t1), "warm-up");
	if (rep.sending_seconds < t1 && rep.sending_seconds > 0)
		shade(rep.sending_seconds, t1, "last answers");
	return out;
}
function timeAxis(x, width, top, bottom) {
	const { ticks, label } = timeTicks(t0, t1, Math.max(3, Math.floor(width / 80)));
	return ticks.flatMap((t) => [
		svg("line", { class: "grid", x1: x(t), x2: x(t), y1: top, y2: bottom }),
		svg("text", { x: x(t), y: bottom + 16, "text-anchor": x(t1) - x(t) < 14 ? "end" : "middle" }, label(t)),
	]);
}

/* Names at the right end of their lines, moved apart. */
function endLabels(series, y, x, top, bottom) {
	const labels = series.filter((s) => s.label).map((s) => {
		const last = s.values.reduce((l, v, i) => (v === null ? l : i), -1);
		return last < 0 ? null : { text: s.label, style: s.style, y: y(s.values[last]) };
	}).filter(Boolean).sort((a, b) => a.y - b.y || b.style - a.style);
	let at = top;
	for (const l of labels) {
		l.y = Math.max(l.y, at);
		at = l.y + 13;
	}
	at = bottom - 4;
	for (const l of labels.slice().reverse()) {
		l.y = Math.min(l.y, at);
		at = l.y - 13;
	}
	return labels.map((l) => svg("text", { class: "tag t" + l.style, x: x + 6, y: l.y + 4 }, l.text));
}

function listen(plot, indexOf, set, last) {
	plot.addEventListener("pointermove", (e) => {
		const box = plot.getBoundingClientRect();
		set(indexOf(e.clientX - box.left));
	});
	plot.addEventListener("pointerleave", () => set(null));
	plot.addEventListener("blur", () => set(null));
	plot.addEventListener("keydown", (e) => {
		const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[e.key];
		if (e.key === "Escape")
			set(null);
		if (!by)
			return;
		e.preventDefault();
		const from = last() === null ? (by > 0 ? -1 : n) : last();
		set(Math.min(n - 1, Math.max(0, from + by)));
	});
}

const MARGIN = (width) => (width < 520 ? { left: 50, right: 42 } : { left: 62, right: 52 });

/* spec: title, series[{name label values style low high area}], log, tick, value, height */
function chart(spec) {
	const root = el("div", { class: "chart" });
	const top = 6, height = spec.height || 170, bottom = height - 22;
	const h = head(spec.title, spec.series);
	const known = spec.series.flatMap((s) => [...s.values, ...(s.high || []), ...(s.low || [])])
		.filter((v) => v !== null && (!spec.log || v > 0));
	const max = known.reduce((a, b) => Math.max(a, b), spec.log ? 1 : 0);
	const min = known.reduce((a, b) => Math.min(a, b), Infinity);
	const scale = spec.log ? logTicks(Math.min(min, max), max) : { ticks: linearTicks(max, 4) };
	const y = spec.log
		? (v) => bottom - (bottom - top) * (Math.log(Math.max(v, scale.low) / scale.low) / Math.log(scale.high / scale.low))
		: (v) => bottom - (bottom - top) * v / scale.ticks[scale.ticks.length - 1];
	let x, cross;

	root.append(h.e);
	const me = {
		draw() {
			const width = Math.max(260, root.clientWidth - 24);
			const m = MARGIN(width);
			x = (t) => m.left + (width - m.left - m.right) * (t - t0) / (t1 - t0);
			cross = svg("g", { visibility: "hidden" });
			const plot = svg("svg", {
				class: "plot", viewBox: "0 0 " + width + " " + height, height, tabindex: 0, role: "img",
				"aria-label": spec.title + ": " + spec.series.map((s) => s.name + " " + s.summary).join(", ")
					+ ". Arrow keys read values; all are in the table below.",
			}, ...shades(x, top, bottom, true), ...timeAxis(x, width - m.left - m.right, top, bottom),
			...scale.ticks.flatMap((t) => [
				svg("line", { class: "grid", x1: m.left, x2: width - m.right, y1: y(t), y2: y(t) }),
				svg("text", { x: m.left - 6, y: y(t) + 4, "text-anchor": "end" }, spec.tick(t)),
			]),
			svg("line", { class: "axis", x1: m.left, x2: width - m.right, y1: bottom, y2: bottom }));
			for (const s of spec.series) {
				if (s.area)
					plot.append(svg("path", { class: "area", d: areaPath(x, y, s.values.map(() => 0), s.values) }));
				if (s.low)
					plot.append(svg("path", { class: "band", d: areaPath(x, y, s.low, s.high) }));
				plot.append(svg("path", { class: "s s" + s.style, d: stepPath(x, y, s.values) }));
			}
			plot.append(...endLabels(spec.series, y, width - m.right, top, bottom), cross);
			const old = root.querySelector("svg.plot");
			if (old)
				old.replaceWith(plot);
			else
				root.append(plot);
			listen(plot, (px) => indexAt(t0 + (px * width / plot.clientWidth - m.left) / (width - m.left - m.right) * (t1 - t0)),
				(i) => cursor.set(i), () => cursor.at);
		},
		show(i) {
			cross.replaceChildren();
			cross.setAttribute("visibility", i === null ? "hidden" : "visible");
			h.at.textContent = i === null ? "" : spanText(i);
			spec.series.forEach((s, k) => {
				h.values[k].textContent = i === null ? "" : spec.value(s.values[i]);
			});
			if (i === null)
				return;
			const px = x((ser.begin[i] + ser.end[i]) / 2);
			cross.append(svg("line", { class: "cross", x1: px, x2: px, y1: top, y2: bottom }));
			for (const s of spec.series)
				if (s.values[i] !== null)
					cross.append(svg("circle", { class: "dot t" + s.style, cx: px, cy: y(s.values[i]), r: 3.5 }));
		},
	};
	cursor.charts.push(me);
	return { root, draw: me.draw };
}

/* One row for each name, so that nothing has to be told by its colour.
 * spec: title, lanes[{name values text}], value, common (one scale for all) */
function lanes(spec) {
	const root = el("div", { class: "chart" });
	const plotHeight = spec.common ? 30 : 22, step = plotHeight + 22, height = spec.lanes.length * step + 24;
	const h = head(spec.title, []);
	const all = spec.lanes.map((l) => l.values.reduce((a, b) => Math.max(a, b || 0), 0));
	const highest = Math.max(...all, 1);
	let x, cross;

	root.append(h.e);
	const me = {
		draw() {
			const width = Math.max(260, root.clientWidth - 24);
			const m = MARGIN(width);
			x = (t) => m.left + (width - m.left - m.right) * (t - t0) / (t1 - t0);
			cross = svg("g", { visibility: "hidden" });
			const plot = svg("svg", {
				class: "plot", viewBox: "0 0 " + width + " " + height, height, tabindex: 0, role: "img",
				"aria-label": spec.title + ": " + spec.lanes.map((l) => l.name + " " + l.text).join(", "),
			}, ...shades(x, 0, height - 22, false), ...timeAxis(x, width - m.left - m.right, 0, height - 22));
			spec.lanes.forEach((l, k) => {
				const base = k * step + 18 + plotHeight;
				const max = spec.common ? highest : all[k] || 1;
				const y = (v) => base - plotHeight * v / max;
				plot.append(svg("text", { class: "lane", x: m.left, y: k * step + 13 }, l.name + "  " + l.text),
					svg("line", { class: "axis", x1: m.left, x2: width - m.right, y1: base, y2: base }),
					svg("text", { x: m.left - 6, y: base - plotHeight + 8, "text-anchor": "end" }, amount(max)),
					svg("text", { x: m.left - 6, y: base + 3, "text-anchor": "end" }, "0"),
					svg("path", { class: spec.common ? "area" : "bars", d: areaPath(x, y, l.values.map(() => 0), l.values, spec.common ? 0.5 : 2) }));
				if (spec.common)
					plot.append(svg("path", { class: "s s1", d: stepPath(x, y, l.values) }));
			});
			plot.append(cross);
			const old = root.querySelector("svg.plot");
			if (old)
				old.replaceWith(plot);
			else
				root.append(plot);
			me.width = width;
			me.right = m.right;
			listen(plot, (px) => indexAt(t0 + (px * width / plot.clientWidth - m.left) / (width - m.left - m.right) * (t1 - t0)),
				(i) => cursor.set(i), () => cursor.at);
		},
		show(i) {
			cross.replaceChildren();
			cross.setAttribute("visibility", i === null ? "hidden" : "visible");
			h.at.textContent = i === null ? "" : spanText(i);
			if (i === null)
				return;
			const px = x((ser.begin[i] + ser.end[i]) / 2);
			cross.append(svg("line", { class: "cross", x1: px, x2: px, y1: 0, y2: height - 22 }));
			spec.lanes.forEach((l, k) => cross.append(svg("text", {
				class: "tag t1", x: me.width - me.right + 6, y: k * step + 18 + plotHeight,
			}, spec.value(l.values[i]))));
		},
	};
	cursor.charts.push(me);
	return { root, draw: me.draw };
}

/* --- the percentile curve ---------------------------------------------------------------------- */

const nines = (p, end) => (p >= 100 ? end : Math.min(end, -Math.log10(1 - p / 100)));
const MARKS = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999];

function valueAt(curve, p) {
	const step = curve.find((s) => s[0] >= p - 1e-9);
	return step ? step[1] : curve[curve.length - 1][1];
}
function curveChart(series, samples) {
	const root = byId("curve");
	const end = Math.max(1, Math.log10(samples));
	const values = series.flatMap((s) => s.curve.map((c) => c[1])).filter((v) => v > 0);
	const scale = logTicks(Math.min(...values), Math.max(...values));
	const top = 6, height = window.matchMedia("(max-width: 900px)").matches ? 270 : 372, bottom = height - 22;
	const y = (v) => bottom - (bottom - top) * (Math.log(Math.max(v, scale.low) / scale.low) / Math.log(scale.high / scale.low));
	const h = head("Percentiles", series);
	const steps = 240;
	let at = null;

	root.append(h.e);
	const me = {
		draw() {
			const width = Math.max(260, root.clientWidth - 24);
			const m = MARGIN(width);
			const x = (q) => m.left + (width - m.left - m.right) * q / end;
			const cross = svg("g");
			const marks = [];
			for (const p of MARKS) {
				const room = x(nines(p, end)) - (marks.length ? x(nines(marks[marks.length - 1], end)) : -99);
				if (nines(p, 99) <= end + 1e-9 && room > 7 * (String(p).length + 2))
					marks.push(p);
			}
			const plot = svg("svg", {
				class: "plot", viewBox: "0 0 " + width + " " + height, height, tabindex: 0, role: "img",
				"aria-label": "Latency by percentile; the figures are in the table beside it",
			}, ...marks.flatMap((p) => [
				svg("line", { class: "grid", x1: x(nines(p, end)), x2: x(nines(p, end)), y1: top, y2: bottom }),
				svg("text", { x: x(nines(p, end)), y: bottom + 16, "text-anchor": "middle" }, p + "\u00a0%"),
			]), ...scale.ticks.flatMap((t) => [
				svg("line", { class: "grid", x1: m.left, x2: width - m.right, y1: y(t), y2: y(t) }),
				svg("text", { x: m.left - 6, y: y(t) + 4, "text-anchor": "end" }, tickTime(t)),
			]), svg("line", { class: "axis", x1: m.left, x2: width - m.right, y1: bottom, y2: bottom }));
			for (const s of series)
				plot.append(svg("path", {
					class: "s s" + s.style,
					d: "M" + s.curve.map((c) => x(nines(c[0], end)).toFixed(1) + "," + y(c[1]).toFixed(1)).join("L"),
				}));
			plot.append(...endLabels(series.map((s) => ({ ...s, values: s.curve.map((c) => c[1]) })), y, width - m.right, top, bottom), cross);
			const show = (q) => {
				cross.replaceChildren();
				at = q;
				const p = q === null ? 0 : 100 - 100 * Math.pow(10, -q);
				const digits = q === null ? 0 : Math.max(0, Math.ceil(q) - 1) + (q < 1 ? 0 : 1);
				h.at.textContent = q === null ? "" : p.toFixed(Math.min(6, digits)) + " % took at most";
				series.forEach((s, k) => {
					h.values[k].textContent = q === null ? "" : time(valueAt(s.curve, p));
					if (q !== null)
						cross.append(svg("circle", { class: "dot t" + s.style, cx: x(q), cy: y(valueAt(s.curve, p)), r: 3.5 }));
				});
				if (q !== null)
					cross.prepend(svg("line", { class: "cross", x1: x(q), x2: x(q), y1: top, y2: bottom }));
			};
			const old = root.querySelector("svg.plot");
			if (old)
				old.replaceWith(plot);
			else
				root.append(plot);
			plot.addEventListener("pointermove", (e) => {
				const px = (e.clientX - plot.getBoundingClientRect().left) * width / plot.clientWidth;
				show(Math.min(end, Math.max(0, (px - m.left) / (width - m.left - m.right) * end)));
			});
			plot.addEventListener("pointerleave", () => show(null));
			plot.addEventListener("blur", () => show(null));
			plot.addEventListener("keydown", (e) => {
				const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
				if (!by)
					return;
				e.preventDefault();
				show(Math.min(end, Math.max(0, (at === null ? 0 : at) + by * end / steps)));
			});
		},
	};
	return me;
}

/* --- parts of the page ----------------------------------------------------------------------------- */

const KEYS = [["p50", 50], ["p75", 75], ["p90", 90], ["p95", 95], ["p99", 99], ["p99_9", 99.9], ["p99_99", 99.99], ["p99_999", 99.999]];
const titleOf = (key) => key.replace("_", ".");
const isMax = (l, p) => l.samples * (100 - p) / 100 * (1 + 1e-9) < 1;
const hasPlan = Boolean(rep.latency_us_sent);
const lat = rep.latency_us;
const total = rep.requests_total;

function verdict() {
	const mark = { ok: "✓", failed: "✕", late: "!", broken: "!", none: "-" }[data.state];
	const h1 = byId("verdict");
	h1.className = "is-" + data.state;
	h1.replaceChildren(el("span", { class: "mark", "aria-hidden": "true" }, mark), el("span", {}, h1.textContent.trim()));
	byId("what").append(rep.config.method + " ", el("b", {}, rep.url), ", " + rep.started.replace("T", " ").replace(/\.\d+Z$/, " UTC")
		+ ", " + seconds(rep.elapsed_seconds));
	const lines = [...rep.limits_broken, ...rep.notes];
	if (lines.length)
		byId("head").append(el("ul", { class: "notes" }, ...lines.map((l) => el("li", {}, l))));
}

function figure(name, value, unit, sub, bad) {
	return el("div", { class: "figure" + (bad ? " bad" : "") }, el("div", { class: "name" }, name),
		el("div", { class: "value" }, value, unit ? el("small", {}, " " + unit) : null),
		sub ? el("div", { class: "sub" }, sub) : null);
}
function percentileFigure(key, p, name) {
	if (lat[key] === null)
		return null;
	if (p !== null && isMax(lat, p))
		return figure(name, "-", "", "too few requests");
	const [v, unit] = scaled(lat[key]);
	return figure(name, three(v), unit, hasPlan ? "from sending " + time(rep.latency_us_sent[key]) : null);
}
function keyFigures() {
	const from = hasPlan ? " from plan" : "";
	const lags = rep.max_lag_blocks === null ? null
		: figure("Farthest behind", count(rep.max_lag_blocks), rep.max_lag_blocks === 1 ? "block" : "blocks", "of any slot");
	byId("key").append(...[
		figure("Good requests", amount(rep.requests_per_second), "/s", hasPlan ? "planned " + amount(rep.config.rate_from)
			+ (rep.config.rate_to !== rep.config.rate_from ? " to " + amount(rep.config.rate_to) : "") + " /s" : "closed loop"),
		figure("Failed", count(rep.requests_failed), "", share(rep.requests_failed, total) + " of " + count(total), rep.requests_failed > 0),
		percentileFigure("p50", 50, "Median" + from),
		percentileFigure("p99", 99, "p99" + from),
		percentileFigure("p99_9", 99.9, "p99.9" + from),
		percentileFigure("max", null, "Slowest" + from),
		lags,
	].filter(Boolean));
}

/* An interval that was cut short says nothing about the rate. */
function rates(values) {
	const lengths = ser.begin.map((b, i) => ser.end[i] - b).sort((a, b) => a - b);
	const usual = lengths[n >> 1];
	return values.map((v, i) => (n > 1 && ser.end[i] - ser.begin[i] < usual / 4 ? null : v));
}
const highest = (values) => values.reduce((a, b) => Math.max(a, b || 0), 0);

const byName = (a, b) => a.name.localeCompare(b.name, "en", { numeric: true });

function timeCharts() {
	const list = [];
	const ok = rates(ser.ok), failed = rates(ser.failed);
	const rate = [{ name: "good", label: "good", values: ok, style: 1, area: ser.width === 1, summary: "up to " + amount(highest(ok)) + " a second" }];
	if (ser.width > 1)
		Object.assign(rate[0], { low: rates(ser.ok_low), high: rates(ser.ok_high) });
	if (rep.requests_failed)
		rate.push({ name: "failed", label: "failed", values: failed, style: 5, summary: "up to " + amount(highest(failed)) + " a second" });
	list.push(chart({ title: "Requests per second", series: rate, tick: tickAmount, value: amount }));
	const times = [["p50", "p50", 1], ["p99", "p99", 2], ["p999", "p99.9", 3], ["max", "max", 4]];
	if (ser.max.some((v) => v !== null))
		list.push(chart({
			title: "Latency" + (hasPlan ? " from the planned start" : "") + ", log scale", log: true, height: 230, tick: tickTime, value: time,
			series: times.map(([key, name, style]) => ({ name, label: name, values: ser[key], style, summary: "up to " + time(highest(ser[key])) })),
		}));
	if (ser.backlog && highest(ser.backlog))
		list.push(chart({
			title: "Backlog: planned and not sent yet", height: 120, tick: tickAmount, value: amount,
			series: [{ name: "requests", values: ser.backlog, style: 1, area: true, summary: "up to " + amount(highest(ser.backlog)) }],
		}));
	const classes = Object.entries(ser.classes);
	if (classes.length)
		list.push(lanes({
			title: "Errors by class, in each interval", value: (v) => (v ? amount(v) : ""),
			lanes: classes.map(([name, values]) => ({ name, values, text: count(rep.errors[name]) })),
		}));
	if (rep.max_lag_blocks)
		list.push(lanes({
			title: "Blocks behind the best head" + (ser.lags.length < rep.slots.length ? ", the " + ser.lags.length + " slots farthest behind" : ""),
			common: true, value: amount,
			lanes: ser.lags.slice().sort((a, b) => byName(rep.slots[a.slot], rep.slots[b.slot])).map((l) => ({
				name: rep.slots[l.slot].name, values: l.blocks, text: "max " + count(rep.slots[l.slot].max_lag_blocks),
			})),
		}));
	byId("charts").append(...list.map((c) => c.root));
	byId("time").hidden = false;
	byId("time-hint").textContent = (t0 < 0 ? "Shaded at the left: warm-up, which no figure counts. " : "") + (ser.width > 1
		? "Each step stands for " + seconds(ser.end[n >> 1] - ser.begin[n >> 1]) + ": the mean rate with its lowest and highest second shaded, the highest latencies, backlog and lag."
		: "");
	return list;
}

function pointTable() {
	const details = byId("points");
	details.addEventListener("toggle", () => {
		const box = details.querySelector(".scroll");
		if (!details.open || box.firstChild)
			return;
		const heads = ["Seconds", "Good/s", "Failed/s", "p50", "p99", "p99.9", "max"];
		if (ser.backlog)
			heads.push("Backlog");
		box.append(table("Figures over time", heads, ser.begin.map((b, i) => [
			spanText(i), amount(ser.ok[i]), amount(ser.failed[i]), time(ser.p50[i]), time(ser.p99[i]), time(ser.p999[i]), time(ser.max[i]),
			...(ser.backlog ? [amount(ser.backlog[i])] : []),
		])));
	});
}

function percentileTable() {
	const sources = hasPlan ? [["From plan", lat], ["From sending", rep.latency_us_sent]] : [["From sending", lat]];
	const rows = KEYS.map(([key, p]) => [titleOf(key), ...sources.map(([, l]) =>
		(l[key] === null ? "-" : isMax(l, p) ? "max of " + count(l.samples) : time(l[key])))]);
	for (const key of ["max", "mean", "stddev", "min"])
		rows.push([key, ...sources.map(([, l]) => time(l[key]))]);
	byId("percentiles").append(table("Latency percentiles", ["", ...sources.map((s) => s[0])], rows));
}
function latency() {
	const has = (c) => c && c.length > 0;
	if (!has(data.curve.planned) && !has(data.curve.sent))
		return null;
	const series = [];
	if (has(data.curve.planned))
		series.push({ name: "from plan", label: "plan", curve: data.curve.planned, style: 1 });
	if (has(data.curve.sent))
		series.push({ name: "from sending", label: hasPlan ? "sent" : "", curve: data.curve.sent, style: hasPlan ? 2 : 1 });
	byId("latency").hidden = false;
	percentileTable();
	const unanswered = rep.errors.timeout + rep.errors.unsent;
	byId("latency-hint").textContent = (hasPlan ? "From plan: since the request was to leave, so a server that stands still does not hide its queue. " : "")
		+ (unanswered ? count(unanswered) + " requests without an answer are in it with the time that was waited for them. " : "");
	return curveChart(series, Math.max(lat.samples, 1));
}

function errors() {
	const found = Object.entries(rep.errors).filter(([, v]) => v > 0);
	if (!found.length)
		return;
	const rows = found.map(([name, v]) => [name, count(v), share(v, total), data.class_text[name]]);
	for (const [code, v] of Object.entries(rep.statuses))
		rows.splice(rows.findIndex((r) => r[0] === "status") + 1, 0, ["  status " + code, count(v), share(v, total), ""]);
	byId("errors").hidden = false;
	byId("errors").querySelector(".scroll").append(table("Errors", ["Class", "Requests", "Share", "Meaning"], rows, [3]));
}

function slots() {
	if (!data.has_slots)
		return;
	const answers = rep.slots.map((s) => s.requests_ok + s.requests_failed);
	const all = answers.reduce((a, b) => a + b, 0);
	const most = Math.max(...answers, 1);
	const worst = (values) => {
		const known = values.filter((v) => v !== null);
		const max = Math.max(...known), others = known.filter((v) => v !== max);
		return known.length > 1 && others.length && max > 2 * Math.max(...others) && max > 1 ? max : null;
	};
	const columns = ["p50", "p99", "p99_9", "max"];
	const bad = columns.map((k) => worst(rep.slots.map((s) => s.latency_us[k])));
	const badLag = worst(rep.slots.map((s) => s.max_lag_blocks)), badErrors = worst(rep.slots.map((s) => s.requests_failed));
	const cell = (text, isWorst) => el("td", isWorst ? { class: "worst", title: "more than twice that of any other" } : {}, text);
	const order = rep.slots.map((s, i) => i).sort((a, b) => byName(rep.slots[a], rep.slots[b]));
	const rows = order.map((i) => {
		const s = rep.slots[i];
		const bar = el("span", { class: "bar", "aria-hidden": "true" });
		bar.style.width = Math.round(60 * answers[i] / most) + "px";
		return [s.name, el("td", {}, bar, count(answers[i])), share(answers[i], all), cell(count(s.requests_failed), badErrors !== null && s.requests_failed === badErrors),
			...columns.map((k, c) => cell(time(s.latency_us[k]), bad[c] !== null && s.latency_us[k] === bad[c])),
			cell(s.max_lag_blocks === null ? "-" : count(s.max_lag_blocks), badLag !== null && s.max_lag_blocks === badLag)];
	});
	byId("slots").hidden = false;
	byId("slots").querySelector(".scroll").append(table("Slots", ["Slot", "Answers", "Share", "Errors", "p50", "p99", "p99.9", "max", "Lag"], rows));
	byId("slots").querySelector(".hint").textContent = "By X-Served-By. Times from sending, lag in blocks at its worst" + (rep.slots.length > 1 ? "; bold: more than twice that of any other." : ".")
		+ (rep.max_head_age_us === null ? "" : " The oldest head was " + time(rep.max_head_age_us) + " old when it was read.");
}

function run() {
	const c = rep.config, g = rep.generator;
	const plural = (v, word) => count(v) + " " + word + (v === 1 ? "" : "s");
	const rows = [
		["Request", c.method + " " + rep.url],
		["Load", c.rate_from === null ? "closed loop: each request when the one before it was answered"
			: "open loop: planned at " + amount(c.rate_from) + (c.rate_to !== c.rate_from ? " to " + amount(c.rate_to) : "") + " requests/s, "
				+ count(rep.requests_planned) + " planned"],
		["By", plural(c.threads, "thread") + ", " + plural(c.connections, "connection") + (c.pipeline > 1 ? ", pipelines of " + c.pipeline : "")
			+ (c.keep_alive ? "" : ", a new connection for each request") + "; " + count(rep.connects) + " opened" + (c.warmup_seconds ? " after the warm-up" : "")],
		["Time", seconds(rep.sending_seconds) + " of sending" + (c.warmup_seconds ? " after " + seconds(c.warmup_seconds) + " of warm-up that is not counted" : "")
			+ (rep.was_interrupted ? "; interrupted" : "")],
		["Good is", (c.check === "get_info" ? "200 and complete, a get_info whose head does not go back more than " + plural(c.fork_depth, "block") : "200 to 299 and complete")
			+ ", within " + seconds(c.timeout_seconds)],
		["Chain", rep.chain_id],
		["Bytes", count(rep.bytes_in) + " in, " + count(rep.bytes_out) + " out"],
		["Generator", (g.cpu_user_seconds + g.cpu_system_seconds).toFixed(2) + " s of CPU (" + g.cpu_user_seconds.toFixed(2) + " user, "
			+ g.cpu_system_seconds.toFixed(2) + " system" + (g.cpu_spun_seconds >= 0.005 ? "; " + g.cpu_spun_seconds.toFixed(2) + " of it looking out for answers" : "")
			+ "), busiest thread " + Math.round(100 * g.busiest_thread) + " %, "
			+ { other: "ordinary priority", fifo: "real-time priority", "fifo-then-other": "real-time priority, and ordinary since it was too busy for that" }[g.scheduling]
			+ (g.starved === null ? "" : ", waited for a processor for " + (100 * g.starved).toFixed(1) + " % of the time")],
	];
	const lag = rep.schedule_lag_us;
	if (lag && lag.samples)
		rows.push(["Sent late", (isMax(lag, 99) ? "" : "p99 " + time(lag.p99) + ", ") + (isMax(lag, 99.9) ? "" : "p99.9 " + time(lag.p99_9) + ", ")
			+ "max " + time(lag.max) + " after the plan by the generator's own doing: " + (g.left_late ? "too late, the figures are not those of the plan" : "in time")]);
	byId("run").hidden = false;
	byId("run").querySelector("dl").append(...rows.filter((r) => r[1]).flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));
}

verdict();
keyFigures();
const drawn = [];
if (n && total)
	drawn.push(...timeCharts());
pointTable();
const curve = latency();
if (curve)
	drawn.push(curve);
errors();
slots();
run();

let width = 0;
function draw() {
	const now = document.documentElement.clientWidth;
	if (now === width)
		return;
	width = now;
	cursor.set(null);
	for (const d of drawn)
		d.draw();
}
window.addEventListener("resize", draw);
window.addEventListener("beforeprint", draw);
draw();
})();
