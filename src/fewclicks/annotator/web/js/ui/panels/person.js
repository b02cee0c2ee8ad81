/** @file Who works here: the name that is noted beside what they do, and the way out. */

/** @import { Notices } from "../toasts.js" */
/** @import { Store } from "../../state/store.js" */
import * as api from "../../sync/api.js";
import { byId, h } from "../dom.js";

const LONGEST = 100;

/**
 * @param {Store} store
 * @param {Notices} notices
 */
export function personPanel(store, notices) {
  const input = h("input", { type: "text", id: "person-name", maxlength: LONGEST, autocomplete: "name", spellcheck: "false" });
  const out = h("button", { type: "button", id: "sign-out", class: "button" }, "Sign out");
  const field = h("div", { class: "field" }, h("label", { for: "person-name" }, "Name"), input);
  input.addEventListener("change", () => store.set({ person: input.value.trim() }));
  store.on(["person"], ({ person }) => {
    input.value = person;
    api.tellPerson(person);
  });
  out.addEventListener("click", async () => {
    try {
      await api.signOut();
      location.reload();
    } catch (error) {
      notices.show(/** @type {Error} */ (error).message, undefined, "problem");
    }
  });
  out.hidden = true;
  byId("person").append(h("div", { class: "fields" }, field, out));
  api.session().then(
    ({ person, named, signed_in, role }) => {
      out.hidden = !signed_in;
      store.set({ role });
      input.readOnly = named;
      if (named) input.value = person;
    },
    () => {}, // what else the page asks for tells the user
  );
}
