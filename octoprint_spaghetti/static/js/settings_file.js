// Taking the settings along as a file, bringing them back, and beginning anew.

window.SpaghettiSettingsFile = function () {
    const self = {};
    const client = () => OctoPrint.plugins.spaghetti;

    self.said = ko.observable("");
    self.refused = ko.observableArray([]);

    const say = (sentence, refused) => {
        self.refused(refused || []);
        self.said(sentence);
    };
    const failed = () => say(gettext("That did not work; OctoPrint's log says why."));

    self.clear = () => say("");

    self.save = () =>
        client()
            .exportSettings()
            .done((answer) => {
                const link = document.createElement("a");
                link.href = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], {type: "application/json"}));
                link.download = "spaghetti-settings.json";
                link.click();
                setTimeout(() => URL.revokeObjectURL(link.href), 0);
            })
            .fail(failed);

    self.load = (model, event) => {
        const file = event.target.files[0];
        event.target.value = "";
        if (!file) return;
        file.text().then((text) => {
            let content;
            try {
                content = JSON.parse(text);
            } catch (error) {
                say(gettext("That file is no JSON; choose one that was exported here."));
                return;
            }
            client()
                .importSettings(content)
                .done((answer) => say(_.sprintf(gettext("%(count)d settings were taken over."), {count: answer.saved.length}), answer.refused))
                .fail(() => say(gettext("That file holds no settings; choose one that was exported here.")));
        });
    };

    self.reset = () =>
        showConfirmationDialog({
            title: gettext("Back to the defaults?"),
            message: gettext("Every setting of this plugin goes back to its default, and token, channels and passwords are forgotten."),
            proceed: gettext("Reset"),
            onproceed: () =>
                client()
                    .resetSettings()
                    .done(() => say(gettext("All settings are at their defaults.")))
                    .fail(failed)
        });

    return self;
};
