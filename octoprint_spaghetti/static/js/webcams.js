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
    }
};
