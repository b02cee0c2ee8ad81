// The page's side of widget.py: a photo, the mask laid over it, the clicks; what is clicked is sent, nothing is kept.

/** @param {{ model: any, el: HTMLElement }} context */
function render({ model, el }) {
  const box = document.createElement("div");
  box.tabIndex = 0;
  box.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take keys for its cells
  box.style.cssText = "position: relative; display: inline-block; max-width: 100%; cursor: crosshair; line-height: 0";
  const photo = new Image();
  const overlay = new Image();
  const dots = document.createElement("div");
  photo.alt = "the photo to click on";
  overlay.alt = "";
  photo.style.cssText = "max-width: 100%; display: block";
  overlay.style.cssText = "position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none";
  dots.style.cssText = "position: absolute; inset: 0; pointer-events: none";
  box.append(photo, overlay, dots);

  const bar = document.createElement("div");
  const undo = document.createElement("button");
  const redo = document.createElement("button");
  const message = document.createElement("span");
  undo.textContent = "Undo";
  redo.textContent = "Redo";
  message.setAttribute("role", "status");
  message.style.cssText = "margin-left: 1em; color: #b3261e";
  bar.append(undo, " ", redo, message);
  el.append(box, bar);

  /** @param {HTMLImageElement} image @param {DataView} bytes @param {string} type */
  const show = (image, bytes, type) => {
    const before = image.src;
    image.src = URL.createObjectURL(new Blob([/** @type {any} */ (bytes)], { type }));
    if (before) image.onload = () => URL.revokeObjectURL(before);
  };
  const draw = () => {
    dots.replaceChildren(
      ...model.get("dots").map((/** @type {[number, number, boolean]} */ [x, y, positive]) => {
        const dot = document.createElement("span");
        const left = (100 * (x + 0.5)) / photo.naturalWidth;
        const top = (100 * (y + 0.5)) / photo.naturalHeight;
        dot.style.cssText = `position: absolute; left: ${left}%; top: ${top}%; width: 10px; height: 10px;
          margin: -6px; border: 1px solid #fff; border-radius: 50%; background: ${positive ? "#16be46" : "#e62832"}`;
        return dot;
      }),
    );
  };
  const changes = {
    photo: () => show(photo, model.get("photo"), "image/jpeg"),
    overlay: () => show(overlay, model.get("overlay"), "image/png"),
    dots: draw,
    message: () => (message.textContent = model.get("message")),
  };
  for (const [name, change] of Object.entries(changes)) {
    model.on(`change:${name}`, change);
    change();
  }
  photo.addEventListener("load", draw);

  /** @param {MouseEvent} event @param {boolean} positive */
  const clicked = (event, positive) => {
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would open its own menu
    box.focus();
    const place = photo.getBoundingClientRect();
    const x = ((event.clientX - place.left) / place.width) * photo.naturalWidth - 0.5;
    const y = ((event.clientY - place.top) / place.height) * photo.naturalHeight - 0.5;
    const within = (/** @type {number} */ value, /** @type {number} */ side) => Math.min(Math.max(value, 0), side - 1);
    model.send({ kind: "click", x: within(x, photo.naturalWidth), y: within(y, photo.naturalHeight), positive });
  };
  box.addEventListener("click", (event) => clicked(event, !(event.shiftKey || event.altKey)));
  box.addEventListener("contextmenu", (event) => clicked(event, false));
  box.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    event.stopPropagation();
    model.send({ kind: event.shiftKey ? "redo" : "undo" });
  });
  undo.addEventListener("click", () => model.send({ kind: "undo" }));
  redo.addEventListener("click", () => model.send({ kind: "redo" }));
  return () => {
    for (const [name, change] of Object.entries(changes)) model.off(`change:${name}`, change);
    for (const image of [photo, overlay]) URL.revokeObjectURL(image.src);
  };
}

export default { render };
