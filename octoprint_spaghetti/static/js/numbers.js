// The numbers of the judge for experts: an empty field means that the number is where the sensitivity puts it.

(function () {
    const problem = (about, text) => {
        const number = Number(text);
        if (text === "" || (number >= about.low && number <= about.high)) return "";
        return _.sprintf(gettext("Must be a number from %(low)s to %(high)s %(unit)s, or empty."), about).replace(" ,", ",");
    };

    // `value` an observable with [name, value] pairs, `descriptions` what the server says of each number,
    // `usual` a function that returns where a number is when nobody changes it.
    window.SpaghettiNumbers = function (value, descriptions, usual) {
        const self = {};
        const pairs = () => ko.toJS(value()) || [];
        const changed = (name) => pairs().find((pair) => pair[0] === name);

        const set = (name, number) => {
            const others = pairs().filter((pair) => pair[0] !== name);
            value(number === undefined ? others : others.concat([[name, number]]));
        };

        const numberRow = (about) => {
            const typed = ko.observable("");
            const row = {about, typed, problem: ko.pureComputed(() => problem(about, typed()))};
            row.text = ko.pureComputed({
                read: typed,
                write: (text) => {
                    typed(text);
                    if (!row.problem()) set(about.name, text === "" ? undefined : Number(text));
                }
            });
            row.placeholder = ko.pureComputed(() => String(usual(about)));
            row.take = () => {
                const pair = changed(about.name);
                if (!row.problem() || pair) typed(pair ? String(pair[1]) : "");
            };
            return row;
        };

        const switchRow = (about) => ({
            about,
            problem: () => "",
            checked: ko.pureComputed({
                read: () => (changed(about.name) || [about.name, about.default])[1],
                write: (on) => set(about.name, on === about.default ? undefined : on)
            }),
            take: () => {}
        });

        self.rows = Object.fromEntries(descriptions.map((about) => [about.name, about.kind === "switch" ? switchRow(about) : numberRow(about)]));
        self.count = ko.pureComputed(() => pairs().length);
        self.summary = ko.pureComputed(() =>
            self.count() ? _.sprintf(gettext("Numbers of the judge (%(count)d changed)"), {count: self.count()}) : gettext("Numbers of the judge")
        );
        self.reset = () => value([]);
        const take = () => Object.values(self.rows).forEach((row) => row.take());
        value.subscribe(take);
        take();
        return self;
    };
})();
