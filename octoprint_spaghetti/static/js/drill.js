// The fire drill in the settings: hold one, and what the last one found.

window.SpaghettiDrill = function () {
    const self = {};
    const client = () => OctoPrint.plugins.spaghetti;

    self.report = ko.observable(null);
    self.trouble = ko.observable("");
    self.busy = ko.observable(false);

    self.passed = ko.pureComputed(() => !self.trouble() && !!self.report() && self.report().passed);
    self.sentence = ko.pureComputed(() => self.trouble() || (self.report() || {sentence: ""}).sentence);
    self.links = ko.pureComputed(() => (self.report() || {links: []}).links);
    self.when = ko.pureComputed(() => (self.report() ? _.sprintf(gettext("The last one: %(when)s."), {when: formatTimeAgo(self.report().at)}) : ""));

    self.load = () => client().lastDrill().done(self.report);

    self.hold = () => {
        self.busy(true);
        self.trouble("");
        client()
            .holdDrill()
            .done(self.report)
            .fail((xhr) => self.trouble((xhr.responseJSON || {}).error || gettext("That did not work; OctoPrint's log says why.")))
            .always(() => self.busy(false));
    };

    return self;
};
