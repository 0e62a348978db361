// The editor of ignore zones: polygons drawn on a picture of the camera, with the mouse, a finger or the keyboard.
//
//     <div data-bind="spaghettiZones: editor"></div>   over a picture, in a box of the same size
//
// Zones are kept in fractions of the picture as the camera takes it; they are shown the way up in which OctoPrint shows it.

(function () {
    const SVG = "http://www.w3.org/2000/svg";
    // Inner width of the drawing, in its own units; the height follows from the picture.
    const UNITS = 1000;
    // An arrow key moves a corner by this share of the picture, with Shift by a tenth of it.
    const STEP = 0.02;
    // Where a zone stands that was added without drawing.
    const RECTANGLE = [[0.35, 0.35], [0.65, 0.35], [0.65, 0.65], [0.35, 0.65]];
    const LEAST_CORNERS = 3;
    const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

    const clamped = (value) => Math.min(1, Math.max(0, value));
    const rounded = (point) => point.map((value) => Math.round(1e4 * clamped(value)) / 1e4);

    // `value` an observable with the list of zones, `camera` a function that returns OctoPrint's description of the webcam.
    window.SpaghettiZones = function (value, camera) {
        const self = {};
        self.zones = ko.pureComputed(() => ko.toJS(value()) || []);
        self.draft = ko.observableArray([]);
        self.view = ko.pureComputed(() => SpaghettiWebcams.view(camera()));
        self.said = ko.observable("");

        const shown = (point) => SpaghettiWebcams.toShown(point, self.view());
        const taken = (point) => rounded(SpaghettiWebcams.toTaken(point, self.view()));
        const change = (edit) => {
            const zones = self.zones();
            edit(zones);
            value(zones);
        };

        self.shownZones = ko.pureComputed(() => self.zones().map((zone) => zone.map(shown)));
        self.shownDraft = ko.pureComputed(() => self.draft().map(shown));
        self.drawing = ko.pureComputed(() => self.draft().length > 0);
        self.closable = ko.pureComputed(() => self.draft().length >= LEAST_CORNERS);

        self.add = (point) => {
            self.draft.push(taken(point));
            self.said(_.sprintf(gettext("Corner %(number)d."), {number: self.draft().length}));
        };
        self.undo = () => self.draft.pop();
        self.close = () => {
            if (!self.closable()) return;
            change((zones) => zones.push(self.draft()));
            self.draft([]);
            self.said(gettext("Zone closed."));
        };
        self.addRectangle = () => {
            change((zones) => zones.push(RECTANGLE.map(taken)));
            self.said(gettext("A zone was added in the middle; move its corners."));
        };
        self.remove = (item) => change((zones) => zones.splice(item.number - 1, 1));
        self.move = (zone, corner, point) => change((zones) => (zones[zone][corner] = taken(point)));
        self.removeCorner = (zone, corner) =>
            change((zones) => {
                if (zones[zone].length > LEAST_CORNERS) zones[zone].splice(corner, 1);
                else zones.splice(zone, 1);
            });
        self.list = ko.pureComputed(() =>
            self.zones().map((zone, index) => ({
                number: index + 1,
                text: _.sprintf(gettext("Zone %(number)d, %(corners)d corners"), {number: index + 1, corners: zone.length}),
                remove: _.sprintf(gettext("Delete zone %(number)d"), {number: index + 1})
            }))
        );
        return self;
    };

    const draw = (parent, name, attributes) => {
        const shape = document.createElementNS(SVG, name);
        Object.entries(attributes).forEach(([key, value]) => shape.setAttribute(key, value));
        parent.appendChild(shape);
        return shape;
    };

    ko.bindingHandlers.spaghettiZones = {
        init: (element, valueAccessor) => {
            const editor = valueAccessor();
            const svg = draw(element, "svg", {preserveAspectRatio: "none", role: "group", "aria-label": gettext("Ignore zones")});
            let dragged = null;

            const height = () => (UNITS * element.clientHeight) / Math.max(1, element.clientWidth);
            // A corner is as large as a fingertip needs it, however small the picture is.
            const pixels = (count) => (count * UNITS) / Math.max(1, element.clientWidth);
            const place = ([x, y]) => [x * UNITS, y * height()];
            const points = (corners) => corners.map((corner) => place(corner).join(",")).join(" ");
            const pointOf = (event) => {
                const room = svg.getBoundingClientRect();
                return [clamped((event.clientX - room.left) / room.width), clamped((event.clientY - room.top) / room.height)];
            };

            const handle = (corner, zone, index) => {
                const [cx, cy] = place(corner);
                const dot = draw(svg, "circle", {
                    cx,
                    cy,
                    r: pixels(8),
                    class: "spaghetti_corner",
                    tabindex: 0,
                    role: "button",
                    "aria-label": _.sprintf(gettext("Zone %(zone)d, corner %(corner)d at %(x)d %% from the left, %(y)d %% from the top"), {
                        zone: zone + 1,
                        corner: index + 1,
                        x: Math.round(100 * corner[0]),
                        y: Math.round(100 * corner[1])
                    }),
                    "data-corner": zone + "." + index
                });
                dot.addEventListener("pointerdown", (event) => {
                    event.preventDefault();
                    dragged = {zone, index};
                    svg.setPointerCapture(event.pointerId);
                });
                dot.addEventListener("keydown", (event) => {
                    const arrow = ARROWS[event.key];
                    const gone = event.key === "Delete" || event.key === "Backspace";
                    if (!arrow && !gone) return;
                    event.preventDefault();
                    event.stopPropagation();
                    const step = event.shiftKey ? STEP / 10 : STEP;
                    if (gone) editor.removeCorner(zone, index);
                    else editor.move(zone, index, [clamped(corner[0] + step * arrow[0]), clamped(corner[1] + step * arrow[1])]);
                });
            };

            const render = () => {
                const focused = svg.contains(document.activeElement) ? document.activeElement.dataset.corner : null;
                const [zones, draft] = [editor.shownZones(), editor.shownDraft()];
                if (!element.clientWidth) return;
                svg.setAttribute("viewBox", "0 0 " + UNITS + " " + height());
                svg.replaceChildren();
                zones.forEach((zone) => draw(svg, "polygon", {points: points(zone), class: "spaghetti_zone"}));
                if (draft.length) draw(svg, "polyline", {points: points(draft), class: "spaghetti_draft"});
                draft.forEach((corner, index) => {
                    const [cx, cy] = place(corner);
                    draw(svg, "circle", {cx, cy, r: pixels(index ? 4 : 8), class: "spaghetti_draft_corner"});
                });
                zones.forEach((zone, number) => zone.forEach((corner, index) => handle(corner, number, index)));
                if (focused) svg.querySelector('[data-corner="' + focused + '"]')?.focus();
            };

            svg.addEventListener("pointermove", (event) => {
                if (dragged) editor.move(dragged.zone, dragged.index, pointOf(event));
            });
            svg.addEventListener("pointerup", () => (dragged = null));
            svg.addEventListener("pointercancel", () => (dragged = null));
            svg.addEventListener("pointerdown", (event) => {
                if (event.button !== 0 || event.target.classList.contains("spaghetti_corner")) return;
                const point = pointOf(event);
                const first = editor.shownDraft()[0];
                const near = first && Math.hypot((first[0] - point[0]) * UNITS, (first[1] - point[1]) * height()) < pixels(14);
                if (near && editor.closable()) editor.close();
                else editor.add(point);
            });

            const drawing = ko.computed(render);
            const watcher = new ResizeObserver(render);
            watcher.observe(element);
            ko.utils.domNodeDisposal.addDisposeCallback(element, () => {
                drawing.dispose();
                watcher.disconnect();
            });
            return {controlsDescendantBindings: true};
        }
    };
})();
