// The webcams as OctoPrint's settings describe them, for the drop-down and for the way up of a picture.

window.SpaghettiWebcams = {
    // Returns plain objects with name, displayName, canSnapshot, flipH, flipV, rotate90; none without the right to see them.
    known(settings) {
        const webcam = ko.unwrap((settings || {}).webcam) || {};
        return (ko.unwrap(webcam.webcams) || []).map((one) => ko.toJS(one));
    },

    // Returns the webcam of that name, or the one OctoPrint takes snapshots with when the name is empty; undefined when unknown.
    named(settings, name) {
        const webcam = ko.unwrap((settings || {}).webcam) || {};
        const wanted = name || ko.unwrap(webcam.snapshotWebcam);
        return this.known(settings).find((one) => one.name === wanted);
    },

    // Returns how OctoPrint shows that webcam: flipped first, then turned by 90 degrees counter-clockwise.
    view(camera) {
        const is = (key) => !!ko.unwrap((camera || {})[key]);
        return {flipH: is("flipH"), flipV: is("flipV"), turned: is("rotate90")};
    },

    // Returns where a point of the picture as taken is seen; points are [x, y] in fractions, from the top left.
    toShown([x, y], {flipH, flipV, turned}) {
        const [u, v] = [flipH ? 1 - x : x, flipV ? 1 - y : y];
        return turned ? [v, 1 - u] : [u, v];
    },

    // Returns where a point that somebody sees lies on the picture as taken.
    toTaken([x, y], {flipH, flipV, turned}) {
        const [u, v] = turned ? [1 - y, x] : [x, y];
        return [flipH ? 1 - u : u, flipV ? 1 - v : v];
    }
};
