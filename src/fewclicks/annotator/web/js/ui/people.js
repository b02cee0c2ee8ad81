/** @file The dialog about people: who may sign in, as what, and by what. */

/** @import { Notices } from "./toasts.js" */
/** @import { Person, Role } from "../types.js" */
import * as team from "../sync/team.js";
import { show } from "./dialogs.js";
import { h, select } from "./dom.js";

/** @type {[Role, string][]} */
const ROLES = [["annotator", "Annotator"], ["reviewer", "Reviewer"], ["admin", "Admin"]];
const ABOUT =
  "Annotators edit photos, mark them done and comment. Reviewers also accept and send back, assign, and change the classes. " +
  "Admins may do all. If nobody had to sign in here until now, they have to from the next start on.";

/**
 * Who may sign in.
 * @param {Notices} notices
 */
export async function peopleDialog(notices) {
  const dialog = new PeopleDialog();
  show("people-dialog", "People", [h("p", { class: "dim" }, ABOUT), dialog.list, dialog.adding(), dialog.said]);
  await dialog.read().catch((error) => notices.problem(error));
}

class PeopleDialog {
  list = h("div", { class: "people" });
  /** What came of the last change. */
  said = h("div", { role: "status" });

  async read() {
    this.list.replaceChildren(...(await team.people()).map((person) => this.row(person)));
  }

  /**
   * Change something, and show what is the case then.
   * @param {() => Promise<void>} work
   */
  async tried(work) {
    try {
      this.said.replaceChildren();
      await work();
      await this.read();
    } catch (error) {
      this.said.textContent = /** @type {Error} */ (error).message;
    }
  }

  /** @param {Person} person */
  row(person) {
    const { id, name, active } = person;
    const role = select({ "aria-label": `Role of ${name}`, disabled: !active }, ROLES, person.role);
    role.addEventListener("change", () => void this.tried(async () => void (await team.patchPerson(id, { role: role.value }))));
    const link = this.button("New link", async () => this.link(await team.patchPerson(id, { link: true })));
    const turn = this.button(active ? "Remove" : "Let in", async () => void (await team.patchPerson(id, { active: !active })));
    const ways = [person.link && "link", person.password && "password"].filter(Boolean).join(", ");
    const text = h("span", { class: "text" }, name, h("small", {}, active ? ways : "may not sign in"));
    return h("div", { class: `person${active ? "" : " gone"}` }, text, role, link, turn);
  }

  /**
   * @param {string} word
   * @param {() => Promise<void>} work
   */
  button(word, work) {
    return h("button", { type: "button", class: "button small", onclick: () => void this.tried(work) }, word);
  }

  /**
   * Show somebody's link, if they were given one just now.
   * @param {Person} person
   */
  link({ name, token }) {
    if (!token) return;
    const value = `${location.origin}/?token=${token}`;
    const field = h("input", { type: "text", readonly: true, value, "aria-label": `Link of ${name}`, class: "wide" });
    this.said.replaceChildren(`The link of ${name}; it is shown this once. Whoever has it is ${name}.`, field);
    field.select();
  }

  /** Where somebody is let in. */
  adding() {
    const name = named("person-new", "Name", { type: "text", maxlength: 100, autocomplete: "off" });
    const role = select({ id: "person-role", "aria-label": "Role" }, ROLES);
    const password = named("person-password", "Password, if they are to have one", { type: "password", maxlength: 200, autocomplete: "new-password" });
    const add = h("form", { class: "add-person" }, name, role, password, h("button", { type: "submit", class: "button primary" }, "Add"));
    add.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.tried(async () => {
        const secret = password.value ? { password: password.value } : {};
        this.link(await team.addPerson({ name: name.value, role: role.value, ...secret }));
        name.value = password.value = "";
      });
    });
    return add;
  }
}

/**
 * A field that says within itself what it is for.
 * @param {string} id
 * @param {string} what
 * @param {Record<string, unknown>} properties
 */
function named(id, what, properties) {
  return h("input", { id, placeholder: what, "aria-label": what, ...properties });
}
