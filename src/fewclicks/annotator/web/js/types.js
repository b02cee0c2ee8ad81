/** @file The nouns that the server sends and the modules share. Points are (x, y) in pixels of the photo as displayed. */

/** @typedef {[number, number, number, number]} Box half-open: x0, y0, x1, y1 */

/** @typedef {"untouched" | "begun" | "done" | "accepted" | "returned"} PhotoState */

/**
 * @typedef {object} Photo
 * @property {number} id
 * @property {string} name
 * @property {number} width 0 until its file has been looked at
 * @property {number} height
 * @property {PhotoState} state
 * @property {number} objects how many it has
 * @property {string | null} problem why it cannot be shown
 * @property {string[]} notes what had to be ignored of its file
 * @property {number} version
 * @property {string} assignee who is to do it; empty for nobody
 * @property {string} note
 * @property {string[]} tags
 * @property {number} comments that are not resolved
 */

/**
 * @typedef {object} Comment
 * @property {string} id
 * @property {number} photo_id
 * @property {string | null} object_id
 * @property {number | null} x null: on the whole photo
 * @property {number | null} y
 * @property {string} text
 * @property {string} person
 * @property {boolean} resolved
 * @property {string} resolved_by
 * @property {boolean} deleted
 * @property {string} at
 */

/** @typedef {"annotator" | "reviewer" | "admin"} Role */

/** @typedef {{id: string, name: string, role: Role, active: boolean, password: boolean, link: boolean, token: string | null}} Person */

/** @typedef {{page: string, photo_id: number, object_id: string | null, person: string}} Present a page that is open */

/** @typedef {Record<PhotoState | "unreadable", number>} Counts */

/** @typedef {{counts: Counts, people: {person: string, counts: Counts}[]}} Progress */

/** @typedef {{size: number, levels: number}} Tiles edge of a tile in pixels; level 0 is full size, each next half */

/** @typedef {{x: number, y: number, positive: boolean}} Click */

/** @typedef {{changed_px: number}} Pass */

/**
 * @typedef {object} Thing an object of a photo, as the server knows it
 * @property {string} id
 * @property {number} photo_id
 * @property {number} class_id
 * @property {string} name
 * @property {number} z higher lies on top
 * @property {"open" | "done"} state
 * @property {boolean} deleted
 * @property {boolean} hidden not drawn
 * @property {boolean} locked nothing but unlocking changes it, and z
 * @property {number} version
 * @property {Box | null} box
 * @property {number} area_px
 * @property {number | null} threshold null before the first action
 * @property {Click[]} clicks
 * @property {Pass[]} [passes] of its last click
 * @property {boolean} can_undo
 * @property {boolean} can_redo
 * @property {string | null} undo_kind
 * @property {string | null} redo_kind
 * @property {string} person who did its last action; empty where the server knows nobody
 * @property {Record<string, unknown>} [attributes] what is said of it
 * @property {boolean} [proposal] made beforehand, neither accepted nor corrected
 */

/**
 * @typedef {object} Job photos that are annotated beforehand
 * @property {string} id
 * @property {"running" | "done" | "canceled" | "stopped" | "failed"} state
 * @property {number} photos
 * @property {number} done
 * @property {number} progress 0 to 1
 * @property {number} objects
 * @property {{photo_id: number, name: string, problem: string}[]} problems
 * @property {string[]} notes
 * @property {boolean} undone
 */

/** @typedef {{box: Box, png: string}} Patch a base64 PNG of the mask in the box */

/**
 * @typedef {object} Change
 * @property {Thing} object
 * @property {Patch | null} patch
 * @property {Pass[]} [passes]
 * @property {Thing[]} [others] that became part of it, or were one: deleted now, or there again
 * @property {{queue: number, model: number, total: number}} [ms]
 */

/** @typedef {{name: string, kind: "text" | "number" | "choice" | "tick", choices: string[]}} Attribute */

/** @typedef {{id: number, name: string, colour: string, key: string | null, group: string, attributes: Attribute[]}} Class */

/**
 * @typedef {object} FormatOption
 * @property {string} name
 * @property {string} title
 * @property {"choice" | "flag" | "number"} kind
 * @property {string[]} [choices]
 * @property {string | boolean | number} default
 */

/** @typedef {{name: string, title: string, loses: string[], options: FormatOption[]}} Format */

/**
 * @typedef {object} Folder
 * @property {string} id
 * @property {string} name
 * @property {string} method
 * @property {{cfr?: number | null, adaptive?: boolean}} options what the page starts with
 * @property {OwnPasses | null} own how the model refines by itself; null until it is loaded
 * @property {string | null} [problem] why the model cannot be loaded
 * @property {Class[]} classes
 * @property {Record<string, number>} counts
 * @property {Format[]} formats
 * @property {number} examples so many example photos can be copied into it
 */

/** @typedef {{first: number, later: number, adaptive: boolean, quick: boolean}} OwnPasses after the first click, and after the others; `quick`: previews can be had at once */

/** @typedef {"click" | "box" | "scribble" | "polygon" | "lasso" | "brush" | "erase" | "outline"} Tool */

/** @typedef {"box" | "scribble" | "polygon" | "lasso"} Drawn */

/** @typedef {{kind: Drawn, points: [number, number][], positive: boolean}} Prompt a box by two corners; a stroke; a polygon, whose last point follows the pointer */

export {};
