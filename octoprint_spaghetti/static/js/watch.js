// The watch as a person sees it: the lamp in the navbar, the tab, and the pop-ups.

$(function () {
    const TAB = "#tab_plugin_spaghetti";

    // gettext is there only once OctoPrint builds its view models, hence functions instead of tables.

    const lamps = () => ({
        off: {word: gettext("Off"), icon: "fas fa-eye-slash"},
        warming_up: {word: gettext("Warming up"), icon: "fas fa-hourglass-half"},
        watching: {word: gettext("Watching"), icon: "fas fa-eye"},
        suspect: {word: gettext("Suspect"), icon: "fas fa-circle-question"},
        failing: {word: gettext("Failing"), icon: "fas fa-triangle-exclamation"},
        blind: {word: gettext("Blind"), icon: "fas fa-video-slash"},
        partial: {word: gettext("Partly blind"), icon: "fas fa-eye-low-vision"},
        unprotected: {word: gettext("Unprotected"), icon: "fas fa-link-slash"},
        muted: {word: gettext("Muted"), icon: "fas fa-bell-slash"}
    });

    const protections = () => ({
        remote: gettext("An inference server looks at every picture."),
        local: gettext("This computer looks at every picture."),
        unprotected: gettext("Nobody sees this print.")
    });

    const notices = () => ({
        failure_detected: {title: gettext("The print is failing"), type: "error", hide: false},
        print_paused: {title: gettext("The failing print was paused"), type: "error", hide: false},
        pause_failed: {title: gettext("The pause failed"), type: "error", hide: false},
        print_cancelled: {title: gettext("The failing print was cancelled"), type: "error", hide: false},
        cancel_failed: {title: gettext("The cancel failed"), type: "error", hide: false},
        printer_power: {title: gettext("The printer's power"), type: "notice", hide: false},
        suspicion_lasts: {title: gettext("The print has been suspect for a while"), type: "notice", hide: false},
        protection_changed: {title: gettext("Somebody else looks at the print"), type: "info", hide: true},
        blind: {title: gettext("Nobody sees the print"), type: "notice", hide: false},
        camera_lost: {title: gettext("A camera sees nothing"), type: "notice", hide: false},
        camera_back: {title: gettext("The camera sees again"), type: "success", hide: true},
        seeing_again: {title: gettext("The print is watched again"), type: "success", hide: true}
    });
    // One pop-up tells the story of one thing: a newer notice of the same topic takes the place of the older one.
    const TOPICS = {suspicion_lasts: "failure", failure_detected: "failure", print_paused: "failure", pause_failed: "failure", print_cancelled: "failure", cancel_failed: "failure", blind: "sight", seeing_again: "sight", camera_lost: "camera", camera_back: "camera", protection_changed: "sight"};

    // What is shown until the first status has come.
    const idle = () => ({
        verdict: "off",
        protection: {level: "unprotected", reason: ""},
        sentence: gettext("No print is running."),
        evidence: 0,
        suspect_at: 1,
        failing_at: 1,
        score: null,
        detections: [],
        detector: "",
        frames_sent: 0,
        answers: 0,
        timings_ms: {},
        incident: null,
        picture_number: 0,
        muted: false,
        shadow: false,
        printer_state: "",
        layer: null,
        votes: [],
        rules: [],
        camera: 1,
        cameras: []
    });

    const percent = (fraction) => Math.min(100, Math.max(0, 100 * fraction)).toFixed(1) + "%";
    const decimal = (number) => (number === null || number === undefined ? "–" : number.toFixed(2));

    function SpaghettiWatchViewModel(parameters) {
        const self = this;
        self.settingsViewModel = parameters[0];
        self.loginState = parameters[1];
        self.access = parameters[2];

        const LAMPS = lamps();
        const PROTECTIONS = protections();
        const NOTICES = notices();

        self.status = ko.observable(idle());
        self.tabShown = ko.observable(false);
        self.browserShown = ko.observable(true);
        self.popups = {};

        self.maySee = ko.pureComputed(() => self.loginState.hasPermission(self.access.permissions.PLUGIN_SPAGHETTI_VIEW));
        self.mayAnswer = ko.pureComputed(() => self.loginState.hasPermission(self.access.permissions.PLUGIN_SPAGHETTI_CONTROL));
        self.mayPrint = ko.pureComputed(() => self.loginState.hasPermission(self.access.permissions.PRINT));
        self.mayResume = ko.pureComputed(() => self.mayAnswer() && self.mayPrint());
        self.popover = ko.observable(false);
        self.tabSeen = ko.pureComputed(() => self.tabShown() && self.browserShown() && self.maySee());
        self.visible = ko.pureComputed(() => self.tabSeen() || (self.popover() && self.browserShown() && self.maySee()));
        self.mayDelete = ko.pureComputed(() => self.loginState.hasPermission(self.access.permissions.PLUGIN_SPAGHETTI_CONFIGURE));
        self.mayConfigure = ko.pureComputed(() => self.loginState.hasPermission(self.access.permissions.SETTINGS));
        self.webcamNamed = (name) => SpaghettiWebcams.named(self.settingsViewModel.settings, name);
        self.cameras = SpaghettiCameraSwitch(self.status, self.webcamNamed, LAMPS);
        self.history = SpaghettiHistory(self.tabSeen);
        const usual = ko.observable(5);
        self.whatIf = SpaghettiWhatIf(
            ko.pureComputed({
                read: () => ko.unwrap(self.settingsViewModel.settings?.plugins?.spaghetti?.sensitivity) ?? usual(),
                write: (value) => (self.settingsViewModel.settings?.plugins?.spaghetti?.sensitivity || usual)(value)
            })
        );
        self.incidents = SpaghettiIncidents(self.tabSeen, self.webcamNamed);

        // -- the lamp -----------------------------------------------------------------------------------------------

        self.state = ko.pureComputed(() => {
            const status = self.status();
            const calm = ["warming_up", "watching"].includes(status.verdict);
            if (calm && status.protection.level === "unprotected") return "unprotected";
            if (calm && self.cameras.someBlind()) return "partial";
            return status.muted && calm ? "muted" : status.verdict;
        });
        self.lamp = ko.pureComputed(() => LAMPS[self.state()] || LAMPS.off);
        self.lampClass = ko.pureComputed(() => "spaghetti_lamp spaghetti_is_" + self.state());
        self.lampTitle = ko.pureComputed(() => _.sprintf(gettext("Spaghetti: %(word)s. %(sentence)s"), {word: self.lamp().word, sentence: self.status().sentence}));

        const popover = () => document.getElementById("spaghetti_popover");
        const lampElement = () => document.getElementById("spaghetti_lamp");

        self.togglePopover = () => (self.popover() ? self.closePopover() : self.openPopover());
        self.openPopover = function () {
            self.popover(true);
            popover().focus();
        };
        self.closePopover = function () {
            const inside = popover().contains(document.activeElement);
            self.popover(false);
            if (inside) lampElement().focus();
        };
        self.onPopoverKey = function (model, event) {
            if (event.key !== "Escape") return true;
            self.closePopover();
            return false;
        };
        document.addEventListener("click", (event) => {
            const kept = [popover(), lampElement()].some((element) => !element || element.contains(event.target));
            if (self.popover() && !kept) self.popover(false);
        });

        self.showTab = function () {
            self.popover(false);
            $('#tabs a[href="' + TAB + '"]').tab("show");
            // In a phone's layout the tabs stand far below the fold.
            const tab = document.querySelector(TAB);
            if (tab.getBoundingClientRect().top > window.innerHeight / 2) tab.scrollIntoView();
        };

        // -- the tab ------------------------------------------------------------------------------------------------

        self.watched = ko.pureComputed(() => self.status().verdict !== "off");
        self.chosenCamera = ko.pureComputed(() => ko.unwrap(self.settingsViewModel.settings?.plugins?.spaghetti?.camera) || "");

        // The picture that is shown stays when the tab is left; nothing is loaded until somebody looks again.
        const nothing = {number: 0, place: 0, detections: [], name: ""};
        self.latest = ko.observable(nothing); // the one that the status is about
        self.chosen = ko.observable(nothing); // the one of the camera that the tab shows
        self.follow = function () {
            const status = self.status();
            if (!self.visible()) return;
            const named = (place) => (place > 1 ? (status.cameras[place - 1] || {}).name : self.chosenCamera());
            const place = self.cameras.several() ? status.camera : 0;
            self.latest({number: status.picture_number, place: place, detections: status.detections, name: named(place)});
            const camera = self.cameras.camera();
            const shown = self.cameras.shown();
            self.chosen(camera ? {number: camera.picture_number, place: shown, detections: camera.detections, name: named(shown)} : self.latest());
        };
        const pictured = (shown) => ({
            url: shown.number ? OctoPrint.plugins.spaghetti.pictureUrl(shown.number, shown.place) : "",
            detections: shown.detections,
            camera: self.webcamNamed(shown.name),
            alt: gettext("The last picture that was looked at")
        });
        self.picture = ko.pureComputed(() => pictured(self.latest()));
        self.chosenPicture = ko.pureComputed(() => pictured(self.chosen()));

        self.evidence = ko.pureComputed(() => {
            const status = self.status();
            return {
                width: percent(status.evidence),
                suspect: percent(status.suspect_at),
                failing: percent(status.failing_at),
                failingFar: status.failing_at > 0.65,
                now: status.evidence.toFixed(2),
                text: _.sprintf(gettext("Evidence %(now).2f, suspect at %(suspect).2f, failing at %(failing).2f"), {
                    now: status.evidence,
                    suspect: status.suspect_at,
                    failing: status.failing_at
                }),
                suspectText: _.sprintf(gettext("suspect %(level).2f"), {level: status.suspect_at}),
                failingText: _.sprintf(gettext("failing %(level).2f"), {level: status.failing_at})
            };
        });

        self.protected = ko.pureComputed(() => self.watched() && self.status().protection.level !== "unprotected");
        self.protection = ko.pureComputed(() => {
            const status = self.status();
            if (!self.watched()) return gettext("Nothing prints, so nobody looks.");
            return PROTECTIONS[status.protection.level] + (status.protection.reason ? " " + status.protection.reason : "");
        });

        self.score = ko.pureComputed(() => decimal(self.status().score));

        self.facts = ko.pureComputed(() => {
            const status = self.status();
            const times = status.timings_ms;
            const took = (step) => (step in times ? _.sprintf(gettext("%(ms).0f ms"), {ms: times[step]}) : "–");
            return [
                {name: gettext("Score"), value: decimal(status.score)},
                {name: gettext("Layer"), value: status.layer || "–"},
                {name: gettext("Series that agree"), value: status.votes.length ? _.sprintf(gettext("%(yes)d of %(all)d"), {yes: status.votes.filter((vote) => vote).length, all: status.votes.length}) : "–"},
                {name: gettext("Looked at by"), value: status.detector || "–"},
                {name: gettext("Camera took"), value: took("capture")},
                {name: gettext("Answer took"), value: took("look")},
                {name: gettext("Answers"), value: _.sprintf(gettext("%(answers)d of %(sent)d"), {answers: status.answers, sent: status.frames_sent})}
            ];
        });

        // -- answering ----------------------------------------------------------------------------------------------

        self.alarmed = ko.pureComputed(() => ["suspect", "failing"].includes(self.status().verdict));
        self.muteText = ko.pureComputed(() => (self.status().muted ? gettext("Act on this print again") : gettext("Mute for this print")));
        self.falseAlarm = () => OctoPrint.plugins.spaghetti.falseAlarm().fail(self.answerFailed);
        self.toggleMute = () => OctoPrint.plugins.spaghetti.mute(!self.status().muted).fail(self.answerFailed);
        self.pausable = ko.pureComputed(() => self.mayPrint() && self.status().printer_state === "PRINTING");
        self.resumable = ko.pureComputed(() => self.mayPrint() && self.status().printer_state === "PAUSED");
        self.pause = () => OctoPrint.job.pause().fail(self.answerFailed);
        self.resume = () => OctoPrint.job.resume().fail(self.answerFailed);
        self.answerFailed = () => new PNotify({title: gettext("That did not work"), text: gettext("OctoPrint's log says why."), type: "error"});

        // -- pop-ups ------------------------------------------------------------------------------------------------

        self.tell = function (message) {
            const notice = NOTICES[message.kind];
            if (!notice) return;
            const about = TOPICS[message.kind];
            const topic = about === "camera" ? about + " " + message.camera : about; // that one is back says nothing of another
            if (self.popups[topic]) self.popups[topic].remove();
            self.popups[topic] = new PNotify(Object.assign({}, notice, {text: _.escape(message.sentence), buttons: {sticker: false}}));
        };

        // -- OctoPrint's calls --------------------------------------------------------------------------------------

        self.refresh = function () {
            if (!self.maySee()) return;
            OctoPrint.plugins.spaghetti.status().done(self.status);
        };

        self.onStartupComplete = self.onDataUpdaterReconnect = self.onUserPermissionsChanged = function () {
            self.tabShown(OctoPrint.coreui.selectedTab === TAB);
            self.refresh();
            self.history.load();
        };

        self.onTabChange = (current) => self.tabShown(current === TAB);
        self.onBrowserTabVisibilityChange = (shown) => self.browserShown(shown);

        self.onDataUpdaterPluginMessage = function (plugin, message) {
            if (plugin !== "spaghetti") return;
            SpaghettiSentences.translate(message);
            if (message.type === "status") {
                self.status(message.status);
                self.history.add(message.status, message.seconds);
            }
            if (message.type === "notice") {
                self.tell(message);
                self.incidents.load();
            }
        };

        self.status.subscribe(self.follow);
        self.visible.subscribe(self.follow);
        self.cameras.shown.subscribe(self.follow);
        self.tabSeen.subscribe((seen) => {
            if (!seen) {
                self.history.forget();
                self.incidents.rest();
                return;
            }
            self.history.load();
            self.incidents.load();
        });
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: SpaghettiWatchViewModel,
        dependencies: ["settingsViewModel", "loginStateViewModel", "accessViewModel"],
        elements: ["#navbar_plugin_spaghetti", "#tab_plugin_spaghetti_link", TAB]
    });
});
