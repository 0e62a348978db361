// The list of cameras that are watched beside the first one, and whose picture the ignore zones are drawn on.

// `value` an observable with the list as it is stored, `known` a function that returns the webcams of OctoPrint's settings,
// `first` a function that returns OctoPrint's description of the first one, `firstZones` the observable with the first one's zones.
window.SpaghettiFurtherCameras = function (value, known, first, firstZones) {
    const self = {};
    const MOST = 3;
    // Who writes the settings by hand may name a camera without its zones.
    const cameras = () => (ko.toJS(value()) || []).map((one) => (typeof one === "string" ? {camera: one, zones: []} : one));
    const named = (name) => known().find((one) => one.name === name);
    const isAddress = (camera) => camera.includes("://");
    const text = (camera) => {
        if (isAddress(camera)) return camera;
        const webcam = named(camera);
        return webcam ? webcam.displayName : _.sprintf(gettext("%(name)s (not found)"), {name: camera});
    };
    const change = (edit) => {
        const list = cameras();
        edit(list);
        value(list);
    };

    self.list = ko.pureComputed(() =>
        cameras().map((one, index) => ({
            text: text(one.camera),
            remove: _.sprintf(gettext("Watch %(name)s no more"), {name: text(one.camera)}),
            place: index
        }))
    );
    self.free = ko.pureComputed(() => {
        const taken = [(first() || {}).name, ...cameras().map((one) => one.camera)];
        return known().filter((one) => one.canSnapshot && !taken.includes(one.name));
    });
    self.full = ko.pureComputed(() => cameras().length >= MOST);
    self.wanted = ko.observable("");
    self.address = ko.observable("");

    const add = (camera) => {
        if (camera && !self.full()) change((list) => list.push({camera: camera, zones: []}));
    };
    self.addWebcam = () => {
        add(self.wanted());
        self.wanted("");
    };
    self.addAddress = () => {
        add(self.address().trim());
        self.address("");
    };
    // Enter in the field adds the address; it must not send the form.
    self.onAddressKey = (model, event) => {
        if (event.key !== "Enter") return true;
        self.addAddress();
        return false;
    };
    self.remove = (item) => {
        self.drawnOn(0);
        change((list) => list.splice(item.place, 1));
    };

    // -- the camera on whose picture zones are drawn, 0 for the first one ---------------------------------------------

    self.drawnOn = ko.observable(0);
    self.choices = ko.pureComputed(() =>
        [{place: 0, text: (first() || {}).displayName || gettext("The first camera")}].concat(self.list().map((one) => ({place: one.place + 1, text: one.text})))
    );
    const further = () => cameras()[self.drawnOn() - 1];
    self.webcam = ko.pureComputed(() => (further() ? named(further().camera) : first()));
    self.zones = ko.pureComputed({
        read: () => (further() ? further().zones : firstZones()),
        write: (zones) => {
            const place = self.drawnOn();
            if (place) change((list) => (list[place - 1].zones = zones));
            else firstZones(zones);
        }
    });
    return self;
};
