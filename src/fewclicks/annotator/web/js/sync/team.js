/** @file The part of the server's API that is about people: reviews, comments, who has which photo, who is here. */

/** @import { Comment, Person, Photo, Present, Progress } from "../types.js" */
import { uuid } from "../ui/dom.js";
import { json, request, sized } from "./api.js";

/** This page among those that are open: others see under it who is here. */
export const PAGE = uuid();

/**
 * @param {number} photo
 * @returns {Promise<Comment[]>}
 */
export const comments = (photo) => json("GET", `/photos/${photo}/comments`);

/**
 * @param {string} id
 * @param {{photo_id: number, text: string, x?: number, y?: number, object_id?: string}} body
 * @returns {Promise<Comment>}
 */
export const comment = (id, body) => json("PUT", `/comments/${id}`, body);

/**
 * @param {string} id
 * @param {{text?: string, resolved?: boolean, deleted?: boolean}} part
 * @returns {Promise<Comment>}
 */
export const patchComment = (id, part) => json("PATCH", `/comments/${id}`, part);

/**
 * @param {{ids: number[], evenly?: string[], assignee?: string, state?: string, tags?: string[], add_tags?: string[]}} body
 * @returns {Promise<Photo[]>}
 */
export const patchPhotos = async (body) => (await json("PATCH", "/photos", body)).map(sized);

/** @returns {Promise<Photo | null>} the next photo that was nobody's, and now is ours */
export const takeNext = async () => {
  const found = await json("POST", "/photos/next", {});
  return found && sized(found);
};

/** @returns {Promise<Person[]>} */
export const people = () => json("GET", "/people");

/**
 * @param {{name: string, role: string, password?: string, link?: boolean}} body
 * @returns {Promise<Person>}
 */
export const addPerson = (body) => json("POST", "/people", body);

/**
 * @param {string} id
 * @param {{role?: string, password?: string, link?: boolean, active?: boolean}} part
 * @returns {Promise<Person>}
 */
export const patchPerson = (id, part) => json("PATCH", `/people/${id}`, part);

/** @returns {Promise<Progress>} */
export const progress = () => json("GET", "/progress");

/** @returns {Promise<Present[]>} */
export const presence = () => json("GET", "/presence");

/**
 * Say what is edited here; refused (409) where somebody else edits it, unless it is taken by `force`.
 * @param {number} photo
 * @param {string | null} object
 * @param {boolean} [force]
 */
export const hold = (photo, object, force = false) =>
  request("POST", "/presence", { page: PAGE, photo_id: photo, object_id: object, force });
