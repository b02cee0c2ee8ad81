/** @file The server's HTTP API as functions. Errors are `Problem`s; a server that does not answer is a TypeError. */

/** @import { Change, Class, Folder, Format, Photo, Thing, Tiles } from "../types.js" */
import { t } from "../language.js";
import { decodeGrey } from "../canvas/png.js";

export const BASE = "api/v1";

/** What the server said no to: application/problem+json. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {{title?: string, detail?: unknown, current?: Thing}} body
   */
  constructor(status, body) {
    super(typeof body.detail === "string" ? body.detail : (body.title ?? t("sync.answered", { status })));
    this.status = status;
    /** The object as it is, where it has been changed by somebody else. */
    this.current = body.current ?? null;
  }

  /** Whether the same request may go through later: too much at once, no token, the server is starting. */
  get passes() {
    return [401, 408, 429, 502, 503, 504].includes(this.status);
  }
}

/** @type {Record<string, string>} what is sent with every request: the name of the user, where they said one */
const always = {};

/** @param {string} name of the user, which is noted beside what they do; "" for none */
export function tellPerson(name) {
  if (name) always["X-Fewclicks-Person"] = encodeURIComponent(name);
  else delete always["X-Fewclicks-Person"];
}

/**
 * @param {string} method
 * @param {string} path within the API
 * @param {unknown} [body] sent as JSON; a file as it is
 * @param {AbortSignal} [signal]
 * @returns {Promise<Response>}
 */
export async function request(method, path, body, signal) {
  const reply = await fetch(`${BASE}${path}`, { method, signal, ...packed(body) }).catch((error) => {
    // The browser's own words name neither the server nor the cure.
    throw error instanceof TypeError ? new TypeError(t("sync.silent")) : error;
  });
  if (reply.ok) return reply;
  throw new Problem(reply.status, await reply.json().catch(() => ({})));
}

/**
 * @param {unknown} body
 * @returns {RequestInit}
 */
function packed(body) {
  if (body === undefined) return { headers: always };
  if (body instanceof Blob) return { body, headers: { ...always, "Content-Type": "application/octet-stream" } };
  return { body: JSON.stringify(body), headers: { ...always, "Content-Type": "application/json" } };
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function json(method, path, body, signal) {
  const reply = await request(method, path, body, signal);
  return reply.status === 204 ? null : reply.json();
}

/**
 * Who asks: `named` if the token gives the name, `signed_in` if there is a session to be ended.
 * @returns {Promise<{person: string, named: boolean, signed_in: boolean, role: import("../types.js").Role}>}
 */
export const session = () => json("GET", "/session");

/** End the session of this browser. */
export const signOut = () => json("DELETE", "/session");

/** @returns {Promise<Folder>} */
export const folder = () => json("GET", "/folder");

/** @returns {Promise<{name: string, choices: string[]}>} the method that answers clicks, and those there are */
export const methods = () => json("GET", "/methods");

/**
 * Have another method answer clicks, for everybody.
 * @param {string} name
 * @returns {Promise<{name: string, choices: string[]}>}
 */
export const changeMethod = (name) => json("PUT", "/methods", { name });

/** @returns {Promise<string[]>} the names of the example photos that are in the folder now */
export const addExamples = () => json("POST", "/folder/examples");

/**
 * All photos of the folder, page by page.
 * @returns {AsyncGenerator<Photo[]>}
 */
export async function* photos() {
  let after = "";
  for (;;) {
    const page = await json("GET", `/photos?limit=1000${after === "" ? "" : `&after=${encodeURIComponent(after)}`}`);
    yield page.items.map(sized);
    if (page.next === null || page.next === undefined) return;
    after = String(page.next);
  }
}

/**
 * @param {number} id
 * @returns {Promise<{photo: Photo, objects: Thing[], tiles: Tiles | null}>}
 */
export async function photo(id) {
  const found = await json("GET", `/photos/${id}`);
  return { ...found, photo: sized(found.photo) };
}

/**
 * A photo whose file has not been looked at has null for its size.
 * @param {Photo} photo
 * @returns {Photo}
 */
export const sized = (photo) => ({ ...photo, width: photo.width ?? 0, height: photo.height ?? 0 });

/**
 * @param {number} id
 * @param {{state?: string, assignee?: string, note?: string, tags?: string[]}} part
 * @returns {Promise<Photo>}
 */
export const patchPhoto = async (id, part) => sized(await json("PATCH", `/photos/${id}`, part));

/** @param {number} id */
export const prepare = (id) => request("POST", `/photos/${id}/prepare`);

/**
 * @typedef {{id: string, box: import("../types.js").Box, grey: import("../canvas/png.js").Grey}} Packed
 */

/**
 * The masks of all objects of a photo, in one answer.
 * @param {number} id
 * @returns {Promise<Packed[]>}
 */
export async function masks(id) {
  const bytes = new Uint8Array(await (await request("GET", `/photos/${id}/masks`)).arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0, true);
  /** @type {{id: string, box: import("../types.js").Box | null, offset: number, size: number}[]} */
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const found = header.map(async ({ id: object, box, offset, size }) => {
    if (!box) return null;
    const grey = await decodeGrey(bytes.subarray(4 + length + offset, 4 + length + offset + size));
    return { id: object, box, grey };
  });
  return (await Promise.all(found)).filter((packed) => packed !== null);
}

/**
 * A grey PNG that the API gives.
 * @param {string} path
 * @param {AbortSignal} [signal]
 */
export async function grey(path, signal) {
  const reply = await request("GET", path, undefined, signal);
  return decodeGrey(new Uint8Array(await reply.arrayBuffer()));
}

/**
 * What a click would give. Nothing is kept.
 * @param {string} object
 * @param {object} body
 * @param {AbortSignal} signal
 * @returns {Promise<Change | null>} null: a newer one took its place
 */
export const preview = (object, body, signal) => json("POST", `/objects/${object}/preview`, body, signal);

/**
 * @param {string} object
 * @param {number} pass
 * @returns {Promise<{patch: import("../types.js").Patch | null}>}
 */
export const pass = (object, pass) => json("GET", `/objects/${object}/passes/${pass}`);

/**
 * The mask before the last action.
 * @param {string} object
 * @returns {Promise<{patch: import("../types.js").Patch | null}>}
 */
export const before = (object) => json("GET", `/objects/${object}/before`);

/**
 * @param {{name: string, colour?: string, key?: string | null}} body
 * @returns {Promise<Class>}
 */
export const makeClass = (body) => json("POST", "/classes", body);

/**
 * @param {number} id
 * @param {Partial<Class>} part
 * @returns {Promise<Class>}
 */
export const patchClass = (id, part) => json("PATCH", `/classes/${id}`, part);

/**
 * The masks that the first click of an object can mean; null: newer ones were asked for.
 * @param {string} id
 * @returns {Promise<{items: {patch: import("../types.js").Patch | null}[]} | null>}
 */
export const candidates = (id) => json("GET", `/objects/${id}/candidates`);

/** @returns {Promise<Format[]>} */
export const formats = () => json("GET", "/formats");

/**
 * The annotations in a format, as a zip.
 * @param {string} format
 * @param {Record<string, unknown>} options
 * @param {{where?: string, classes?: string[]}} [scope]
 * @returns {Promise<{blob: Blob, name: string, notes: string[]}>}
 */
export async function exported(format, options, scope = {}) {
  const reply = await request("POST", "/export", { format, options, ...scope });
  const name = /filename="?([^";]+)"?/.exec(reply.headers.get("Content-Disposition") ?? "")?.[1];
  const notes = reply.headers.get("X-Fewclicks-Notes");
  return {
    blob: await reply.blob(),
    name: name ?? `${format}.zip`,
    notes: notes ? JSON.parse(decodeURIComponent(notes)) : [],
  };
}

/**
 * How much an export would hold.
 * @param {{where?: string, classes?: string[]}} scope
 * @returns {Promise<{photos: number, objects: number}>}
 */
export const exportCount = (scope) => json("POST", "/export/count", scope);

/**
 * Take annotations in: an uploaded file, or without one what lies beside the photos.
 * @param {File | undefined} file
 * @param {string} mode what becomes of objects that are there: skip, add, replace
 * @returns {Promise<{id: string, objects: number, notes: string[]}>}
 */
export function imported(file, mode) {
  const how = `mode=${encodeURIComponent(mode)}`;
  return file ? json("POST", `/import?name=${encodeURIComponent(file.name)}&${how}`, file) : json("POST", `/import?${how}`, {});
}

/**
 * Annotate photos beforehand.
 * @param {object} body
 * @returns {Promise<import("../types.js").Job>}
 */
export const preannotate = (body) => json("POST", "/preannotations", body);

/**
 * Take masks of another tool as proposals.
 * @param {string} id
 * @param {File} file
 * @param {number[]} [photos] null: all that are not done
 * @returns {Promise<import("../types.js").Job>}
 */
export const proposeMasks = (id, file, photos) =>
  json("POST", `/preannotations/${id}/masks?name=${encodeURIComponent(file.name)}${photos ? `&photos=${ranges(photos)}` : ""}`, file);

/**
 * Ids as 1-5,9: of many photos they fit into an address.
 * @param {number[]} ids
 */
function ranges(ids) {
  /** @type {[number, number][]} */
  const found = [];
  for (const id of [...ids].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last && id <= last[1] + 1) last[1] = id;
    else found.push([id, id]);
  }
  return found.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(",");
}

/** @returns {Promise<import("../types.js").Job[]>} the newest first */
export const preannotations = () => json("GET", "/preannotations");

/**
 * How a pre-annotation is now.
 * @param {string} id
 * @returns {Promise<import("../types.js").Job>}
 */
export const preannotation = (id) => json("GET", `/preannotations/${id}`);

/** @returns {Promise<string[]>} the models that can be asked, besides the one of the clicks */
export const proposers = () => json("GET", "/preannotations/models");

/**
 * @param {string} id
 * @param {"cancel" | "resume"} what
 * @returns {Promise<import("../types.js").Job>}
 */
export const steerJob = (id, what) => json("POST", `/preannotations/${id}/${what}`);

/**
 * @param {string} id
 * @param {"undo" | "redo"} way
 * @param {number} [photo] null: all
 * @returns {Promise<{objects: number, kept: number}>}
 */
export const turnJob = (id, way, photo) => json("POST", `/preannotations/${id}/${way}${photo ? `?photo_id=${photo}` : ""}`);

/**
 * Take a whole import back, or do it again.
 * @param {string} id
 * @param {"undo" | "redo"} way
 * @returns {Promise<number>} how many objects were changed
 */
export const turnImport = async (id, way) => (await json("POST", `/imports/${encodeURIComponent(id)}/${way}`)).objects;
