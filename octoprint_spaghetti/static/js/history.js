// The curve of the print: loaded once, then grown by what is pushed.

window.SpaghettiHistory = function (visible) {
    const self = {};
    const empty = () => ({over: true, points: [], stretches: [], layers: []});
    const kindOf = (status) => {
        if (["PAUSED", "PAUSING"].includes(status.printer_state)) return "paused";
        if (status.verdict === "blind") return "blind";
        return ["suspect", "failing"].includes(status.verdict) ? "burst" : "";
    };
    // The server keeps half as many, thinned; when the page has grown to so many it takes those.
    const MOST_POINTS = 2400;
    let loaded = false;

    self.curve = ko.observable(empty());
    self.any = ko.pureComputed(() => self.curve().points.length > 1);

    self.load = () => {
        if (!visible()) return;
        OctoPrint.plugins.spaghetti.history().done((answer) => {
            loaded = true;
            self.curve(answer);
        });
    };
    // What was pushed while nobody looked is loaded when somebody looks again.
    self.forget = () => (loaded = false);

    const stretched = (stretches, kind, at) => {
        const last = stretches[stretches.length - 1];
        const lasting = last && last.until === null ? last : null;
        if ((lasting ? lasting.kind : "") === kind) return;
        if (lasting) lasting.until = at;
        if (kind) stretches.push({kind: kind, since: at, until: null});
    };

    // `seconds` since the print began, null when none has.
    self.add = (status, seconds) => {
        if (!loaded || !visible() || seconds === null || seconds === undefined) return;
        const curve = self.curve();
        const points = curve.points;
        const off = status.verdict === "off";
        if (curve.over !== off || points.length >= MOST_POINTS || (points.length && seconds < points[points.length - 1][0])) {
            self.load();
            return;
        }
        if (off) return;
        const kind = kindOf(status);
        stretched(curve.stretches, kind, seconds);
        const layer = curve.layers[curve.layers.length - 1];
        if (status.layer && (!layer || layer[1] !== status.layer)) curve.layers.push([seconds, status.layer]);
        if (kind !== "paused") points.push([seconds, status.evidence, status.score, status.suspect_at, status.failing_at]);
        self.curve(curve);
    };

    self.text = ko.pureComputed(() => {
        const {points, stretches} = self.curve();
        if (!points.length) return "";
        const highest = points.reduce((best, point) => (point[1] > best[1] ? point : best));
        const count = (kind) => stretches.filter((one) => one.kind === kind).length;
        return _.sprintf(gettext("Evidence over %(time)s: now %(now).2f, highest %(highest).2f after %(at)s; verified %(bursts)d times, paused %(pauses)d times."), {
            time: SpaghettiClock(points[points.length - 1][0]),
            now: points[points.length - 1][1],
            highest: highest[1],
            at: SpaghettiClock(highest[0]),
            bursts: count("burst"),
            pauses: count("paused")
        });
    });

    return self;
};
