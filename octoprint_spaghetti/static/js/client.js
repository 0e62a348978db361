// OctoPrint.plugins.spaghetti: the one place that knows the plugin's URLs.

(function (global, factory) {
    if (typeof define === "function" && define.amd) {
        define(["OctoPrintClient"], factory);
    } else {
        factory(global.OctoPrintClient);
    }
})(this, function (OctoPrintClient) {
    class SpaghettiClient {
        constructor(base) {
            this.base = base;
        }

        url(path) {
            return this.base.getBlueprintUrl("spaghetti") + path;
        }

        status() {
            return this.base.get(this.url("status"));
        }

        // A number in the address lets the browser tell one picture from the next.
        pictureUrl(number) {
            return this.url("frame.jpg?n=" + encodeURIComponent(number));
        }

        incidents() {
            return this.base.get(this.url("incidents"));
        }

        incidentPictureUrl(incident, file) {
            return this.url("incidents/" + encodeURIComponent(incident) + "/" + encodeURIComponent(file));
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

        // Answers {"stored": bool}; the token itself never comes back.
        token() {
            return this.base.get(this.url("token"));
        }

        forgetToken() {
            return this.base.delete(this.url("token"));
        }
    }

    OctoPrintClient.registerPluginComponent("spaghetti", SpaghettiClient);
    return SpaghettiClient;
});
