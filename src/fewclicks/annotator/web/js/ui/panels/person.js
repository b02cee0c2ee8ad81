/** @file Who works here: the name that is noted beside what they do, and the way out. */

/** @import { Notices } from "../toasts.js" */
/** @import { Store } from "../../state/store.js" */
import { t } from "../../language.js";
import { KEY, kept } from "../../state/store.js";
import * as api from "../../sync/api.js";
import * as team from "../../sync/team.js";
import { useKeysOf } from "../../state/keys.js";
import { byId, h } from "../dom.js";

const LONGEST = 100;

/**
 * @param {Store} store
 * @param {Notices} notices
 * @param {() => void} people shows who may sign in
 */
export function personPanel(store, notices, people) {
  const input = h("input", { type: "text", id: "person-name", maxlength: LONGEST, autocomplete: "name", spellcheck: "false" });
  const field = h("div", { class: "field" }, h("label", { for: "person-name" }, t("you.name")), input);
  const theirs = (/** @type {string} */ name) => {
    useKeysOf(name);
    store.touch("keys");
  };
  input.addEventListener("change", () => store.set({ person: input.value.trim() }));
  store.on(["person"], ({ person }) => {
    input.value = person;
    api.tellPerson(person);
    if (!input.readOnly) theirs(person);
  });
  // A name that is said in another tab of this browser counts here too.
  addEventListener("storage", ({ key }) => key === KEY && store.set({ person: kept().person ?? "" }));
  const role = h("span", { class: "dim", id: "person-role-name" });
  const list = h("button", { type: "button", id: "people", class: "button", onclick: people }, t("you.people"));
  store.on(["role"], (state) => {
    role.textContent = state.role === "admin" ? "" : t(`you.as.${state.role}`);
    list.hidden = state.role !== "admin";
  });
  const out = signOut(notices);
  const secret = ownPassword(notices, () => [store.state.person, input.value]);
  byId("person").append(h("div", { class: "fields" }, field, role, secret, h("div", { class: "pair" }, list, out)));
  api.session().then(
    ({ person, named, signed_in, role }) => {
      out.hidden = !signed_in;
      store.set({ role, signedIn: named ? person : "" });
      input.readOnly = named;
      secret.hidden = !named;
      if (named) input.value = person;
      if (named) theirs(person);
    },
    () => {}, // what else the page asks for tells the user
  );
}

/**
 * The way out; hidden until it is known that somebody is signed in.
 * @param {Notices} notices
 */
function signOut(notices) {
  const out = h("button", { type: "button", id: "sign-out", class: "button" }, t("you.signOut"));
  out.hidden = true;
  out.addEventListener("click", () => reloadedAfter(api.signOut, notices));
  return out;
}

/**
 * Where people give themselves another password; hidden until it is known that the server knows their name.
 * @param {Notices} notices
 * @param {() => string[]} names of who works here
 */
function ownPassword(notices, names) {
  const input = h("input", { type: "password", id: "own-password", autocomplete: "new-password", placeholder: t("you.tenLetters"), maxlength: 200 });
  const field = h("div", { class: "field wide-field" }, h("label", { for: "own-password" }, t("you.newPassword")), input);
  field.hidden = true;
  const change = async () => {
    const me = (await team.people()).find((one) => names().includes(one.name));
    if (me) await team.patchPerson(me.id, { password: input.value });
  };
  input.addEventListener("change", () => reloadedAfter(change, notices));
  return field;
}

/**
 * Do what changes who is signed in, and load the page again.
 * @param {() => Promise<unknown>} work
 * @param {Notices} notices
 */
async function reloadedAfter(work, notices) {
  try {
    await work();
    location.reload();
  } catch (error) {
    notices.problem(error);
  }
}
