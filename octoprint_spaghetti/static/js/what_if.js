// What if: a print of the past, judged again while the slider moves.

window.SpaghettiWhatIf = function (current) {
    const self = {};
    const client = () => OctoPrint.plugins.spaghetti;
    // While the slider moves there is one request at a time, and then one for where it stopped.
    let asking = false;
    let again = false;

    self.prints = ko.observableArray([]);
    self.chosen = ko.observable("");
    self.sensitivity = ko.observable(5);
    self.answer = ko.observable(null);
    self.problem = ko.observable("");
    self.busy = ko.observable(false);

    self.open = (model, event) => {
        if (!event.target.open) return;
        self.sensitivity(current());
        client()
            .prints()
            .done((answer) => {
                const chosen = self.chosen();
                self.prints(
                    answer.prints.map((one) => ({
                        id: one.id,
                        text: _.sprintf(gettext("%(print)s, %(time)s"), {print: [one.print || gettext("unnamed"), one.camera].filter((part) => part).join(", "), time: formatDate(one.started_at)})
                    }))
                );
                self.chosen(chosen || (answer.prints[0] || {}).id || "");
                self.ask();
            })
            .fail(self.failed);
    };

    self.failed = (xhr) => self.problem((xhr.responseJSON || {}).error || gettext("That did not work; OctoPrint's log says why."));

    self.ask = () => {
        if (!self.chosen()) return;
        if (asking) {
            again = true;
            return;
        }
        asking = true;
        again = false;
        self.busy(true);
        self.problem("");
        client()
            .whatIf(self.chosen(), self.sensitivity())
            .done(self.answer)
            .fail(self.failed)
            .always(() => {
                asking = false;
                self.busy(false);
                if (again) self.ask();
            });
    };
    self.chosen.subscribe(self.ask);
    self.sensitivity.subscribe(self.ask);

    self.curve = ko.pureComputed(() => (self.answer() || {}).curve || {});
    self.sentence = ko.pureComputed(() => {
        const answer = self.answer();
        if (!answer) return "";
        if (!answer.frames) return gettext("No picture of this print was looked at.");
        if (answer.pauses.length) {
            return _.sprintf(gettext("It would have paused %(time)s into the print."), {time: SpaghettiClock(answer.pauses[0])});
        }
        const most = {highest: answer.highest, level: answer.failing_at};
        if (answer.suspect_s === null) {
            return _.sprintf(gettext("It would not have paused, and was never suspicious: evidence reached %(highest).2f, failing is from %(level).2f."), most);
        }
        return _.sprintf(gettext("It would not have paused; it was suspicious first after %(time)s, and evidence reached %(highest).2f, failing is from %(level).2f."), Object.assign({time: SpaghettiClock(answer.suspect_s)}, most));
    });

    self.changed = ko.pureComputed(() => Number(self.sensitivity()) !== Number(current()));
    self.use = () =>
        OctoPrint.settings
            .savePluginSettings("spaghetti", {sensitivity: Number(self.sensitivity())})
            .done(() => current(Number(self.sensitivity())))
            .fail(self.failed);
    return self;
};
