// Which of several cameras the tab shows: the one that a person chose, else the one that the status is about.

// `status` an observable with the status, `webcamNamed` a function from a name to OctoPrint's description of that webcam,
// `lamps` the words and icons of verdicts by their names.
window.SpaghettiCameraSwitch = function (status, webcamNamed, lamps) {
    const self = {};
    const BLIND = "blind";
    const chosen = ko.observable(0);

    const at = (place) => status().cameras[place - 1];
    // The name that OctoPrint shows, where it knows the camera.
    const name = (camera) => (webcamNamed(camera.name) || {}).displayName || camera.name;

    self.several = ko.pureComputed(() => status().cameras.length > 1);
    // Numbers alone, so that a button keeps the keyboard's focus while what it shows changes.
    self.places = ko.pureComputed(() => status().cameras.map((camera, index) => index + 1));
    self.shown = ko.pureComputed(() => (at(chosen()) ? chosen() : status().camera));
    self.isShown = (place) => self.shown() === place;
    self.choose = (place) => chosen(place);

    self.camera = ko.pureComputed(() => at(self.shown()));
    self.name = (place) => (at(place) ? name(at(place)) : "");
    self.dot = (place) => "spaghetti_dot spaghetti_is_" + (at(place) ? at(place).verdict : "off");
    self.sentence = (place) => {
        const camera = at(place);
        if (!camera) return "";
        const word = (lamps[camera.verdict] || lamps.off).word;
        if (camera.verdict === BLIND) return _.sprintf(gettext("%(name)s: %(word)s. %(trouble)s"), {name: name(camera), word: word, trouble: camera.trouble});
        if (camera.every_s === null) return _.sprintf(gettext("%(name)s: %(word)s, evidence %(evidence).2f."), {name: name(camera), word: word, evidence: camera.evidence});
        return _.sprintf(gettext("%(name)s: %(word)s, evidence %(evidence).2f, a picture every %(seconds).0f s."), {
            name: name(camera),
            word: word,
            evidence: camera.evidence,
            seconds: camera.every_s
        });
    };

    self.someBlind = ko.pureComputed(() => status().cameras.some((camera) => camera.verdict === BLIND));

    // Who looks at one camera is shown the other one when it is that which sees a failure.
    let alarmed = false;
    status.subscribe((now) => {
        const alarm = ["suspect", "failing"].includes(now.verdict);
        if (alarm && !alarmed) chosen(0);
        alarmed = alarm;
    });
    return self;
};
