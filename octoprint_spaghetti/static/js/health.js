// What OctoPrint's health report shows of us: the sentences that the server found bad.
$(function () {
    function SpaghettiHealthViewModel() {
        this.getAdditionalHealthCheckHandlers = () => ({
            spaghetti: (result, context) => {
                if (result !== "warning") return;
                const list = $("<ul>").append((SpaghettiSentences.translate(context).sentences || []).map((sentence) => $("<li>").text(sentence)));
                return {title: gettext("Spaghetti does not watch as it should"), html: list.prop("outerHTML")};
            }
        });
    }
    OCTOPRINT_VIEWMODELS.push({construct: SpaghettiHealthViewModel});
});
