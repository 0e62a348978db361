// Sentences that were made on the server: beside `sentence` comes `sentence_parts`, from which it is said in the page's language.

window.SpaghettiSentences = {
    // Returns what `parts` say in the language of the page; raises an error when they do not fit.
    said(parts) {
        if (Array.isArray(parts)) return parts.map((one) => this.said(one));
        if (parts === null || typeof parts !== "object") return parts;
        if (!parts.template) return "";
        const values = _.mapValues(parts.values, (value) => this.said(value));
        const template = gettext(parts.template);
        // A missing value alone is no error to sprintf, which would say "undefined".
        if ([...template.matchAll(/%\((\w+)\)/g)].some(([, name]) => !(name in values))) throw new Error(template);
        return _.sprintf(template, values);
    },

    // Puts every sentence of what came from the server into the language of the page, in place, and returns it.
    // What cannot be said in it stays English: the record of an incident may have been written by anybody.
    translate(content) {
        if (content === null || typeof content !== "object") return content;
        Object.entries(content).forEach(([key, value]) => {
            const parts = content[key + "_parts"];
            if (!parts) return this.translate(value);
            try {
                content[key] = this.said(parts);
            } catch (error) {
                content[key] = value;
            }
        });
        return content;
    }
};
