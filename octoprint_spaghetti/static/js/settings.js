// The settings page: says at each field what is wrong with it, and tries the chain out before anything is saved.

$(function () {
    // gettext is there only once OctoPrint builds its view models, hence functions instead of tables.

    // The chain as the Test button walks it; names as the server reports them.
    const chain = () => [
        {name: "set up", title: gettext("Set up"), hint: gettext("Load what these settings need")},
        {name: "camera", title: gettext("Camera"), hint: gettext("Take one picture")},
        {name: "connect", title: gettext("Connect"), hint: gettext("Reach the detector")},
        {name: "look", title: gettext("Look"), hint: gettext("Get an answer about the picture")},
        {name: "fallback", title: gettext("Fallback"), hint: gettext("Look with this computer, as when no server answers"), optional: true},
        {name: "decide", title: gettext("Decide"), hint: gettext("Would a clear failure be acted on?")},
        {name: "pause", title: gettext("Act"), hint: gettext("Could the print be stopped? Nothing is moved")}
    ];
    // A refusal that comes later than this after a save is of somebody else's; a busy Pi takes its time.
    const SAVING_MS = 30000;
    const ICONS = {
        waiting: "far fa-circle",
        running: "fas fa-spinner fa-pulse",
        passed: "fas fa-check",
        broken: "fas fa-xmark",
        skipped: "fas fa-minus"
    };
    const stateWords = () => ({
        waiting: "",
        running: gettext("under way"),
        passed: gettext("works"),
        broken: gettext("broken"),
        skipped: gettext("not reached")
    });

    const outOfRange = ({low, high, unit}) =>
        _.sprintf(gettext("Must be a number from %(low)s to %(high)s %(unit)s."), {low, high, unit}).replace(" .", ".");

    const noAddress = () => gettext("Each address must be host:port, such as 192.0.2.7:8001, without http://.");

    // What is wrong with a value by the ranges the server gave; the server itself has the last word.
    const CHECKS = {
        number: (value, field) => {
            const number = value === null || value === "" ? NaN : Number(value);
            return number >= field.low && number <= field.high ? "" : outOfRange(field);
        },
        addresses: (value) => ((value || []).every((address) => /^[^\s/]+:\d{1,5}$/.test(address)) ? "" : noAddress())
    };

    const asList = (text) => text.split(/[\s,]+/).filter((part) => part);

    // One setting as the form shows it: its observable, what an input is bound to, and what is wrong with it.
    class Field {
        constructor(name, description, value) {
            this.name = name;
            this.description = description;
            this.value = value;
            this.refusal = ko.observable("");
            this.locked = description.locked || "";
            this.input = description.kind === "addresses" ? this.listAsText() : value;
            this.problem = ko.pureComputed(() => this.refusal() || this.check());
            value.subscribe(() => this.refusal(""));
        }

        check() {
            const check = CHECKS[this.description.kind];
            return check ? check(this.value(), this.description) : "";
        }

        // The text is kept as it was typed, or a comma could never be typed; the list follows it.
        listAsText() {
            const shown = (list) => (list || []).join(", ");
            const typed = ko.observable(shown(this.value()));
            this.value.subscribe((list) => {
                if (!_.isEqual(asList(typed()), list)) typed(shown(list));
            });
            return ko.pureComputed({
                read: typed,
                write: (text) => {
                    typed(text);
                    this.value(asList(text));
                }
            });
        }
    }

    function SpaghettiSettingsViewModel(parameters) {
        const self = this;
        self.settingsViewModel = parameters[0];
        self.loginState = parameters[1];
        self.access = parameters[2];

        const steps = chain();
        const words = stateWords();

        self.fields = {};
        self.tokenStored = ko.observable(false);
        self.running = ko.observable(false);
        self.report = ko.observable(null);
        self.trouble = ko.observable("");

        self.file = SpaghettiSettingsFile();
        self.drill = SpaghettiDrill();
        self.refused = {};

        self.channels = SpaghettiChannels((problem) => self.fields.channels.refusal(problem));
        self.mayTest = ko.pureComputed(() => self.loginState.hasPermission(self.access.permissions.PLUGIN_SPAGHETTI_CONFIGURE));

        self.onBeforeBinding = function () {
            const given = document.getElementById("spaghetti_settings").dataset;
            const stored = self.settingsViewModel.settings?.plugins?.spaghetti || {};
            Object.entries(JSON.parse(given.fields)).forEach(([name, description]) => {
                self.fields[name] = new Field(name, description, stored[name] || ko.observable(description.default));
            });
            self.positions = JSON.parse(given.sensitivity);
            self.further = SpaghettiFurtherCameras(self.fields.also_watched.value, () => SpaghettiWebcams.known(self.settingsViewModel.settings), self.webcam, self.fields.zones.value);
            self.further.drawnOn.subscribe(() => {
                self.zonePicture("");
                self.askForPicture();
            });
            self.zones = SpaghettiZones(self.further.zones, self.further.webcam);
            self.numbers = SpaghettiNumbers(self.fields.numbers.value, JSON.parse(given.numbers), self.usual);
        };

        self.onAfterBinding = function () {
            const locked = Object.values(self.fields).filter((field) => field.locked);
            locked.forEach((field) => document.querySelectorAll(`[data-setting="${field.name}"] :is(input, select, button)`).forEach((input) => (input.disabled = true)));
        };

        // -- the sensitivity ----------------------------------------------------------------------------------------

        self.position = ko.pureComputed(() => {
            const wanted = Math.round(Number(self.fields.sensitivity.value()));
            return self.positions.find((one) => one.sensitivity === wanted) || self.positions[0];
        });

        // Where a number of the judge is when nobody changes it.
        self.usual = (about) => {
            const moved = self.position()[about.name];
            return moved === undefined ? about.default : moved;
        };

        self.levels = ko.pureComputed(() => _.sprintf(gettext("Suspect from evidence %(suspect_at).2f, failing from %(failing_at).2f."), self.position()));

        self.meaning = ko.pureComputed(() => {
            const measured = self.position().measured;
            if (!measured) return gettext("What this means in false pauses is not measured yet.");
            return _.sprintf(
                gettext("In simulated prints: %(rate)s false pauses in 1,000 hours of good prints, %(flawed)s of prints with strings and blobs; %(missed)s %% of the failures are missed, half of the others are paused within %(median)s s, 95 %% within %(late)s s."),
                {
                    rate: measured.interval[1] ? measured.false_pauses_per_1000_h + " (" + measured.interval.join("–") + ")" : _.sprintf(gettext("0 (none of %(prints)s real prints)"), measured),
                    flawed: measured.false_pauses_per_1000_h_of_flawed_prints,
                    missed: Math.round(100 * measured.missed),
                    median: measured.seconds_to_pause,
                    late: measured.seconds_to_pause_p95
                }
            );
        });

        self.sensitivitySpoken = ko.pureComputed(() =>
            _.sprintf(gettext("%(position)d of 9. %(levels)s %(meaning)s"), {
                position: self.position().sensitivity,
                levels: self.levels(),
                meaning: self.meaning()
            })
        );

        // -- the picture on which zones are drawn -------------------------------------------------------------------

        self.zonePicture = ko.observable("");

        self.askForPicture = function () {
            if (!self.loginState.hasPermission(self.access.permissions.PLUGIN_SPAGHETTI_VIEW)) return;
            OctoPrint.plugins.spaghetti.status().done((status) => {
                const place = self.further.drawnOn();
                const camera = status.cameras[place];
                const number = camera ? camera.picture_number : place ? 0 : status.picture_number;
                if (number && !self.zonePicture()) self.zonePicture(OctoPrint.plugins.spaghetti.pictureUrl(number, camera ? place + 1 : 0));
            });
        };

        self.report.subscribe((report) => {
            const place = self.further.drawnOn();
            const picture = report && (place ? report.further_pictures[place - 1] : report.picture);
            if (picture) self.zonePicture(picture);
        });

        // -- cameras ------------------------------------------------------------------------------------------------

        self.cameras = ko.pureComputed(() => {
            const known = SpaghettiWebcams.known(self.settingsViewModel.settings);
            const choices = known.map((camera) => ({
                name: camera.name,
                text: camera.canSnapshot ? camera.displayName : _.sprintf(gettext("%(name)s (takes no snapshots)"), {name: camera.displayName})
            }));
            const chosen = self.fields.camera.value();
            if (chosen && !known.some((camera) => camera.name === chosen)) {
                choices.push({name: chosen, text: _.sprintf(gettext("%(name)s (not found)"), {name: chosen})});
            }
            return [{name: "", text: gettext("OctoPrint's snapshot camera")}].concat(choices);
        });

        self.webcam = ko.pureComputed(() => SpaghettiWebcams.named(self.settingsViewModel.settings, self.fields.camera.value()));

        // -- the token, which only ever goes in ---------------------------------------------------------------------

        self.askForToken = function () {
            OctoPrint.plugins.spaghetti.token().done((answer) => self.tokenStored(answer.stored));
        };

        self.forgetToken = function () {
            OctoPrint.plugins.spaghetti
                .forgetToken()
                .done((answer) => self.tokenStored(answer.stored))
                .fail(() => self.fields.token.refusal(gettext("The token could not be removed.")));
        };

        // -- the test -----------------------------------------------------------------------------------------------

        self.steps = ko.pureComputed(() => {
            const taken = (self.report() || {steps: []}).steps;
            const further = taken.filter((one) => one.name.startsWith("camera ")).map((one) => ({
                name: one.name,
                title: _.sprintf(gettext("Camera %(name)s"), {name: one.name.slice("camera ".length)}),
                hint: gettext("Take one picture")
            }));
            const shown = steps.filter((step) => !step.optional || taken.some((one) => one.name === step.name)).concat(further);
            return shown.map((step) => {
                const found = taken.find((one) => one.name === step.name);
                const state = self.running() ? "running" : found ? (found.problem ? "broken" : "passed") : self.report() ? "skipped" : "waiting";
                return {
                    title: step.title,
                    hint: step.hint,
                    state: state,
                    icon: ICONS[state],
                    word: words[state],
                    ms: found ? _.sprintf(gettext("%(ms).0f ms"), {ms: found.ms}) : ""
                };
            });
        });

        self.passed = ko.pureComputed(() => !!self.report() && self.report().passed);

        self.sentence = ko.pureComputed(() => {
            const report = self.report();
            if (self.trouble() || !report) return self.trouble();
            if (!report.passed) return (report.steps.find((step) => step.problem) || {problem: ""}).problem;
            const works = _.sprintf(gettext("Everything works: one picture (%(size)s) was looked at by %(detector)s, score %(score).2f, %(ms).0f ms in all."), {
                size: formatSize(report.bytes),
                detector: report.detector,
                score: report.score,
                ms: report.steps.reduce((sum, step) => sum + step.ms, 0)
            });
            return [works, report.note].filter((sentence) => sentence).join(" ");
        });

        self.currentValues = function () {
            const given = ([name, value]) => value !== null && value !== undefined && !(name === "token" && value === "");
            const values = Object.values(self.fields).map((field) => [field.name, ko.toJS(field.value)]);
            return Object.fromEntries(values.filter(given));
        };

        self.test = function () {
            if (self.running()) return;
            self.running(true);
            self.report(null);
            self.trouble("");
            OctoPrint.plugins.spaghetti
                .test(self.currentValues())
                .done((report) => self.report(report))
                .fail((xhr) => self.explain(xhr))
                .always(() => self.running(false));
        };

        self.explain = function (xhr) {
            const answer = xhr.responseJSON || {};
            if (answer.setting && self.fields[answer.setting]) self.fields[answer.setting].refusal(answer.error);
            self.trouble(answer.error || _.sprintf(gettext("OctoPrint did not run the test (status %(status)s); its log says why."), {status: xhr.status}));
        };

        // -- OctoPrint's calls --------------------------------------------------------------------------------------

        // What was refused is there again, with its sentence, until it is put right. Other pages hear of the refusal too; what stands
        // there has nothing to do with it, and stays.
        self.onSettingsBeforeSave = function () {
            self.refused = {};
            clearTimeout(self.saving);
            self.saving = setTimeout(() => { self.typed = undefined; }, SAVING_MS);
            self.typed = Object.fromEntries(Object.values(self.fields).map((field) => [field.name, ko.toJS(field.value)]));
        };

        self.showRefused = function () {
            Object.entries(self.refused).forEach(([name, {value, sentence}]) => {
                self.fields[name].value(value);
                self.fields[name].refusal(sentence);
            });
        };

        self.onSettingsShown = function () {
            self.showRefused();
            self.askForPicture();
            self.drill.load();
            self.askForToken();
            self.channels.follow();
        };

        self.onEventSettingsUpdated = function () {
            if (!self.settingsViewModel.isDialogActive()) return;
            self.askForToken();
            self.channels.load();
        };

        self.onSettingsHidden = function () {
            self.report(null);
            self.trouble("");
            self.channels.rest();
            self.file.clear();
            self.zonePicture("");
        };

        self.onDataUpdaterPluginMessage = function (plugin, message) {
            if (plugin !== "spaghetti" || message.type !== "refused") return;
            SpaghettiSentences.translate(message);
            const field = self.fields[message.setting];
            if (field && self.typed) {
                self.refused[field.name] = {value: self.typed[field.name], sentence: message.sentence};
                field.refusal(message.sentence);
            }
            new PNotify({
                title: gettext("Spaghetti: a setting was not saved"),
                text: _.escape(message.sentence),
                type: "error",
                hide: false
            });
        };
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: SpaghettiSettingsViewModel,
        dependencies: ["settingsViewModel", "loginStateViewModel", "accessViewModel"],
        elements: ["#settings_plugin_spaghetti", "#wizard_plugin_spaghetti"]
    });
});
