/** @file Dialogs about people: who may sign in, and who is to do which photos. */

/** @import { Desk } from "../state/workspace.js" */
/** @import { Notices } from "./toasts.js" */
/** @import { Person, Photo, Role } from "../types.js" */
/** @import { Store } from "../state/store.js" */
import * as team from "../sync/team.js";
import { show } from "./dialogs.js";
import { h, plural } from "./dom.js";

/** @type {[Role, string][]} */
const ROLES = [["annotator", "Annotator"], ["reviewer", "Reviewer"], ["admin", "Admin"]];

/**
 * Who may sign in.
 * @param {Notices} notices
 */
export async function peopleDialog(notices) {
  const list = h("div", { class: "people" });
  const said = h("div", { role: "status" });
  const tried = async (/** @type {() => Promise<void>} */ work) => {
    try {
      said.replaceChildren();
      await work();
      await read();
    } catch (error) {
      said.textContent = /** @type {Error} */ (error).message;
    }
  };
  const link = (/** @type {Person} */ person) => {
    if (!person.token) return;
    const address = `${location.origin}/?token=${person.token}`;
    const field = h("input", { type: "text", readonly: true, value: address, "aria-label": `Link of ${person.name}`, class: "wide" });
    said.replaceChildren(`The link of ${person.name}; it is shown this once. Whoever has it is ${person.name}.`, field);
    field.select();
  };
  const row = (/** @type {Person} */ person) => {
    const role = h("select", { "aria-label": `Role of ${person.name}`, disabled: !person.active }, ...ROLES.map(([value, text]) => h("option", { value, selected: value === person.role }, text)));
    role.addEventListener("change", () => void tried(async () => void (await team.patchPerson(person.id, { role: role.value }))));
    const button = (/** @type {string} */ word, /** @type {() => Promise<void>} */ work) => h("button", { type: "button", class: "button small", onclick: () => void tried(work) }, word);
    const fresh = async () => link(await team.patchPerson(person.id, { link: true }));
    const turn = async () => void (await team.patchPerson(person.id, { active: !person.active }));
    const ways = [person.link && "link", person.password && "password"].filter(Boolean).join(", ");
    return h("div", { class: `person${person.active ? "" : " gone"}` }, h("span", { class: "text" }, person.name, h("small", {}, person.active ? ways : "may not sign in")), role, button("New link", fresh), button(person.active ? "Remove" : "Let in", turn));
  };
  const read = async () => list.replaceChildren(...(await team.people()).map(row));
  const name = h("input", { type: "text", id: "person-new", placeholder: "Name", "aria-label": "Name", maxlength: 100, autocomplete: "off" });
  const role = h("select", { id: "person-role", "aria-label": "Role" }, ...ROLES.map(([value, text]) => h("option", { value }, text)));
  const password = h("input", { type: "password", id: "person-password", placeholder: "Password, if they are to have one", "aria-label": "Password, if they are to have one", autocomplete: "new-password", maxlength: 200 });
  const add = h("form", { class: "add-person" }, name, role, password, h("button", { type: "submit", class: "button primary" }, "Add"));
  add.addEventListener("submit", (event) => {
    event.preventDefault();
    void tried(async () => {
      link(await team.addPerson({ name: name.value, role: role.value, ...(password.value ? { password: password.value } : {}) }));
      name.value = password.value = "";
    });
  });
  const about = "Annotators edit photos, mark them done and comment. Reviewers also accept and send back, assign, and change the classes. Admins may do all. If nobody had to sign in here until now, they have to from the next start on.";
  show("people-dialog", "People", [h("p", { class: "dim" }, about), list, add, said]);
  await read().catch((error) => notices.show(error.message, undefined, "problem"));
}

/**
 * Give the photos that the list shows to people, evenly.
 * @param {{store: Store, desk: Desk, notices: Notices}} parts
 * @param {Photo[]} photos
 */
export async function assignDialog({ store, desk, notices }, photos) {
  const known = await team.people().catch(() => []);
  const own = store.state.person;
  const names = [...new Set([...known.filter((one) => one.active).map((one) => one.name), ...store.state.photos.map((one) => one.assignee), own])].filter(Boolean).sort();
  const boxes = names.map((name) => h("input", { type: "checkbox", value: name }));
  const other = h("input", { type: "text", id: "assign-other", placeholder: "Another name", "aria-label": "Another name", maxlength: 100 });
  const open = h("input", { type: "checkbox", id: "assign-open", checked: true });
  const chosen = () => [...boxes.filter((box) => box.checked).map((box) => box.value), other.value.trim()].filter(Boolean);
  const those = () => photos.filter((photo) => !open.checked || (!photo.assignee && photo.state !== "done" && photo.state !== "accepted"));
  const give = async (/** @type {string[]} */ people) => {
    const given = those();
    const was = new Map(given.map((photo) => [photo.id, photo.assignee]));
    try {
      await putAll(desk, people.length ? { evenly: people } : { assignee: "" }, given.map((photo) => photo.id));
      dialog.close();
      const back = async () => {
        for (const name of new Set(was.values())) await putAll(desk, { assignee: name }, [...was].filter(([, before]) => before === name).map(([id]) => id));
      };
      notices.show(`${plural(given.length, "photo")} given to ${people.join(", ") || "nobody"}`, () => void back());
    } catch (error) {
      notices.show(/** @type {Error} */ (error).message, undefined, "problem");
    }
  };
  const go = h("button", { type: "button", class: "button primary", id: "assign-go", onclick: () => void give(chosen()) }, "Assign");
  const free = h("button", { type: "button", class: "button", onclick: () => void give([]) }, "Take from everybody");
  const tell = () => {
    const people = chosen();
    const number = those().length;
    go.disabled = !people.length || !number;
    go.textContent = people.length > 1 ? `Assign ${plural(number, "photo")} evenly` : `Assign ${plural(number, "photo")}`;
    free.disabled = !number;
  };
  const body = h("div", { class: "fields" }, ...boxes.map((box) => h("label", { class: "check" }, box, box.value)), other, h("label", { class: "check" }, open, "Only those that are nobody's and not done"));
  body.addEventListener("input", tell);
  const dialog = show("people-dialog", "Assign the photos of the list", [body], [free, go]);
  tell();
}

/**
 * @param {Desk} desk
 * @param {{evenly?: string[], assignee?: string}} what
 * @param {number[]} ids
 */
async function putAll(desk, what, ids) {
  if (!ids.length) return;
  for (const photo of await team.patchPhotos({ ids, ...what })) desk.replace(photo);
}
