// OctoPrint.plugins.spaghetti: the one place that knows the plugin's URLs.

(function (global, factory) {
    if (typeof define === "function" && define.amd) {
        define(["OctoPrintClient"], factory);
    } else {
        factory(global.OctoPrintClient);
    }
})(this, function (OctoPrintClient) {
    // Whoever asks gets the answer, or the refusal, in the language of the page.
    const translated = (request) =>
        request.done((answer) => SpaghettiSentences.translate(answer)).fail((xhr) => SpaghettiSentences.translate(xhr.responseJSON));
    const speaking = (base) => {
        const spoken = Object.create(base);
        ["get", "postJson", "delete"].forEach((verb) => (spoken[verb] = (...given) => translated(base[verb](...given))));
        return spoken;
    };

    class SpaghettiClient {
        constructor(base) {
            this.base = speaking(base);
        }

        url(path) {
            return this.base.getBlueprintUrl("spaghetti") + path;
        }

        status() {
            return this.base.get(this.url("status"));
        }

        // The curve of the print that runs, or of the last one.
        history() {
            return this.base.get(this.url("history"));
        }

        // The prints of which there is a record.
        prints() {
            return this.base.get(this.url("prints"));
        }

        // What would have come of a print at another sensitivity.
        whatIf(print, sensitivity) {
            return this.base.get(this.url("prints/" + encodeURIComponent(print) + "/what_if?sensitivity=" + encodeURIComponent(sensitivity)));
        }

        // A number in the address lets the browser tell one picture from the next; `camera` is its place from 1, where there are several.
        pictureUrl(number, camera) {
            return this.url("frame.jpg?n=" + encodeURIComponent(number) + (camera ? "&camera=" + encodeURIComponent(camera) : ""));
        }

        incidents() {
            return this.base.get(this.url("incidents"));
        }

        incidentPictureUrl(incident, file) {
            return this.url("incidents/" + encodeURIComponent(incident) + "/" + encodeURIComponent(file));
        }

        incidentZipUrl(incident) {
            return this.url("incidents/" + encodeURIComponent(incident) + ".zip");
        }

        // A GIF; the server makes it when it is asked for the first time, which may take seconds.
        incidentClipUrl(incident) {
            return this.url("incidents/" + encodeURIComponent(incident) + ".gif");
        }

        trainingSetUrl() {
            return this.url("training_set.zip");
        }

        // `label` is "right", "wrong" or "".
        labelIncident(incident, label) {
            return this.base.postJson(this.url("incidents/" + encodeURIComponent(incident) + "/label"), {label: label});
        }

        ignorePlace(incident) {
            return this.base.postJson(this.url("incidents/" + encodeURIComponent(incident) + "/ignore"), {});
        }

        deleteIncident(incident) {
            return this.base.delete(this.url("incidents/" + encodeURIComponent(incident)));
        }

        // Forgives what was seen and lets the print go on.
        falseAlarm() {
            return this.base.postJson(this.url("false_alarm"), {});
        }

        mute(on) {
            return this.base.postJson(this.url("mute"), {on: on});
        }

        // Sends one picture through the chain with these settings over the stored ones; nothing is saved.
        test(settings) {
            return this.base.postJson(this.url("test"), settings);
        }

        // The stored settings without secrets, as a file is written from them.
        exportSettings() {
            return this.base.get(this.url("settings"));
        }

        // Answers {"saved": [names], "refused": [{setting, sentence}]}.
        importSettings(content) {
            return this.base.postJson(this.url("settings"), content);
        }

        resetSettings() {
            return this.base.delete(this.url("settings"));
        }

        // Answers {"stored": bool}; the token itself never comes back.
        token() {
            return this.base.get(this.url("token"));
        }

        forgetToken() {
            return this.base.delete(this.url("token"));
        }

        // The report of the last fire drill, or null.
        lastDrill() {
            return this.base.get(this.url("drill"));
        }

        // Takes seconds, up to a minute when a channel hangs.
        holdDrill() {
            return this.base.postJson(this.url("drill"), {});
        }

        // Answers how each channel and the broker do; addresses and passwords never come back.
        channels() {
            return this.base.get(this.url("channels"));
        }

        addChannel(address) {
            return this.base.postJson(this.url("channels"), {address: address});
        }

        removeChannel(id) {
            return this.base.delete(this.url("channels/" + encodeURIComponent(id)));
        }

        // Sends a test message to a stored channel ({id}) or to a new one ({address}); answers {"problem": sentence}.
        testChannel(channel) {
            return this.base.postJson(this.url("channels/test"), channel);
        }

        forgetMqttPassword() {
            return this.base.delete(this.url("mqtt_password"));
        }
    }

    OctoPrintClient.registerPluginComponent("spaghetti", SpaghettiClient);
    return SpaghettiClient;
});
