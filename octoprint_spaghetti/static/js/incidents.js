// The list of incidents in the tab: what happened, its pictures as a clip, what a person says of it, and what to do with it.

(function () {
    // An incident holds up to 16 pictures; a long list would load hundreds at once over the Pi's network.
    const AT_ONCE = 5;
    // Pictures per second of the clip: fast enough to see a tangle grow, slow enough to see what.
    const CLIP_FPS = 4;
    // A picture with a score from here on shows the failure.
    const SHOWS_IT = 0.5;
    // A file that is being saved is held for so long.
    const KEPT_MS = 60000;

    const decimal = (number) => (number === null || number === undefined ? "–" : number.toFixed(2));

    const ends = () => ({
        acted: {text: gettext("paused"), style: "label-warning"},
        failed: {text: gettext("did not pause"), style: "label-important"},
        false_alarm: {text: gettext("false alarm"), style: "label-success"}
    });
    const cancel = () => ({
        acted: {text: gettext("cancelled"), style: "label-warning"},
        failed: {text: gettext("was not cancelled"), style: "label-important"}
    });
    const actions = () => ({
        notify: {text: gettext("told only"), style: "label-info"},
        shadow: {text: gettext("only recorded"), style: "label-info"}
    });

    // How an incident ended, from the last of the states that were noted in it.
    const outcome = (incident) => {
        const last = (incident.states || []).map((one) => one.state).filter((state) => state in ends()).pop();
        const cancels = incident.action === "cancel";
        if (cancels && last && last !== "false_alarm") return cancel()[last];
        if (last) return ends()[last];
        return actions()[incident.action] || {text: cancels ? gettext("cancel ordered") : gettext("pause ordered"), style: "label-warning"};
    };

    const saveAs = (name, content) => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(content);
        link.download = name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
    };

    // The pictures one after the other, from the first to the last and again; they are loaded before it begins.
    class Clip {
        constructor(frames) {
            this.frames = frames;
            this.index = ko.observable(0);
            this.playing = ko.observable(false);
            this.frame = ko.pureComputed(() => frames[this.index()] || {url: "", detections: [], caption: ""});
            this.timer = null;
        }

        play() {
            this.frames.forEach((frame) => (new Image().src = frame.url));
            this.playing(true);
            this.timer = setInterval(() => this.index((this.index() + 1) % this.frames.length), 1000 / CLIP_FPS);
        }

        stop() {
            clearInterval(this.timer);
            this.playing(false);
        }

        toggle() {
            if (this.playing()) this.stop();
            else this.play();
        }
    }

    // One incident of the list; its pictures are loaded when somebody asks for them.
    class Incident {
        constructor(incident, list) {
            const frames = incident.frames || [];
            const last = frames.length ? frames[frames.length - 1].captured_at : 0;
            this.id = incident.id;
            this.list = list;
            this.problem = incident.problem || "";
            this.print = incident.print || "";
            this.explanation = incident.explanation || "";
            this.numbers = incident.evidence === undefined ? "" : _.sprintf(gettext("Evidence %(evidence).2f, failing at %(failing_at).2f."), incident);
            this.time = formatDate(incident.states?.[0]?.at, {seconds: true});
            this.outcome = outcome(incident);
            this.hasPlace = (incident.zone || []).length > 0;
            this.label = ko.observable(incident.label || "");
            this.ignored = ko.observable(false);
            this.frames = frames.map((frame) => ({
                url: OctoPrint.plugins.spaghetti.incidentPictureUrl(incident.id, frame.file),
                detections: frame.detections,
                camera: frame.camera,
                score: frame.score || 0,
                caption: _.sprintf(gettext("%(seconds)+.0f s, score %(score)s"), {seconds: frame.captured_at - last, score: decimal(frame.score)})
            }));
            // As in a message: the newest picture that shows the failure.
            this.cover =
                this.frames.filter((frame) => frame.score >= SHOWS_IT).pop() ||
                this.frames.reduce((best, frame) => (best && best.score >= frame.score ? best : frame), undefined);
            this.clip = new Clip(this.frames);
            this.open = ko.observable(false);
            this.open.subscribe((open) => open || this.clip.stop());
            this.toggleText = ko.pureComputed(() =>
                this.open() ? gettext("Hide the pictures") : _.sprintf(gettext("All %(count)d pictures"), {count: this.frames.length})
            );
            this.zipUrl = OctoPrint.plugins.spaghetti.incidentZipUrl(incident.id);
            this.fetching = ko.observable(false);
        }

        // The server makes the clip now, if it was not made before; a refusal comes in words, which a plain link would save as a file.
        saveClip() {
            this.fetching(true);
            this.list.problem("");
            fetch(OctoPrint.plugins.spaghetti.incidentClipUrl(this.id), {credentials: "same-origin"})
                .then((answer) => (answer.ok ? answer.blob() : answer.json().then((refusal) => Promise.reject(refusal))))
                .then((gif) => saveAs("spaghetti-" + this.id + ".gif", gif))
                .catch((refusal) => this.list.failed({responseJSON: SpaghettiSentences.translate(refusal)}))
                .finally(() => this.fetching(false));
        }

        toggle() {
            this.open(!this.open());
        }

        // The same button again takes the word back.
        say(label) {
            const wanted = this.label() === label ? "" : label;
            OctoPrint.plugins.spaghetti
                .labelIncident(this.id, wanted)
                .done((answer) => this.label(answer.label))
                .fail(this.list.failed);
        }

        sayRight() {
            this.say("right");
        }

        sayWrong() {
            this.say("wrong");
        }

        ignorePlace() {
            OctoPrint.plugins.spaghetti
                .ignorePlace(this.id)
                .done(() => this.ignored(true))
                .fail(this.list.failed);
        }

        remove() {
            showConfirmationDialog({
                message: _.sprintf(gettext("The incident of %(time)s and its pictures are deleted."), {time: this.time}),
                proceed: gettext("Delete"),
                onproceed: () => OctoPrint.plugins.spaghetti.deleteIncident(this.id).done(this.list.use).fail(this.list.failed)
            });
        }
    }

    // `seen` tells whether anybody looks; `webcamNamed` OctoPrint's description of a webcam.
    window.SpaghettiIncidents = function (seen, webcamNamed) {
        const self = {webcamNamed};
        self.all = ko.observableArray([]);
        self.count = ko.observable(AT_ONCE);
        self.problem = ko.observable("");
        self.storage = ko.observable("");
        self.makesClips = ko.observable(true);
        self.some = ko.pureComputed(() => self.all.slice(0, self.count()));
        self.hidden = ko.pureComputed(() => Math.max(0, self.all().length - self.count()));
        self.moreText = ko.pureComputed(() => _.sprintf(gettext("Older ones (%(count)d)"), {count: self.hidden()}));
        self.more = () => self.count(self.count() + AT_ONCE);
        self.labelled = ko.pureComputed(() => self.all().filter((one) => one.label()).length);
        self.trainingUrl = () => OctoPrint.plugins.spaghetti.trainingSetUrl();

        self.failed = (xhr) => self.problem((xhr.responseJSON || {}).error || gettext("That did not work; OctoPrint's log says why."));

        // Pictures that were opened stay open.
        self.use = (answer) => {
            const opened = new Set(self.all().filter((item) => item.open()).map((item) => item.id));
            self.all().forEach((item) => item.clip.stop());
            self.problem("");
            self.makesClips(answer.clips);
            self.storage(_.sprintf(gettext("%(count)d of at most %(kept)d, %(size)s."), {count: answer.incidents.length, kept: answer.kept, size: formatSize(answer.bytes)}));
            self.all(
                answer.incidents.map((incident) => {
                    const item = new Incident(incident, self);
                    item.open(opened.has(item.id));
                    return item;
                })
            );
        };

        self.load = () => {
            if (!seen()) return;
            OctoPrint.plugins.spaghetti
                .incidents()
                .done(self.use)
                .fail(() => self.problem(gettext("The incidents could not be loaded; OctoPrint's log says why.")));
        };

        self.rest = () => self.all().forEach((item) => item.clip.stop());
        return self;
    };
})();
