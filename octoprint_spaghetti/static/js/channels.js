// The list of channels in the settings: what may be seen of each, how it does, and Test, Add and Remove.
// An address is typed, sent and forgotten; it never comes back from the server.

// How the broker and the channels do changes by itself; while the settings are open it is asked for this often.
const SPAGHETTI_CHANNELS_EVERY_MS = 5000;

window.SpaghettiChannels = function (refuse) {
    const self = {};
    const client = () => OctoPrint.plugins.spaghetti;
    let timer = null;

    self.list = ko.observableArray([]);
    self.mqtt = ko.observable({wanted: false, connected: false, problem: "", password_stored: false});
    self.draft = ko.observable("");
    self.busy = ko.observable(false);
    self.said = ko.observable("");
    self.draft.subscribe(() => {
        refuse("");
        self.said("");
    });

    const take = (answer) => {
        self.list(answer.channels);
        self.mqtt(answer.mqtt);
    };

    const explain = (xhr) => {
        const answer = xhr.responseJSON || {};
        refuse(answer.error || _.sprintf(gettext("That did not work (status %(status)s)."), {status: xhr.status}));
    };

    const during = (request) => {
        self.busy(true);
        self.said("");
        return request.fail(explain).always(() => self.busy(false));
    };

    const test = (channel) => {
        self.said("");
        during(client().testChannel(channel)).done((answer) => {
            self.said(answer.problem || gettext("Sent. Look whether it has arrived."));
            self.load();
        });
    };

    self.load = () => client().channels().done(take);

    self.follow = () => {
        self.rest();
        self.load();
        timer = setInterval(self.load, SPAGHETTI_CHANNELS_EVERY_MS);
    };

    self.rest = () => {
        clearInterval(timer);
        self.draft("");
        self.said("");
    };

    self.add = () =>
        during(client().addChannel(self.draft().trim())).done((answer) => {
            self.draft("");
            take(answer);
        });

    self.remove = (channel) => during(client().removeChannel(channel.id)).done(take);
    self.testStored = (channel) => test({id: channel.id});
    self.testDraft = () => test({address: self.draft().trim()});
    self.forgetPassword = () => during(client().forgetMqttPassword()).done(take);

    // Enter adds the channel instead of testing the chain, which is what the form around it would do.
    self.onKey = (model, event) => {
        if (event.key !== "Enter") return true;
        if (self.draft() && !self.busy()) self.add();
        return false;
    };

    self.labelOf = (what, channel) =>
        _.sprintf(what === "test" ? gettext("Test %(channel)s") : gettext("Remove %(channel)s"), {channel: channel.shown});

    self.state = (channel) => {
        const waiting = channel.waiting ? " " + _.sprintf(gettext("%(count)s waiting."), {count: channel.waiting}) : "";
        if (channel.problem) return channel.problem + waiting;
        if (!channel.succeeded_at) return gettext("Not used yet.") + waiting;
        return _.sprintf(gettext("Worked %(when)s."), {when: formatTimeAgo(channel.succeeded_at)}) + waiting;
    };

    self.mqttState = ko.pureComputed(() => self.mqtt().problem || (self.mqtt().connected ? gettext("Connected.") : ""));

    return self;
};
