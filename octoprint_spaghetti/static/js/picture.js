// Binding spaghettiPicture: a picture with its detections as boxes, the way up in which OctoPrint shows that camera.
//
//     <div data-bind="spaghettiPicture: {url: url, detections: detections, camera: webcam, alt: text}"></div>
//
// `url` empty: nothing is shown. `detections` as the plugin sends them: xyxy in fractions of the picture as the camera
// delivered it, confidence 0 to 1. `camera` OctoPrint's description of the webcam (flipH, flipV, rotate90), or nothing.
// The next picture replaces the last one when it is there, so that a slow link does not flicker.

(function () {
    // Weaker boxes are noise to the detector itself; shown, they would only hide the picture.
    const WEAKEST_SHOWN = 0.35;
    // From here on a box counts as spaghetti rather than not; weaker ones are dashed.
    const STRONG = 0.5;

    const asShown = ([left, top, right, bottom], view) => {
        const [a, b] = [SpaghettiWebcams.toShown([left, top], view), SpaghettiWebcams.toShown([right, bottom], view)];
        return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
    };

    const percent = (fraction) => (100 * fraction).toFixed(2) + "%";

    const box = (detection, view) => {
        const [left, top, right, bottom] = asShown(detection.xyxy, view);
        const element = document.createElement("div");
        element.className = "spaghetti_box" + (detection.confidence < STRONG ? " spaghetti_box_weak" : "");
        Object.assign(element.style, {
            left: percent(left),
            top: percent(top),
            width: percent(right - left),
            height: percent(bottom - top)
        });
        const label = document.createElement("span");
        label.textContent = Math.round(100 * detection.confidence) + " %";
        element.appendChild(label);
        return element;
    };

    const lay = (element, image, detections, view) => {
        const width = image.naturalWidth || 4;
        const height = image.naturalHeight || 3;
        element.style.aspectRatio = view.turned ? height + " / " + width : width + " / " + height;
        image.style.width = view.turned ? percent(width / height) : "100%";
        image.style.transform =
            "translate(-50%, -50%)" +
            (view.turned ? " rotate(-90deg)" : "") +
            (view.flipH ? " scaleX(-1)" : "") +
            (view.flipV ? " scaleY(-1)" : "");
        element.replaceChildren(image);
        detections
            .filter((detection) => detection.confidence >= WEAKEST_SHOWN)
            .forEach((detection) => element.appendChild(box(detection, view)));
        element.classList.add("spaghetti_picture_loaded");
    };

    ko.bindingHandlers.spaghettiPicture = {
        init: (element) => {
            element.classList.add("spaghetti_picture");
            return {controlsDescendantBindings: true};
        },
        update: (element, valueAccessor) => {
            const value = ko.unwrap(valueAccessor()) || {};
            const url = ko.unwrap(value.url);
            const detections = ko.unwrap(value.detections) || [];
            const view = SpaghettiWebcams.view(ko.unwrap(value.camera));
            const alt = ko.unwrap(value.alt) || "";
            element.spaghettiWanted = url;
            if (!url) {
                element.replaceChildren();
                element.classList.remove("spaghetti_picture_loaded");
                return;
            }
            const shown = element.querySelector("img");
            if (shown && shown.getAttribute("src") === url) {
                lay(element, shown, detections, view);
                return;
            }
            const image = new Image();
            image.alt = alt;
            image.onload = () => {
                if (element.spaghettiWanted === url) lay(element, image, detections, view);
            };
            image.src = url;
        }
    };
})();
