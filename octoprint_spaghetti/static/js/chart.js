// Binding spaghettiChart: the evidence of a print against both levels, drawn with flot, which OctoPrint ships.
//
//     <div data-bind="spaghettiChart: {curve: curve, text: text, height: 200}"></div>
//
// `curve` {points: [[seconds, evidence, score, suspect_at, failing_at]], stretches: [{kind, since, until}],
// layers: [[seconds, layer]], pauses: [seconds]}; `text` says the same to who cannot see it.

(function () {
    const COLORS = {
        evidence: "#1f6fb2",
        score: "rgba(110, 110, 110, 0.45)",
        suspect_at: "#a85a00",
        failing_at: "#b3261e",
        burst: "rgba(255, 170, 60, 0.28)",
        paused: "rgba(120, 120, 120, 0.28)",
        blind: "rgba(20, 20, 20, 0.45)",
        layer: "rgba(90, 90, 90, 0.35)",
        pause: "#b3261e"
    };
    // Of many layers so many are marked at most; more would be a grey bar.
    const MOST_LAYERS = 40;
    // Room for one label on the axis of time, and the steps at which a person expects one, in seconds.
    const TICK_PX = 90;
    const STEPS = [5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

    const clock = (seconds) => {
        const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), Math.round(seconds % 60)];
        const two = (number) => String(number).padStart(2, "0");
        if (h) return h + ":" + two(m) + " h";
        return m ? m + (s ? ":" + two(s) : "") + " min" : s + " s";
    };
    window.SpaghettiClock = clock;

    const series = (points, column, options) => Object.assign({data: points.map((point) => [point[0], point[column]]), shadowSize: 0}, options);

    const markings = (curve, end) => {
        const stretches = (curve.stretches || []).map((one) => ({
            color: COLORS[one.kind],
            xaxis: {from: one.since, to: one.until === null ? end : one.until}
        }));
        const every = Math.ceil((curve.layers || []).length / MOST_LAYERS);
        const layers = (curve.layers || [])
            .filter((one, index) => index % every === 0)
            .map(([at]) => ({color: COLORS.layer, lineWidth: 1, xaxis: {from: at, to: at}, yaxis: {from: 0, to: 0.05}}));
        const pauses = (curve.pauses || []).map((at) => ({color: COLORS.pause, lineWidth: 2, xaxis: {from: at, to: at}}));
        return stretches.concat(layers, pauses);
    };

    const ticks = (end, width) => {
        const most = Math.max(2, Math.floor(width / TICK_PX));
        const step = STEPS.find((seconds) => end / seconds <= most) || 86400;
        return _.range(0, end + 1, step);
    };

    const draw = (element, curve) => {
        const points = curve.points || [];
        if (!element.clientWidth || !points.length) return;
        const end = Math.max(points[points.length - 1][0], 1);
        const top = Math.max(1, ...points.map((point) => Math.max(point[1], point[4])));
        $.plot(
            element,
            [
                series(points, 2, {color: COLORS.score, lines: {lineWidth: 1}}),
                series(points, 3, {color: COLORS.suspect_at, lines: {show: false}, dashes: {show: true, lineWidth: 1.5, dashLength: [4, 4]}}),
                series(points, 4, {color: COLORS.failing_at, lines: {show: false}, dashes: {show: true, lineWidth: 1.5, dashLength: [9, 4]}}),
                series(points, 1, {color: COLORS.evidence, lines: {lineWidth: 2, fill: 0.15}})
            ],
            {
                xaxis: {min: 0, max: end, ticks: ticks(end, element.clientWidth), tickFormatter: clock},
                yaxis: {min: 0, max: top, ticks: 4, tickDecimals: 2, labelWidth: 28},
                grid: {markings: markings(curve, end), borderWidth: 1, borderColor: "#ccc", color: "#6b6b6b"},
                legend: {show: false}
            }
        );
    };

    ko.bindingHandlers.spaghettiChart = {
        init: (element) => {
            element.classList.add("spaghetti_chart");
            element.setAttribute("role", "img");
            const watcher = new ResizeObserver(() => draw(element, element.spaghettiCurve || {}));
            watcher.observe(element);
            ko.utils.domNodeDisposal.addDisposeCallback(element, () => watcher.disconnect());
            return {controlsDescendantBindings: true};
        },
        update: (element, valueAccessor) => {
            const value = ko.unwrap(valueAccessor());
            element.setAttribute("aria-label", ko.unwrap(value.text) || "");
            element.spaghettiCurve = ko.unwrap(value.curve) || {};
            draw(element, element.spaghettiCurve);
        }
    };
})();
