/** @file The dialog about people: who may sign in, as what, and by what. */

/** @import { Notices } from "./toasts.js" */
/** @import { Person, Role } from "../types.js" */
import { t } from "../language.js";
import * as team from "../sync/team.js";
import { show } from "./dialogs.js";
import { h, select } from "./dom.js";

/** @type {[Role, string][]} */
const ROLES = [["annotator", t("role.annotator")], ["reviewer", t("role.reviewer")], ["admin", t("role.admin")]];

/**
 * Who may sign in.
 * @param {Notices} notices
 */
export async function peopleDialog(notices) {
  const dialog = new PeopleDialog();
  show("people-dialog", t("people.title"), [h("p", { class: "dim" }, t("people.about")), dialog.list, dialog.adding(), dialog.said]);
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
    const role = select({ "aria-label": t("people.roleOf", { name }), disabled: !active }, ROLES, person.role);
    role.addEventListener("change", () => void this.tried(async () => void (await team.patchPerson(id, { role: role.value }))));
    const link = this.button(t("people.newLink"), async () => this.link(await team.patchPerson(id, { link: true })));
    const turn = this.button(t(active ? "people.remove" : "people.letIn"), async () => void (await team.patchPerson(id, { active: !active })));
    const ways = [person.link && t("people.link"), person.password && t("people.password")].filter(Boolean).join(", ");
    const text = h("span", { class: "text", title: name }, name, h("small", {}, active ? ways : t("people.mayNot")));
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
    const field = h("input", { type: "text", readonly: true, value, "aria-label": t("people.linkOf", { name }), class: "wide" });
    this.said.replaceChildren(t("people.linkOnce", { name }), field);
    field.select();
  }

  /** Where somebody is let in. */
  adding() {
    const name = named("person-new", t("name"), { type: "text", maxlength: 100, autocomplete: "off" });
    const role = select({ id: "person-role", "aria-label": t("people.role") }, ROLES);
    const password = named("person-password", t("people.newPassword"), { type: "password", maxlength: 200, autocomplete: "new-password" });
    const add = h("form", { class: "add-person" }, name, role, password, h("button", { type: "submit", class: "button primary" }, t("people.add")));
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
